"""LUTs that are left over shorten the latency, as long as they are worth it."""

from __future__ import annotations

from ..cost import frame_interval
from ..cost.schedule import frame_latency, node_times
from ..ir import Graph, computing_order
from .fronts import Front

WORTHWHILE = 0.5  # least relative gain in latency for a relative growth of the network of 1
LEAST_GAIN = 0.01  # smaller relative gains are not looked at
NEXT_LAYOUTS = 2  # layouts of a node that are tried, the cheapest of the faster ones


def shorten_latency(
    graph: Graph, fronts: list[Front], spent: int, budget: int, brams: int
) -> Graph:
    """Faster layouts for single nodes, best latency for its LUTs first, while they fit `budget`.

    `spent` are the network's LUTs, `brams` the block RAMs still free. A layout is taken where it
    shortens the latency by at least half the fraction by which it makes the network grow, and
    never where the frame interval would become longer.
    """
    at = [_position(front, node.mapping) for front, node in zip(fronts, graph.nodes, strict=True)]
    latency, interval = frame_latency(graph), frame_interval(graph)
    groups = enumerate(computing_order(graph))
    place = {node.name: number for number, group in groups for node in group}
    while True:
        best: tuple[float, int, int, int] | None = None
        times = node_times(graph)
        for index, front in enumerate(fronts):
            here = place[graph.nodes[index].name]
            known = {name: times[name] for name in place if place[name] < here}
            for position in range(at[index] - 1, max(-1, at[index] - 1 - NEXT_LAYOUTS), -1):
                growth = front[position].luts - front[at[index]].luts
                more_brams = front[position].brams - front[at[index]].brams
                if spent + growth > budget or more_brams > brams:
                    continue
                candidate = _with_layout(graph, index, fronts, position)
                found = frame_latency(candidate, known)
                gain = (latency - found) / latency
                worth = gain / (growth / spent)
                if gain < LEAST_GAIN or worth < WORTHWHILE or (best and worth <= best[0]):
                    continue
                if frame_interval(candidate) <= interval:
                    best = (worth, index, position, found)
        if best is None:
            return graph
        _, index, position, latency = best
        spent += fronts[index][position].luts - fronts[index][at[index]].luts
        brams -= fronts[index][position].brams - fronts[index][at[index]].brams
        graph = _with_layout(graph, index, fronts, position)
        at[index] = position


def _position(front: Front, mapping: object) -> int:
    return next(k for k, choice in enumerate(front) if choice.node.mapping == mapping)


def _with_layout(graph: Graph, index: int, fronts: list[Front], position: int) -> Graph:
    nodes = list(graph.nodes)
    nodes[index] = fronts[index][position].node
    return graph.with_nodes(nodes)
