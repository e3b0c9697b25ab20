"""The parts of a network that are laid out together: a node, or all nodes of a loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..boards import Board
from ..config import Config
from ..cost.activity import Trains
from ..cost.schedule import loop_cycles
from ..ir import Array, Graph, Node, computing_order, in_loop
from .choices import Choice, node_choices
from .limits import COLUMNS
from .placing import fitting

MOST_LOOP_LAYOUTS = 48  # of all nodes of a loop together


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
    loads: bool = False,
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
            known[key] = _part_choices(graph, group, config, board, trains, loads)
        choices = known[key]
        outside = tuple(source for source in sources if source not in names)
        costs = np.array([choice.costs for choice in choices], np.int64).reshape(-1, len(COLUMNS))
        cycles = np.array([choice.cycles for choice in choices], np.int64)
        parts.append(Part(names, outside, tuple(choices), cycles, costs))
    return parts


def _part_choices(
    graph: Graph,
    group: tuple[Node, ...],
    config: Config,
    board: Board,
    trains: Trains | None,
    loads: bool,
) -> list[Choice]:
    fronts = [node_choices(graph, node, config, board, trains, loads) for node in group]
    if in_loop(graph, group[0].name):
        return loop_choices(graph, fronts, trains) if all(fronts) else []
    return fronts[0]


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
            loop_cycles(fitting(graph, nodes), nodes, trains), *(c.cycles for c in choices)
        )
        costs = tuple(int(total) for total in np.sum([c.costs for c in choices], axis=0))
        timing = tuple(item for choice in choices for item in choice.timing)
        found.append(Choice(nodes, cycles, max(c.fill for c in choices), costs, timing))
    return found
