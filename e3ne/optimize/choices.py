"""The layouts worth considering for each part of a network: a node, or all nodes of a loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..boards import Board
from ..config import Config
from ..cost import neuron_cycles, node_cycles, node_resources
from ..cost.activity import Trains
from ..cost.schedule import NodeClock, loop_cycles
from ..ir import Array, Engine, Graph, Node, computing_order, in_loop
from ..ir import Mapping as Layout
from ..ir.frames import source_windows
from ..ir.geometry import wanted_lanes
from .lanes import fewer_neurons, node_mappings, other_storages
from .limits import COLUMNS
from .pareto import thinned, undominated

MOST_CHOICES = 72  # layouts of one part; more are thinned
MOST_SHARING = 48  # and of those that share neurons
MOST_LOOP_LAYOUTS = 48  # of all nodes of a loop together
COMPARED = [2, 4, 5]  # LUTs, block RAMs and multipliers in rows of choices


@dataclass(frozen=True)
class Choice:
    """One layout of a part: its nodes with mappings.

    `cycles` a frame where the words of its sources come as they are taken; `fill` cycles from the
    last slice of a word to its spikes; `costs` are the resources in the order of COLUMNS.
    """

    nodes: tuple[Node, ...]
    cycles: int
    fill: int
    costs: tuple[int, ...]

    @property
    def lanes(self) -> tuple[int, ...]:
        """Elements in a word of each node's output."""
        return tuple(node.mapping.lanes for node in self.nodes if node.mapping)


@dataclass(frozen=True)
class Part:
    """Nodes that are laid out together, all choices for them, and what they read from outside.

    `cycles` (choices,) and `costs` (choices, columns) hold those of the choices.
    """

    names: tuple[str, ...]
    sources: tuple[str, ...]
    choices: tuple[Choice, ...]
    cycles: Array
    costs: Array


def parts_of(
    graph: Graph,
    config: Config,
    board: Board,
    trains: Trains | None,
    known: dict[object, list[Choice]],
) -> list[Part]:
    """The parts of `graph` (stage MAPPED without mappings) in an order in which sources come first.

    A part without choices is one for which the user has fixed what no layout has. `known` keeps
    the choices for nodes that read no input: beats of other lanes do not change them.
    """
    parts = []
    inputs = {source.name for source in graph.inputs}
    for group in computing_order(graph):
        sources = {synapse.source: None for node in group for synapse in node.synapses}
        names = tuple(node.name for node in group)
        key = (graph.steps_in_window, names, graph.inputs if inputs & set(sources) else None)
        if key not in known:
            known[key] = _part_choices(graph, group, config, board, trains)
        choices = known[key]
        outside = tuple(source for source in sources if source not in names)
        costs = np.array([choice.costs for choice in choices], np.int64).reshape(-1, len(COLUMNS))
        cycles = np.array([choice.cycles for choice in choices], np.int64)
        parts.append(Part(names, outside, tuple(choices), cycles, costs))
    return parts


def _part_choices(
    graph: Graph, group: tuple[Node, ...], config: Config, board: Board, trains: Trains | None
) -> list[Choice]:
    fronts = [node_choices(graph, node, config, board, trains) for node in group]
    if in_loop(graph, group[0].name):
        return loop_choices(graph, fronts, trains) if all(fronts) else []
    return fronts[0]


def node_choices(
    graph: Graph, node: Node, config: Config, board: Board, trains: Trains | None
) -> list[Choice]:
    """The layouts of a node that no other beats in cycles, latency and every resource.

    Layouts are compared that take and send words of the same lanes.
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
        plain = _few(_unbeaten(graph, alike, board), most)
        others = [m for c in plain for m in other_storages(graph, c.nodes[0], fixed, board)]
        if others:
            moved = _judged(graph, node, others, board, trains)
            plain = _few(_unbeaten(graph, [*plain, *(c for c in moved if not c.fill)], board), most)
        found += plain
    found = [replace(choice, fill=_fill(graph, choice.nodes[0], trains)) for choice in found]
    kept = _best(found, _numbers([_words(graph, choice.nodes[0]) for choice in found]))
    return [found[index] for index in kept]


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
        used = node_resources(graph, mapped, board.family)
        costs = tuple(int(getattr(used, name, 0)) for name in COLUMNS)
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


def _unbeaten(graph: Graph, found: list[Choice], board: Board) -> list[Choice]:
    """Those that fit the board and that no other with the same clock beats.

    Only for those that are left clocks get built.
    """
    if not found:
        return []
    found = _on_board(found, board)
    kinds = [_clock_kind(graph, choice.nodes[0]) for choice in found]
    return [found[index] for index in _best(found, _numbers(kinds))]


def _numbers(kinds: list[Any]) -> Array:
    numbers = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
    return np.array([numbers[kind] for kind in kinds], np.int64)


def loop_choices(graph: Graph, fronts: list[list[Choice]], trains: Trains | None) -> list[Choice]:
    """Layouts of all nodes of a loop: for each number of cycles the cheapest that keep it.

    A loop of one node has each of its layouts.
    """
    if len(fronts) == 1:
        together: list[tuple[Choice, ...]] = [(choice,) for choice in fronts[0]]
    else:
        least = max(min(choice.cycles for choice in front) for front in fronts)
        paces = sorted({max(least, choice.cycles) for front in fronts for choice in front})
        together = list(
            dict.fromkeys(
                tuple(
                    min(
                        (choice for choice in front if choice.cycles <= pace),
                        key=lambda choice: choice.costs,
                    )
                    for front in fronts
                )
                for pace in paces
            )
        )
    step = -(-len(together) // MOST_LOOP_LAYOUTS)
    found = []
    for choices in together[::step]:
        nodes = tuple(choice.nodes[0] for choice in choices)
        cycles = max(
            loop_cycles(_fitting(graph, nodes), nodes, trains), *(c.cycles for c in choices)
        )
        costs = tuple(int(total) for total in np.sum([c.costs for c in choices], axis=0))
        found.append(Choice(nodes, cycles, max(c.fill for c in choices), costs))
    return found


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


def _fill(graph: Graph, node: Node, trains: Trains | None) -> int:
    clock = NodeClock(_fitting(graph, [node]), node, trains)
    shared = (clock.parts - 1) * clock.apart
    return clock.latency + shared + max(synapse.latency for synapse in clock.synapses)


def _on_board(found: list[Choice], board: Board) -> list[Choice]:
    """Those that fit the board alone; the smallest one where none does."""
    have = np.array([getattr(board.resources, name) for name in COLUMNS])
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


def with_lanes(graph: Graph, nodes: Iterable[Node], lanes: Mapping[str, int]) -> Graph:
    """The graph with `nodes` in place, and with others that send words of `lanes` elements."""
    placed = {node.name: node for node in nodes}
    found = [
        placed[node.name]
        if node.name in placed
        else replace(node, mapping=Layout(out_lanes=lanes[node.name]))
        if node.name in lanes
        else node
        for node in graph.nodes
    ]
    return graph.with_nodes(found)


def _fitting(graph: Graph, nodes: Iterable[Node]) -> Graph:
    """The graph with `nodes`, and with sources that send words as these take them."""
    nodes = tuple(nodes)
    inside = {source.name for source in graph.inputs} | {node.name for node in nodes}
    within = graph.with_nodes([*nodes, *(n for n in graph.nodes if n.name not in inside)])
    lanes = {
        synapse.source: wanted_lanes(within, node, index)
        for node in nodes
        for index, synapse in enumerate(node.synapses)
        if synapse.source not in inside
    }
    return with_lanes(graph, nodes, lanes)
