"""Cycles of the DENSE engine."""

from __future__ import annotations

from functools import lru_cache

from ..ir import Conv2d, Graph, Linear, Node
from ..ir.engine_cycles import folded_window_cycles
from ..ir.geometry import op_window, synapse_fold
from ..ir.row_cycles import row_memory_cycles
from ..ir.synapse_products import synapse_products
from .pace import EngineClock
from .window_clocks import RowMemoryClock, SlidingWindowClock

walk_cycles = lru_cache(maxsize=4096)(folded_window_cycles)
row_cycles = lru_cache(maxsize=4096)(row_memory_cycles)


def dense_clock(graph: Graph, node: Node, index: int) -> tuple[EngineClock, int, int]:
    """(engine, cycles from the last slice of a word to its currents, least distance of words)."""
    assert node.mapping is not None
    mapping, op = node.mapping, node.synapses[index].op
    assert isinstance(op, Linear | Conv2d)
    type = graph.edge(node.synapses[index].source)
    lanes, pixels = mapping.synapses[index], mapping.pixel_lanes
    fold = synapse_fold(node, index)
    window, products = op_window(op, type.shape), synapse_products(graph, node, index)
    chunks = products.slice_cycles
    latency, apart = products.latency, fold.slices * chunks
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
    window = op_window(op, type.shape)
    chunks = synapse_products(graph, node, index).slice_cycles
    if fold.in_memory:
        return row_cycles(window, fold, chunks), type.neurons // fold.in_lanes
    own = walk_cycles(window, pixels, fold.words, chunks, lanes.in_columns)
    return own, window.rows * window.columns // lanes.in_columns
