"""The layouts of one node worth considering: those that no other one beats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from ..boards import Board
from ..config import Config
from ..cost import neuron_cycles, node_cycles, node_resources
from ..cost.activity import Trains
from ..cost.schedule import NodeClock
from ..ir import Array, Engine, Graph, Node, Storage, in_loop
from ..ir import Mapping as Layout
from ..ir.edge_words import wanted_lanes
from ..ir.frames import source_windows
from .lanes import fewer_neurons, node_mappings
from .limits import COLUMNS
from .pareto import thinned, undominated
from .placing import fitting
from .storages import storage_options, with_storages

MOST_CHOICES = 72  # layouts of one part; more are thinned
MOST_SHARING = 48  # and of those that share neurons
COMPARED = [2, 4, 5]  # LUTs, block RAMs and multipliers in rows of choices


@dataclass(frozen=True)
class Choice:
    """One layout of a part: its nodes with mappings.

    `cycles` a frame where the words of its sources come as they are taken; `fill` cycles from the
    last slice of a word to its spikes; `costs` are the resources in the order of COLUMNS. Choices
    of equal `timing` send their words at the same times where they get theirs at the same times.
    """

    nodes: tuple[Node, ...]
    cycles: int
    fill: int
    costs: tuple[int, ...]
    timing: tuple[object, ...] = ()

    @property
    def lanes(self) -> tuple[int, ...]:
        """Elements in a word of each node's output."""
        return tuple(node.mapping.lanes for node in self.nodes if node.mapping)


def node_choices(
    graph: Graph,
    node: Node,
    config: Config,
    board: Board,
    trains: Trains | None,
    loads: bool = False,
) -> list[Choice]:
    """The layouts of a node that no other beats in cycles, latency and every resource.

    Layouts are compared that take and send words of the same lanes. `loads`: weights may lie in
    memories that the user fills.
    """
    assert graph.steps_in_window is not None
    fixed = config.mapping.get(node.name)
    zeros = trains is not None
    mappings = node_mappings(graph, node, graph.steps_in_window, fixed, board, zeros)
    judged = _judged(graph, node, mappings, board, trains)
    found = []
    # Apart, so that layouts which share neurons displace no others.
    for shares, most in ((False, MOST_CHOICES), (True, MOST_SHARING)):
        alike = [choice for choice in judged if (choice.fill > 0) == shares]
        plain = _few(_unbeaten(graph, alike, board, loads), most)
        moved = [other for choice in plain for other in _moved(graph, choice, config, board, loads)]
        if moved:
            plain = _few(_unbeaten(graph, [*plain, *moved], board), most)
        found += plain
    found = [_timed(graph, choice, trains) for choice in found]
    kept = _best(found, numbered([_words(graph, choice.nodes[0]) for choice in found]))
    return [found[index] for index in kept]


def _moved(
    graph: Graph, choice: Choice, config: Config, board: Board, loads: bool
) -> Iterator[Choice]:
    """The choice with memories elsewhere, where that changes its costs.

    Each memory costs the same wherever the others lie.
    """
    (node,) = choice.nodes
    options = storage_options(node, config.mapping.get(node.name), board, loads)
    changes: list[list[tuple[Storage, Array]]] = []
    for place, kinds in enumerate(options):
        nothing = np.zeros(len(COLUMNS), np.int64)
        changes.append([(Storage.AUTO, nothing)])
        for kind in kinds:
            pair = (kind, Storage.AUTO) if place == 0 else (Storage.AUTO, kind)
            mapping = with_storages(graph, node, *pair)
            if mapping is not None:
                alone = _costs(graph, replace(node, mapping=mapping), board)
                change = np.subtract(alone, choice.costs)
                if change.any():
                    changes[place].append((kind, change))
    for (weights, more), (buffers, other) in product(*changes):
        mapping = with_storages(graph, node, weights, buffers)
        if mapping is not None and (weights, buffers) != (Storage.AUTO, Storage.AUTO):
            costs = tuple(int(cost) for cost in np.add(choice.costs, more + other))
            yield replace(choice, nodes=(replace(node, mapping=mapping),), costs=costs)


def _costs(graph: Graph, node: Node, board: Board) -> tuple[int, ...]:
    """The resources of a mapped node in the order of COLUMNS."""
    used = node_resources(graph, node, board.family)
    return tuple(int(getattr(used, name, 0)) for name in COLUMNS)


def _few(found: list[Choice], most: int) -> list[Choice]:
    """About `most` of them: of similar costs the fastest ones."""
    if len(found) <= most:
        return found
    rows = _rows(found)
    value = rows[:, 0] + rows[:, 1]
    return [found[index] for index in thinned(rows[:, COMPARED], value, most)]


