"""Exact cycles from a run of models of all parts (`cost.flow`), of frames that are not too long.

Of many long frames the first ones are run, as many as a few seconds allow.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..ir import Engine, Graph
from .activity import Trains
from .flow import FlowInterval, run_flow, run_interval

MOST_PART_CYCLES = 6_000_000  # parts x cycles of all runs, some 5 s; more is estimated
PARTS_OF_NODE, PARTS_OF_PORTS = 6, 8  # about
LEAST_LIMIT = 10_000  # cycles after which a run that was to take few is given up
FIRST_FRAMES = 6  # equal ones back to back, at least, until the network repeats itself
LEAST_FRAMES, MOST_FRAMES = 24, 400  # of which it may need so many


@dataclass(frozen=True)
class Cycles:
    """Cycles of frames: alone in an idle network, one for each, and between two back to back.

    The first beat and the last word of a frame are included. `lasts`: no later frame changes the
    interval.
    """

    latencies: tuple[int, ...]
    interval: float
    lasts: bool = True


def follows_data(graph: Graph) -> bool:
    """Whether cycles depend on what is sent: a node leaves out zeros, or frames are events."""
    engines = [node.mapping.engine for node in graph.nodes if node.mapping is not None]
    return Engine.EVENT in engines or any(source.events for source in graph.inputs)


def exact_cycles(graph: Graph, trains: Trains | None, estimate: int) -> Cycles | None:
    """Exact cycles of the frames of `trains` (None: of frames in which nothing is zero).

    As many frames of `trains` as `MOST_PART_CYCLES` allow; None where it allows none. `estimate`
    says how many cycles a frame may take.
    """
    parts = PARTS_OF_NODE * len(graph.nodes) + PARTS_OF_PORTS
    runs, limit = MOST_PART_CYCLES // (estimate * parts), 4 * estimate + LEAST_LIMIT
    frames = 1 if trains is None or not follows_data(graph) else len(next(iter(trains.values())))
    count = min(frames, runs // 2)  # each alone, and all in turn
    if count < 2:
        count = min(1, max(runs - FIRST_FRAMES, 0))  # and back to back
    latencies = []
    for frame in range(count):
        run = run_flow(graph, [frame], trains, limit)
        if run is None:
            return None
        latencies.append(run.ends[0] - run.starts[0] + 1)
    found = _mixed(graph, trains, count, limit) if count > 1 else None
    if count and found is None:
        most = min(max(LEAST_FRAMES, runs - count), MOST_FRAMES)
        found = run_interval(graph, trains, most, most * limit)
    return None if found is None else Cycles(tuple(latencies), found.cycles, found.lasts)


def _mixed(graph: Graph, trains: Trains | None, count: int, limit: int) -> FlowInterval | None:
    """The mean interval of all frames in turn."""
    run = run_flow(graph, list(range(count)), trains, count * limit)
    return None if run is None else FlowInterval((run.ends[-1] - run.ends[0]) / (count - 1), True)
