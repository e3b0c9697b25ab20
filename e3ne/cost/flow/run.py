"""Runs the models of a network over some frames, or over one again and again."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from ...ir import Graph
from ...ir.frames import output_format
from ..activity import Trains
from .network import FlowNetwork
from .states import read_state, state_cells


@dataclass(frozen=True)
class FlowRun:
    """Of each frame: the cycle of its first beat in (the latest of all inputs' is not before), and
    that of its last beat out, of all outputs."""

    starts: list[int]
    ends: list[int]


def run_flow(
    graph: Graph, frames: list[int], trains: Trains | None = None, limit_cycles: int | None = None
) -> FlowRun | None:
    """`frames` of `trains` back to back; None where they take more than `limit_cycles`."""
    network = FlowNetwork(graph, frames, trains)
    beats = _beats(graph)
    cycle = 0
    while _ended(network, beats) < len(frames):
        if limit_cycles is not None and cycle >= limit_cycles:
            return None
        network.step()
        cycle += 1
    ends = [
        max(
            sink.cycles[(k + 1) * count - 1]
            for sink, count in zip(network.sinks, beats, strict=True)
        )
        for k in range(len(frames))
    ]
    starts = [min(source.firsts[k] for source in network.sources) for k in range(len(frames))]
    return FlowRun(starts, ends)


@dataclass(frozen=True)
class FlowInterval:
    """Mean cycles between equal frames; `lasts`: they follow each other so for ever."""

    cycles: float
    lasts: bool


def run_interval(
    graph: Graph, trains: Trains | None, most_frames: int, limit_cycles: int
) -> FlowInterval | None:
    """The first frame of `trains` back to back until a frame ends as an earlier one did.

    Of `most_frames` without such an end the second half counts; None where these take more than
    `limit_cycles`.
    """
    network = FlowNetwork(graph, [0], trains)
    for source in network.sources:
        source.endless = True
    beats, cells = _beats(graph), state_cells(network)
    seen: dict[Hashable, int] = {}
    ends: list[int] = []
    for cycle in range(limit_cycles):
        network.step()
        if _ended(network, beats) == len(ends):
            continue
        ends.append(cycle)
        first = seen.setdefault(read_state(cells), len(ends) - 1)
        if first < len(ends) - 1:
            return FlowInterval((cycle - ends[first]) / (len(ends) - 1 - first), True)
        if len(ends) == most_frames:
            half = len(ends) // 2
            return FlowInterval((cycle - ends[half - 1]) / (len(ends) - half), False)
    return None


def _beats(graph: Graph) -> list[int]:
    """Beats of a frame of each output."""
    return [output_format(graph, output).beats for output in graph.outputs]


def _ended(network: FlowNetwork, beats: list[int]) -> int:
    """Frames that have left by all outputs."""
    return min(len(sink.cycles) // count for sink, count in zip(network.sinks, beats, strict=True))