def _judged(
    graph: Graph,
    node: Node,
    mappings: Iterable[Layout],
    board: Board,
    trains: Trains | None,
) -> list[Choice]:
    """The choices of these mappings; `fill` is only what fewer neurons add to it.

    Each also with fewer neurons, where these are still as fast as the synapses; LOGIC, which has no
    other lanes, with all of them.
    """
    found = []
    saved, windows = _Saved(graph, node, board), source_windows(graph, node.name)
    for mapping in mappings:
        mapped = replace(node, mapping=mapping)
        costs = _costs(graph, mapped, board)
        cycles = node_cycles(graph, mapped, trains)
        found.append(Choice((mapped,), cycles, 0, costs))
        for fewer in fewer_neurons(mapped):
            sharing = replace(mapped, mapping=fewer)
            busy = neuron_cycles(graph, sharing)
            if busy > cycles and mapping.engine is not Engine.LOGIC:
                break
            adds = busy * (mapping.current_lanes - fewer.lanes) // node.type.neurons // windows
            less = tuple(c - s for c, s in zip(costs, saved.by(mapped, sharing), strict=True))
            found.append(Choice((sharing,), max(cycles, busy), adds, less))
    return found


class _Saved:
    """What fewer neurons save. It depends on the lanes alone, not on how the synapses work."""

    def __init__(self, graph: Graph, node: Node, board: Board) -> None:
        self.graph, self.board = graph, board
        self.looped = in_loop(graph, node.name)
        self.known: dict[object, tuple[int, ...]] = {}

    def by(self, node: Node, sharing: Node) -> tuple[int, ...]:
        """Each resource of `node` less that of the same node `sharing` its neurons."""
        assert node.mapping is not None
        assert sharing.mapping is not None
        alike: object = node.mapping.out_lanes, node.mapping.pixel_lanes
        if self.looped:  # the node may take the words that it sends
            alike = node.mapping
        key = (alike, sharing.mapping.lanes)
        if key not in self.known:
            before, after = (
                node_resources(self.graph, one, self.board.family) for one in (node, sharing)
            )
            self.known[key] = tuple(
                int(getattr(before, name, 0)) - int(getattr(after, name, 0)) for name in COLUMNS
            )
        return self.known[key]


def _unbeaten(graph: Graph, found: list[Choice], board: Board, loads: bool = False) -> list[Choice]:
    """Those that fit the board and that no other with the same clock beats.

    With `loads` block RAMs do not count: what is in them may go elsewhere yet. Only for those that
    are left clocks get built.
    """
    if not found:
        return []
    found = _on_board(found, board, loads)
    kinds = [_clock_kind(graph, choice.nodes[0]) for choice in found]
    return [found[index] for index in _best(found, numbered(kinds))]


def numbered(kinds: list[Any]) -> Array:
    """A number for each kind, the same for equal ones: int64 (kinds,)."""
    numbers = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
    return np.array([numbers[kind] for kind in kinds], np.int64)


def _words(graph: Graph, node: Node) -> tuple[int, ...]:
    """Lanes that a node sends and takes."""
    assert node.mapping is not None
    indices = range(len(node.synapses))
    return node.mapping.lanes, *(wanted_lanes(graph, node, index) for index in indices)


def _clock_kind(graph: Graph, node: Node) -> tuple[Any, ...]:
    """What a node's clock depends on beside its cycles."""
    mapping = node.mapping
    assert mapping is not None
    engines = (
        (s.in_lanes, s.step_lanes, s.bit_lanes, s.in_columns, s.lane_rows) for s in mapping.synapses
    )
    return _words(graph, node), mapping.current_lanes, mapping.engine, *engines


def _timed(graph: Graph, choice: Choice, trains: Trains | None) -> Choice:
    """The choice with its fill and what its clock depends on."""
    (node,) = choice.nodes
    clock = NodeClock(fitting(graph, [node]), node, trains)
    shared = (clock.parts - 1) * clock.apart
    fill = clock.latency + shared + max(synapse.latency for synapse in clock.synapses)
    paces = tuple((synapse.latency, synapse.apart) for synapse in clock.synapses)
    timing = (_clock_kind(graph, node), clock.latency, clock.parts, clock.apart, paces)
    return replace(choice, fill=fill, timing=(timing,))


def _on_board(found: list[Choice], board: Board, loads: bool) -> list[Choice]:
    """Those that fit the board alone; the smallest one where none does."""
    have = np.array([getattr(board.resources, name) for name in COLUMNS], np.float64)
    if loads:
        have[COLUMNS.index("brams")] = np.inf
    costs = np.array([choice.costs for choice in found])
    fitting = np.flatnonzero((costs <= have).all(axis=1))
    if not len(fitting):
        fitting = np.array([np.argmin((costs / np.maximum(have, 1)).max(axis=1))])
    return [found[index] for index in fitting]


def _rows(found: list[Choice]) -> Array:
    return np.array([(c.cycles, c.fill, *c.costs) for c in found], np.int64)


def _best(found: list[Choice], groups: Array) -> list[int]:
    """Indices of the choices that no other of their group beats."""
    if not found:
        return []
    rows = _rows(found)
    kept: list[int] = []
    for group in np.unique(groups):
        same = np.flatnonzero(groups == group)
        kept += same[undominated(rows[same])].tolist()
    return sorted(kept)
