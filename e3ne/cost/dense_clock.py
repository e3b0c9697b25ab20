"""Cycles of the DENSE engine."""

from __future__ import annotations

from functools import lru_cache

from ..ir import Conv2d, Graph, Linear, Node
from ..ir.engine_cycles import folded_window_cycles, matrix_latency, row_memory_cycles
from ..ir.frames import window_steps
from ..ir.geometry import op_window, synapse_fold
from .pace import EngineClock
from .window_clocks import RowMemoryClock, SlidingWindowClock

walk_cycles = lru_cache(maxsize=4096)(folded_window_cycles)


def dense_clock(graph: Graph, node: Node, index: int) -> tuple[EngineClock, int, int]:
    """(engine, cycles from the last slice of a word to its currents, least distance of words)."""
    assert node.mapping is not None
    mapping, op = node.mapping, node.synapses[index].op
    assert isinstance(op, Linear | Conv2d)
    type = graph.edge(node.synapses[index].source)
    lanes, pixels = mapping.synapses[index], mapping.pixel_lanes
    fold = synapse_fold(node, index)
    window, chunks = op_window(op, type.shape), window_steps(graph, type.steps) // lanes.step_lanes
    latency, apart = matrix_latency(fold.in_lanes, chunks), fold.slices * chunks
    if fold.in_memory:
        return RowMemoryClock(window, fold, chunks), latency, apart
    return SlidingWindowClock(window, fold, pixels, chunks, lanes.in_columns), latency, apart


def dense_cycles(graph: Graph, node: Node, index: int) -> tuple[int, int]:
    """Cycles of a window: (of the engine where nothing is missing, of the words that come)."""
    assert node.mapping is not None
    mapping, op = node.mapping, node.synapses[index].op
    assert isinstance(op, Linear | Conv2d)
    type = graph.edge(node.synapses[index].source)
    lanes, pixels = mapping.synapses[index], mapping.pixel_lanes
    fold = synapse_fold(node, index)
    window, chunks = op_window(op, type.shape), window_steps(graph, type.steps) // lanes.step_lanes
    if fold.in_memory:
        return row_memory_cycles(window, fold, chunks), type.neurons // fold.in_lanes
    own = walk_cycles(window, pixels, fold.words, chunks, lanes.in_columns)
    return own, window.rows * window.columns // lanes.in_columns
