"""Runs the models of a network over some frames."""

from __future__ import annotations

from dataclasses import dataclass

from ...ir import Graph
from ...ir.frames import output_format
from ..activity import Trains
from .network import FlowNetwork


@dataclass(frozen=True)
class FlowRun:
    """Of each frame: the cycle of its first beat in (the latest of all inputs' is not before), and
    that of its last beat out, of all outputs."""

    starts: list[int]
    ends: list[int]


def run_flow(
    graph: Graph, frames: list[int], trains: Trains | None = None, limit_cycles: int | None = None
) -> FlowRun | None:
    """`frames` of `trains` back to back; None where they take more than `limit_cycles`.

    RuntimeError where nothing moves any more, which no network may do.
    """
    network = FlowNetwork(graph, frames, trains)
    beats = [output_format(graph, output).beats for output in graph.outputs]
    wanted = [count * len(frames) for count in beats]
    cycle = 0
    while any(len(sink.cycles) < count for sink, count in zip(network.sinks, wanted, strict=True)):
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
