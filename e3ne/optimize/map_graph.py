"""From integers to a layout: windows, input lanes, and lanes for every node under a LUT budget.

The pipeline is as fast as its slowest node, so lanes are spent to balance the nodes: the mapping
is the one of the least frame interval for which the cheapest lanes of all nodes fit the budget.
What then remains shortens the nodes that add most to a frame's latency.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..boards import Board
from ..config import Config
from ..cost import node_cycles, node_resources, predict
from ..cost.schedule import frame_latency
from ..ir import (
    DoesNotFit,
    Graph,
    Node,
    Stage,
    verify,
)
from .lanes import node_mappings
from .size_queues import size_queues
from .windows import choose_window

BASE_LUTS = 400  # ports and readout
INPUT_BUS_BITS = 64  # widest input beat that is chosen by itself


@dataclass(frozen=True)
class Choice:
    """One layout of a node, its cycles a frame and its estimated LUTs."""

    node: Node
    cycles: int
    luts: int


def map_graph(graph: Graph, board: Board, config: Config) -> Graph:
    """A graph of stage INTEGER with a mapping for `board`.

    `config.utilisation` of the board's LUTs may be used; `config.mapping`, `config.window` and
    `config.input_lanes` fix what the user wants fixed. DoesNotFit where even the smallest layout
    is too large for LUTs or block RAM.
    """
    window = choose_window(graph, config.window)
    lanes = config.input_lanes or _input_lanes(graph, window)
    inputs = tuple(replace(source, lanes=lanes) for source in graph.inputs)
    graph = replace(graph, inputs=inputs, steps_in_window=window)
    budget = int(board.resources.luts * config.utilisation) - BASE_LUTS
    fronts = [_front(graph, node, config, window) for node in graph.nodes]
    smallest = sum(front[-1].luts for front in fronts)
    if smallest > budget:
        raise DoesNotFit(_too_large(graph, fronts, board, config))
    chosen = _balanced(fronts, budget, _input_beats(graph, window, lanes))
    graph = graph.with_nodes([choice.node for choice in chosen])
    graph = size_queues(_shortened(graph, fronts, budget))
    graph = verify(replace(graph, stage=Stage.MAPPED))
    predicted = predict(graph)
    if predicted.brams > board.resources.brams:
        raise DoesNotFit(
            f"board {board.name}: found a network of {predicted.brams} block RAMs "
            f"({predicted.bram_bits} bits), accepted {board.resources.brams}; use fewer weight "
            "bits, a smaller network or a larger board"
        )
    return graph


def _input_beats(graph: Graph, window: int, lanes: int) -> int:
    type = graph.inputs[0].type
    return type.neurons // lanes * -(-type.steps // min(window, type.steps))


def _input_lanes(graph: Graph, window: int) -> int:
    """As many elements a beat as fit the widest bus: whole pixels, or a divisor of a vector."""
    type = graph.inputs[0].type
    field_bits = 8 * -(-type.bits * min(window, type.steps) // 8)
    fitting = [
        lanes
        for lanes in range(1, type.channels + 1)
        if type.channels % lanes == 0 and lanes * field_bits <= INPUT_BUS_BITS
    ]
    return max(fitting, default=1)


def _front(graph: Graph, node: Node, config: Config, window: int) -> list[Choice]:
    """The layouts of a node that no other beats in both cycles and LUTs, fastest first."""
    fixed = config.mapping.get(node.name)
    choices = []
    for mapping in node_mappings(graph, node, window, fixed):
        mapped = replace(node, mapping=mapping)
        choices.append(Choice(mapped, node_cycles(graph, mapped), node_resources(graph, mapped).luts))
    if not choices:
        raise DoesNotFit(
            f"{node.name}: found no layout with the lanes that the configuration fixes ({fixed}); "
            "accepted are divisors of channels and kernel elements"
        )
    choices.sort(key=lambda choice: (choice.luts, choice.cycles))
    front: list[Choice] = []
    for choice in choices:
        if not front or choice.cycles < front[-1].cycles:
            front.append(choice)
    return front[::-1]


def _balanced(fronts: list[list[Choice]], budget: int, floor: int) -> list[Choice]:
    """The cheapest layouts of the least interval, no less than `floor`, that fits the budget."""
    intervals = sorted({max(choice.cycles, floor) for front in fronts for choice in front})
    low, high = 0, len(intervals) - 1
    while low < high:
        middle = (low + high) // 2
        choices = _at(fronts, intervals[middle])
        if choices is not None and sum(choice.luts for choice in choices) <= budget:
            high = middle
        else:
            low = middle + 1
    found = _at(fronts, intervals[low])
    assert found is not None
    return found


def _at(fronts: list[list[Choice]], interval: int) -> list[Choice] | None:
    """For each node the cheapest layout of at most `interval` cycles; None where one has none."""
    chosen = []
    for front in fronts:
        fitting = [choice for choice in front if choice.cycles <= interval]
        if not fitting:
            return None
        chosen.append(fitting[-1])
    return chosen


def _shortened(graph: Graph, fronts: list[list[Choice]], budget: int) -> Graph:
    """Faster layouts for single nodes, best latency for its LUTs first, while they fit."""
    spent = sum(node_resources(graph, node).luts for node in graph.nodes)
    latency = frame_latency(graph)
    while True:
        best: tuple[float, Graph, int, int] | None = None
        for index, front in enumerate(fronts):
            luts = node_resources(graph, graph.nodes[index]).luts
            faster = [c for c in front if c.luts > luts and spent + c.luts - luts <= budget]
            for choice in faster[-2:]:
                nodes = [*graph.nodes]
                nodes[index] = choice.node
                candidate = graph.with_nodes(nodes)
                found = frame_latency(candidate)
                gain = (latency - found) / (choice.luts - luts)
                if found < 0.99 * latency and (best is None or gain > best[0]):
                    best = (gain, candidate, found, spent + choice.luts - luts)
        if best is None:
            return graph
        _, graph, latency, spent = best


def _too_large(graph: Graph, fronts: list[list[Choice]], board: Board, config: Config) -> str:
    needed = sum(front[-1].luts for front in fronts) + BASE_LUTS
    largest = max(fronts, key=lambda front: front[-1].luts)[-1]
    return (
        f"board {board.name}: found a network of about {needed} LUTs in its smallest layout "
        f"({largest.node.name} alone {largest.luts}), accepted {config.utilisation:.0%} of "
        f"{board.resources.luts}; take a board of at least "
        f"{int(needed / config.utilisation)} LUTs, fewer steps or channels, or raise utilisation"
    )
