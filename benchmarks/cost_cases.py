"""The components of the sweep of `benchmarks/fit_cost.py`: nodes in all layouts, small ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from e3ne.ir import (
    Array,
    Conv2d,
    Dyadic,
    Engine,
    Graph,
    Linear,
    Mapping,
    Neuron,
    Requantize,
    SpikeType,
    Storage,
    SynapseMapping,
    frozen,
)

from . import lut_cases, more_cases
from .lut_cases import LEAKY, integers, one_node

TOO_LARGE = (
    "linear_radix in=24",
    "linear_radix in=6",
    "linear_radix in=16 out=2",
    "linear_spiking steps=10 window=10 in=24",
    "linear_spiking steps=10 window=10 in=48",
    "linear_spiking steps=25 window=1 ",
    "linear_spiking steps=25 window=25",
    "linear_spiking steps=25 window=5",
    "linear_spiking steps=16 window=8",
    "conv (6, 14, 14) outputs=16 kernel=5 groups=1 bits=4 lanes=(30",
    "conv (6, 14, 14) outputs=16 kernel=5 groups=1 bits=4 lanes=(50",
    "conv (16, 5, 5) outputs=24 kernel=5 groups=1 bits=4 lanes=(200",
    "conv (1, 12, 12) outputs=8 kernel=3 groups=1 bits=8",
    "conv (8, 8, 8) outputs=16 kernel=3 groups=1 bits=4 lanes=(24",
    "conv_spiking steps=10",
)
OTHERS = (
    "linear_radix in=1 out=1 bits=4 weight=4",
    "conv (1, 12, 12) outputs=8 kernel=3 groups=1 bits=4 lanes=(1, 1, 1) weight=4",
    "conv (8, 8, 8) outputs=8 kernel=3 groups=8 bits=4 lanes=(3, 1, 1) weight=4",
    "pool SumPool2d (16, 10, 10) steps=1 bits=4 out=16",
    "dense in=4 out=4 bit_lanes=1",
    "event radix in=4 out=2 bit_lanes=1",
    "logic 48x8 bits=1 weight=3 zeros=0.5 bit_lanes=None",
    "logic conv (1, 8, 8) outputs=4 bits=4 bit_lanes=1",
    "linear_radix in=16 out=4 bits=3 weight=3",
    "logic 32x16 bits=4 weight=2 zeros=0.7 bit_lanes=None",
    "pool MaxPool2d (12, 8, 8) steps=10 bits=1 out=1",
    "event radix in=4 out=4 bit_lanes=None",
    "linear_radix in=8 out=2 bits=2 weight=5",
    "conv (16, 5, 5) outputs=24 kernel=5 groups=1 bits=4 lanes=(16, 3, 1) weight=3",
    "logic 24x10 bits=4 weight=3 zeros=0.5 bit_lanes=1",
    "logic 64x16 bits=1 weight=2 zeros=0.8 bit_lanes=None",
    "logic conv (1, 8, 8) outputs=4 bits=4 bit_lanes=None",
    "logic 32x10 bits=1 weight=4 zeros=0.0 bit_lanes=None",
    "conv (1, 12, 12) outputs=8 kernel=3 groups=1 bits=4 lanes=(9, 2, 1) weight=4",
    "dense in=4 out=8 dsps=16 products_per_dsp=2",
    "dense in=2 out=8 storage=lut buffer_storage=block",
    "neuron plain",
    "encoder bernoulli steps=6 lanes=8 window=1",
    "encoder regular steps=8 lanes=4 window=8",
    "event words=4 in=1 out=4 used=60",
    "pool MaxPool2d (2, 2) (8, 8, 8) steps=1 bits=2 out=8",
    "constant conv (2, 8, 8) outputs=6 bits=2",
)
"""For the other families than ECP5: small ones of all engines that differ in their features."""


def cases() -> Iterator[tuple[str, Graph]]:
    """(name, mapped graph of one node) of the whole sweep, always the same."""
    for name, graph in lut_cases.cases():
        if not name.startswith(TOO_LARGE):
            yield name, graph
    yield from dense_options()
    yield from event()
    yield from logic()
    yield from more_cases.cases()


def dense_options() -> Iterator[tuple[str, Graph]]:
    """Planes of bits, multipliers of the part, storage."""
    radix = SpikeType((48,), 1, 4)
    for in_lanes, out_lanes, options in (
        (4, 4, {"bit_lanes": 1}),
        (8, 2, {"bit_lanes": 1}),
        (12, 6, {"bit_lanes": 1}),
        (4, 4, {"bit_lanes": 2}),
        (8, 4, {"dsps": 8}),
        (4, 8, {"dsps": 16, "products_per_dsp": 2}),
        (4, 4, {"storage": Storage.BLOCK}),
        (4, 4, {"storage": Storage.LUT}),
        (2, 8, {"storage": Storage.LUT, "buffer_storage": Storage.BLOCK}),
        (8, 2, {"buffer_storage": Storage.LUT}),
    ):
        text = " ".join(f"{key}={getattr(v, 'value', v)}" for key, v in options.items())
        graph = one_node(
            Linear(integers((24, 48), 4)), radix, Requantize(1, 5), 4, (in_lanes, out_lanes, 1, 1)
        )
        lanes = SynapseMapping(in_lanes, 1, **options)  # type: ignore[arg-type]
        yield f"dense in={in_lanes} out={out_lanes} {text}", laid(graph, Engine.DENSE, lanes)
    op = Conv2d(integers((8, 4, 3, 3), 4), bias=integers((8,), 8), padding=(1, 1))
    image = SpikeType((4, 8, 8), 1, 4)
    for lanes in (
        SynapseMapping(12, 1, bit_lanes=1),
        SynapseMapping(12, 1, dsps=8),
        SynapseMapping(4, 1, bit_lanes=1),
    ):
        graph = one_node(op, image, Requantize(3, 7), 4, (lanes.in_lanes, 4, 1, 1))
        text = f"in={lanes.in_lanes} bit_lanes={lanes.bit_lanes} dsps={lanes.dsps}"
        yield f"dense conv bias {text}", laid(graph, Engine.DENSE, lanes)


def event() -> Iterator[tuple[str, Graph]]:
    """Lists of slices of a vector and rows of an image that are not all zero."""
    for steps, in_lanes, out_lanes, step_lanes, weight_bits in (
        (5, 1, 4, 5, 4),
        (5, 4, 4, 5, 4),
        (10, 1, 8, 10, 4),
        (10, 8, 2, 2, 4),
        (8, 2, 2, 8, 6),
        (4, 1, 8, 4, 6),
        (16, 4, 1, 16, 3),
    ):
        op = Linear(integers((32, 96), weight_bits))
        four = (in_lanes, out_lanes, 1, step_lanes)
        graph = one_node(op, SpikeType((96,), steps, 1), LEAKY, 1, four, steps)
        text = f"steps={steps} in={in_lanes} out={out_lanes} step_lanes={step_lanes}"
        lanes = SynapseMapping(in_lanes, step_lanes)
        yield f"event {text} weight={weight_bits}", laid(graph, Engine.EVENT, lanes)
    for in_lanes, out_lanes, bit_lanes in ((1, 4, None), (4, 4, None), (2, 8, 1), (4, 2, 1)):
        op = Linear(integers((24, 96), 4))
        four = (in_lanes, out_lanes, 1, 1)
        graph = one_node(op, SpikeType((96,), 1, 4), Requantize(1, 5), 4, four)
        lanes = SynapseMapping(in_lanes, 1, bit_lanes)
        text = f"in={in_lanes} out={out_lanes} bit_lanes={bit_lanes}"
        yield f"event radix {text}", laid(graph, Engine.EVENT, lanes)
    for in_lanes, out_lanes in ((1, 4), (2, 2), (4, 8)):
        image = Conv2d(integers((8, 4, 3, 3), 4), padding=(1, 1))
        four = (in_lanes, out_lanes, 1, 4)
        graph = one_node(image, SpikeType((4, 8, 8), 4, 1), LEAKY, 1, four, 4)
        lanes = SynapseMapping(in_lanes, 4)
        yield f"event conv in={in_lanes} out={out_lanes}", laid(graph, Engine.EVENT, lanes)


def logic() -> Iterator[tuple[str, Graph]]:
    """Constant weights of few and of many bits, dense and sparse, parallel and bit by bit."""
    for inputs, outputs, bits, weight_bits, zeros, bit_lanes in (
        (16, 8, 4, 3, 0.0, None),
        (24, 10, 4, 3, 0.5, 1),
        (32, 10, 1, 4, 0.0, None),
        (64, 16, 1, 2, 0.8, None),
        (48, 8, 1, 3, 0.5, None),
        (32, 16, 4, 2, 0.7, None),
        (32, 8, 2, 4, 0.3, 1),
        (24, 12, 4, 3, 0.3, None),
        (16, 16, 1, 3, 0.0, None),
        (40, 10, 2, 2, 0.5, None),
        (64, 10, 1, 2, 0.6, None),
        (20, 8, 4, 2, 0.0, 1),
        (96, 12, 1, 2, 0.85, None),
    ):
        op = Linear(sparse(integers((outputs, inputs), weight_bits), zeros))
        neuron: Neuron = Requantize(1, 3)
        graph = one_node(op, SpikeType((inputs,), 1, bits), neuron, 4, (inputs, outputs, 1, 1))
        lanes = SynapseMapping(inputs, 1, bit_lanes)
        text = f"{inputs}x{outputs} bits={bits} weight={weight_bits} zeros={zeros}"
        yield f"logic {text} bit_lanes={bit_lanes}", laid(graph, Engine.LOGIC, lanes)
    for inputs, outputs, decay in ((32, 8, Dyadic(15, 4)), (24, 16, Dyadic(115, 7))):
        op = Linear(integers((outputs, inputs), 4))
        leaky = replace(LEAKY, decay=decay, threshold=237, gain=Dyadic(16, 0), membrane_bits=16)
        graph = one_node(op, SpikeType((inputs,), 25, 1), leaky, 1, (inputs, outputs, 1, 1))
        text = f"{inputs}x{outputs} leaky {decay.multiplier}/{1 << decay.shift}"
        yield f"logic {text}", laid(graph, Engine.LOGIC, SynapseMapping(inputs, 1))
    for shape, outputs, kernel, bits, bit_lanes in (
        ((1, 8, 8), 4, 3, 4, None),
        ((1, 8, 8), 4, 3, 4, 1),
        ((2, 6, 6), 4, 3, 2, None),
        ((1, 10, 10), 6, 3, 1, None),
        ((3, 6, 6), 4, 3, 2, 1),
    ):
        elements = shape[0] * kernel * kernel
        op_ = Conv2d(integers((outputs, shape[0], kernel, kernel), 3))
        four = (elements, outputs, 1, 1)
        graph = one_node(op_, SpikeType(shape, 1, bits), Requantize(1, 3), 4, four)
        lanes = SynapseMapping(elements, 1, bit_lanes)
        text = f"{shape} outputs={outputs} bits={bits} bit_lanes={bit_lanes}"
        yield f"logic conv {text}", laid(graph, Engine.LOGIC, lanes)


def laid(graph: Graph, engine: Engine, lanes: SynapseMapping) -> Graph:
    """The graph with another engine and layout of its synapse."""
    node = graph.nodes[0]
    assert isinstance(node.mapping, Mapping)
    mapping = replace(node.mapping, engine=engine, synapses=(lanes,))
    return graph.with_nodes((replace(node, mapping=mapping),))


def sparse(weights: Array, zeros: float) -> Array:
    """The weights, of which the share `zeros` is zero."""
    kept = np.random.default_rng(1).random(weights.shape) >= zeros
    return frozen(weights * kept, np.int64)
