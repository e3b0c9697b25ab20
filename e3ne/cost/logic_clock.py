"""Cycles of the LOGIC engine."""

from __future__ import annotations

from ..ir import Graph, Linear, Node
from ..ir.engine_cycles import folded_window_cycles
from ..ir.geometry import Fold, op_window
from ..ir.logic_plan import synapse_plan
from .pace import EngineClock, Pace, Times
from .window_clocks import SlidingWindowClock


class VectorClock:
    """A LogicUnit alone: whole vectors, each taken when the one before is done."""

    def __init__(self, chunks: int) -> None:
        self.pace = Pace(chunks)

    def window(self, words: Times) -> tuple[Times, Times]:
        """See EngineClock."""
        taken = self.pace(words)
        return taken, taken


def logic_clock(graph: Graph, node: Node, index: int) -> tuple[EngineClock, int, int]:
    """As `dense_clock`."""
    assert node.mapping is not None
    op, plan = node.synapses[index].op, synapse_plan(graph, node, index)
    if isinstance(op, Linear):
        return VectorClock(plan.chunks), plan.latency_cycles, plan.chunks
    window = op_window(op, graph.edge(node.synapses[index].source).shape)
    lanes, pixels = node.mapping.synapses[index], node.mapping.pixel_lanes
    clock = SlidingWindowClock(
        window, _whole(lanes.in_lanes), pixels, plan.chunks, lanes.in_columns
    )
    return clock, plan.latency_cycles, plan.chunks


def logic_cycles(graph: Graph, node: Node, index: int) -> tuple[int, int]:
    """As `dense_cycles`."""
    assert node.mapping is not None
    op, plan = node.synapses[index].op, synapse_plan(graph, node, index)
    if isinstance(op, Linear):
        return plan.chunks, 1
    window = op_window(op, graph.edge(node.synapses[index].source).shape)
    lanes, pixels = node.mapping.synapses[index], node.mapping.pixel_lanes
    own = folded_window_cycles(window, pixels, 1, plan.chunks, lanes.in_columns)
    return own, window.rows * window.columns // lanes.in_columns


def _whole(in_lanes: int) -> Fold:
    """A patch as a single slice."""
    return Fold(1, 1, 1, in_lanes, in_memory=False)
