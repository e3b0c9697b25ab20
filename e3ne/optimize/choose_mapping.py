"""From integers to a layout: windows, input lanes, and lanes for every node under a LUT budget.

The pipeline is as fast as its slowest node, so lanes are spent to balance the nodes: for each
window the mapping is the one of the least frame interval for which the cheapest lanes of all nodes
fit the board. What then remains shortens the nodes that add most to a frame's latency, where that
is worth its LUTs. Of all windows the one of the least interval, then latency, then LUTs is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..boards import Board, list_boards, load_board
from ..config import Config
from ..cost import Prediction, frame_interval, port_cycles, predict
from ..ir import Array, DoesNotFit, Graph, Input, Stage, verify
from .fronts import Choice, Front, balanced, node_front
from .ports import with_ports
from .shorten import shorten_latency
from .size_queues import size_queues
from .windows import allowed_windows

INPUT_BUS_BITS = 64  # widest input beat that is chosen by itself


def choose_mapping(
    graph: Graph, board: Board, config: Config, trains: Mapping[str, Array] | None = None
) -> Graph:
    """A graph of stage INTEGER with a mapping for `board`, the best for `config.target`.

    `trains` are what every input and node sends on some frames, (frames, steps, *shape): EVENT
    nodes are judged by their mean cycles, and energy by their activity.

    `config.utilisation` of the board's LUTs may be used; `config.mapping`, `config.window` and
    `config.input_lanes` fix what the user wants fixed. DoesNotFit where even the smallest layout
    is too large for LUTs or block RAM.
    """
    family = board.family
    graph = with_ports(graph, config)
    best: tuple[tuple[int, int, int], Graph] | None = None
    too_large: list[Prediction] = []
    impossible: set[str] = set()
    for window in allowed_windows(graph, config.window):
        inputs = tuple(
            replace(source, lanes=config.input_lanes or _input_lanes(source, window))
            for source in graph.inputs
        )
        laid = replace(graph, stage=Stage.MAPPED, inputs=inputs, steps_in_window=window)
        fronts = [node_front(laid, node, config, window, family) for node in graph.nodes]
        missing = [n.name for n, front in zip(graph.nodes, fronts, strict=True) if not front]
        if missing:
            impossible.update(missing)
            continue
        mapped = _mapped(laid, fronts, board, config, too_large)
        if mapped is not None:
            found = predict(mapped, family)
            rank = (found.interval_cycles, found.latency_cycles, found.luts)
            if best is None or rank < best[0]:
                best = (rank, mapped)
    if best is None and not too_large:
        raise DoesNotFit(_no_layout(sorted(impossible), config))
    if best is None:
        raise DoesNotFit(_too_large(too_large, board, config))
    return verify(best[1])


def _mapped(
    graph: Graph, fronts: list[Front], board: Board, config: Config, too_large: list[Prediction]
) -> Graph | None:
    """The best layout for the window of `graph`; None where none fits.

    `too_large` gets the figures of the smallest layout then. Every interval is tried whose layouts
    fit, until no better one can follow: so a larger board never has a longer interval.
    """
    family = board.family
    budget = int(board.resources.luts * config.utilisation)
    floor = port_cycles(graph)
    best: tuple[int, list[Choice], Prediction] | None = None
    found = None
    for interval, choices in balanced(fronts, floor):
        if best is not None and interval > best[0]:
            break
        candidate = graph.with_nodes([choice.node for choice in choices])
        real = frame_interval(candidate)
        if best is not None and real > best[0]:
            continue
        found = predict(candidate, family)
        if found.luts <= budget and found.brams <= board.resources.brams:
            best = (real, choices, found)
    if best is None:
        assert found is not None
        too_large.append(found)
        return None
    _, choices, found = best
    candidate = graph.with_nodes([choice.node for choice in choices])
    free = board.resources.brams - found.brams
    shorter = shorten_latency(candidate, fronts, found.luts, budget, free)
    queued = size_queues(shorter)
    return queued if predict(queued, family).brams <= board.resources.brams else shorter


def _input_lanes(source: Input, window: int) -> int:
    """As many elements a beat as fit the widest bus: whole pixels, or a divisor of a vector.

    Words behind events are as wide at most; their lanes are a power of two.
    """
    type = source.type
    field_bits = type.bits * min(window, type.steps)
    if not source.packed:
        field_bits = 8 * -(-field_bits // 8)
    fitting = [
        lanes
        for lanes in range(1, type.channels + 1)
        if type.channels % lanes == 0
        and lanes * field_bits <= INPUT_BUS_BITS
        and not (source.events and lanes & (lanes - 1))
    ]
    return max(fitting, default=1)


def _no_layout(nodes: list[str], config: Config) -> list[str]:
    """For each node whose lanes the user fixed to what no window allows."""
    return [
        f"config.mapping.{name}: found no layout with {config.mapping.get(name)}, accepted lanes "
        "that divide: in_lanes the elements under a kernel, out_lanes the channels of a group, "
        "pixel_lanes the columns where out_lanes is all channels, step_lanes the window"
        for name in nodes
    ]


def _too_large(smallest: list[Prediction], board: Board, config: Config) -> list[str]:
    """Need, have and what would fit, for LUTs and for block RAM."""
    have, share = board.resources, config.utilisation
    luts = min(found.luts for found in smallest)
    brams = min(found.brams for found in smallest)
    fitting = [
        name
        for name in list_boards()
        if load_board(name).family == board.family
        and load_board(name).resources.luts * share >= luts
        and load_board(name).resources.brams >= brams
    ]
    would_fit = f"take {' or '.join(fitting)}" if fitting else "take a larger part"
    problems = []
    if luts > have.luts * share:
        problems.append(
            f"board {board.name}: found a network of about {luts:,} LUTs in its smallest layout, "
            f"accepted {share:.0%} of {have.luts:,}; {would_fit}, raise `utilisation`, or use "
            "fewer weight bits, steps or channels"
        )
    if brams > have.brams or not problems:
        problems.append(
            f"board {board.name}: found a network of {brams:,} block RAMs in its smallest layout, "
            f"accepted {have.brams:,}; {would_fit}, or use fewer weight bits, steps or channels"
        )
    return problems
