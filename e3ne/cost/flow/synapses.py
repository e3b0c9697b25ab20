"""The models of one synapse's engine, from its words to its currents."""

from __future__ import annotations

from typing import Any, assert_never

from ...ir import (
    ChannelAffine,
    Conv2d,
    Engine,
    Flatten,
    Graph,
    Identity,
    Linear,
    MaxPool2d,
    Node,
    SumPool2d,
    Upsample2d,
)
from ...ir.engine_cycles import pool_latency
from ...ir.geometry import op_window, pool_fold, synapse_fold, window_walk
from ...ir.synapse_products import synapse_products
from ..activity import Trains, has_lane_rows, synapse_activity
from ..dense_clock import dense_clock
from ..logic_clock import logic_clock
from .events import EventLanes, EventList, EventRows
from .links import Link, Pipe, Skid
from .matrix import Matrix
from .windows import InsertZeros, PatchSlices, Repeat, RowMemory, SlidingWindow


def synapse_parts(
    graph: Graph, node: Node, index: int, trains: Trains | None, frames: list[int], i: Link
) -> list[Any]:
    """Models with `o` (or that are their own output), makers before takers; `i`: the words."""
    assert node.mapping is not None
    synapse, mapping = node.synapses[index], node.mapping
    source = graph.edge(synapse.source)
    parts: list[Any]
    match synapse.op:
        case Linear() | Conv2d() as op:
            match mapping.engine:
                case Engine.DENSE:
                    return _dense(graph, node, index, op, i)
                case Engine.EVENT:
                    return _event(graph, node, index, op, i, trains, frames)
                case Engine.LOGIC:
                    return _logic(graph, node, index, op, i)
                case _:
                    assert_never(mapping.engine)
        case MaxPool2d() | SumPool2d() as op:
            window, columns = op_window(op, source.shape), mapping.synapses[index].in_columns
            parts = [SlidingWindow(i, window_walk(window, mapping.pixel_lanes, columns))]
            fold = pool_fold(source.channels, op.kernel, mapping.out_lanes)
            parts += _slices(parts[-1].o, fold.words)
            return [*parts, Pipe(parts[-1].o, pool_latency(op.kernel[0] * op.kernel[1]))]
        case Upsample2d() as op:
            kind = InsertZeros if op.fill == "zero" else Repeat
            return [kind(i, op, source.shape, mapping.current_lanes)]
        case Identity() | Flatten():
            return []
        case ChannelAffine():
            raise TypeError("ChannelAffine never reaches hardware")
        case _:
            assert_never(synapse.op)


def _slices(i: Link, words: int) -> list[Any]:
    """A PatchSlices: wires where a patch is one slice."""
    return [PatchSlices(i, words)] if words > 1 else []


def _dense(graph: Graph, node: Node, index: int, op: Linear | Conv2d, i: Link) -> list[Any]:
    _, latency, apart = dense_clock(graph, node, index)
    parts = _front(graph, node, index, op, i)
    fold = synapse_fold(node, index)
    chunks = apart // fold.slices
    return [*parts, Matrix(parts[-1].o, fold.slices, chunks, latency - chunks)]


def _front(graph: Graph, node: Node, index: int, op: Linear | Conv2d, i: Link) -> list[Any]:
    """A RowMemory, or a SlidingWindow and its PatchSlices."""
    assert node.mapping is not None
    mapping, fold = node.mapping, synapse_fold(node, index)
    window = op_window(op, graph.edge(node.synapses[index].source).shape)
    if fold.in_memory:
        return [RowMemory(i, window, fold)]
    columns = mapping.synapses[index].in_columns
    parts: list[Any] = [SlidingWindow(i, window_walk(window, mapping.pixel_lanes, columns))]
    return parts + _slices(parts[-1].o, fold.words)


def _event(
    graph: Graph,
    node: Node,
    index: int,
    op: Linear | Conv2d,
    i: Link,
    trains: Trains | None,
    frames: list[int],
) -> list[Any]:
    products = synapse_products(graph, node, index)
    activity: Any = synapse_activity(graph, node, index, trains, frames)
    fold = synapse_fold(node, index)
    front: Any
    latency = products.latency - products.slice_cycles
    if has_lane_rows(node, index):
        front = EventLanes(i, activity, fold.outs)
        skid = Skid(front.o)
        return [front, skid, Matrix(skid, 0, 0, latency)]
    if isinstance(op, Linear):
        front = EventList(i, activity, fold.outs)
    else:
        window = op_window(op, graph.edge(node.synapses[index].source).shape)
        front = EventRows(i, window, fold, activity)
    return [front, Matrix(front.o, 0, 0, latency)]


def _logic(graph: Graph, node: Node, index: int, op: Linear | Conv2d, i: Link) -> list[Any]:
    _, latency, chunks = logic_clock(graph, node, index)
    parts: list[Any] = []
    if isinstance(op, Conv2d):
        assert node.mapping is not None
        window = op_window(op, graph.edge(node.synapses[index].source).shape)
        columns = node.mapping.synapses[index].in_columns
        parts = [SlidingWindow(i, window_walk(window, node.mapping.pixel_lanes, columns))]
        i = parts[0].o
    if chunks == 1:
        return [*parts, Pipe(i, latency)]
    return [*parts, Matrix(i, 1, chunks, latency - chunks)]
