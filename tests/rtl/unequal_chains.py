"""Chains of image layers whose stages need very different times, random and mapped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from e3ne.ir import (
    Conv2d,
    Graph,
    Input,
    Linear,
    Mapping,
    MaxPool2d,
    Node,
    Op,
    Output,
    Readout,
    Requantize,
    SpikeType,
    Stage,
    SumPool2d,
    Synapse,
    SynapseMapping,
    frozen,
    op_shape,
    verify,
)
from e3ne.ir.geometry import in_column_choices, op_window
from e3ne.ir.ranges import current_range

BITS = 2


def divisors(number: int) -> list[int]:
    return [k for k in range(1, number + 1) if number % k == 0]


@st.composite
def unequal_chains(draw: Any) -> Graph:
    """Two to four layers and a Linear; a frame comes in at eight or more elements a beat."""
    shape = (
        draw(st.sampled_from([1, 2, 4])),
        draw(st.integers(5, 12)),
        draw(st.integers(2, 6)) * 2,
    )
    lanes = shape[0] * max(k for k in divisors(shape[2]) if shape[0] * k <= 16)
    source = Input("x", SpikeType(shape, 1, BITS), lanes=lanes)
    graph = Graph(Stage.MAPPED, (source,), (), (), 1)
    last = "x"
    for index in range(draw(st.integers(2, 4))):
        graph, last = with_node(draw, graph, f"layer{index}", image_op(draw, graph, last), last)
    op = Linear(weights(draw, (3, graph.edge(last).neurons)))
    graph, last = with_node(draw, graph, "end", op, last)
    return verify(replace(graph, outputs=(Output(last, Readout.LAST),)))


def weights(draw: Any, shape: tuple[int, ...]) -> Any:
    seed = draw(st.integers(0, 2**31))
    return frozen(np.random.default_rng(seed).integers(-3, 4, shape), np.int64)


def image_op(draw: Any, graph: Graph, source: str) -> Op:
    channels, rows, columns = graph.edge(source).shape
    sizes = [k for k in (1, 2, 3) if k <= min(rows, columns)]
    kernel = draw(st.sampled_from(sizes))
    if draw(st.integers(0, 2)) == 0:
        stride = draw(st.sampled_from([1, kernel]))
        kind = draw(st.sampled_from([MaxPool2d, SumPool2d]))
        return kind((kernel, kernel), (stride, stride))
    shape = (draw(st.sampled_from([1, 2, 4])), channels, kernel, kernel)
    stride = draw(st.sampled_from([1, 1, 2]))
    padding = draw(st.integers(0, kernel // 2))
    return Conv2d(weights(draw, shape), None, (stride, stride), (padding, padding))


def with_node(draw: Any, graph: Graph, name: str, op: Op, source: str) -> tuple[Graph, str]:
    shape = op_shape(op, graph.edge(source).shape)
    synapse = Synapse(op, source)
    draft = Node(name, (synapse,), Requantize(1, 0), SpikeType(shape, 1, BITS))
    wide = current_range(graph, draft).signed_bits
    neuron = Requantize(1, max(wide - BITS - 1, 0))
    mapping = draw_mapping(draw, graph, op, source, shape)
    node = Node(name, (synapse,), neuron, SpikeType(shape, 1, BITS), mapping)
    return graph.with_nodes([*graph.nodes, node]), name


def draw_mapping(draw: Any, graph: Graph, op: Op, source: str, shape: tuple[int, ...]) -> Mapping:
    out_lanes = draw(st.sampled_from(divisors(shape[0])))
    pixel_lanes = in_columns = in_lanes = 1
    if len(shape) == 3 and out_lanes == shape[0]:
        pixel_lanes = draw(st.sampled_from(divisors(shape[2])))
    if isinstance(op, Linear | Conv2d):
        in_lanes = draw(st.sampled_from(divisors(int(np.prod(op.weight.shape[1:])))))
    if not isinstance(op, Linear):
        window = op_window(op, graph.edge(source).shape)
        in_columns = draw(st.sampled_from(in_column_choices(window, pixel_lanes)))
    layout = SynapseMapping(in_lanes, in_columns=in_columns)
    return Mapping(out_lanes=out_lanes, pixel_lanes=pixel_lanes, synapses=(layout,))
