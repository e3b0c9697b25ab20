"""Networks of one node that the other parts of the sweep leave out: encoders, rarer layouts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from e3ne.ir import (
    Conv2d,
    Encode,
    Engine,
    Graph,
    Identity,
    Linear,
    MaxPool2d,
    Requantize,
    SpikeType,
    SumPool2d,
    Synapse,
    SynapseMapping,
    frozen,
)

from .lut_cases import LEAKY, integers, one_node, pool_node


def cases() -> Iterator[tuple[str, Graph]]:
    """(name, mapped graph of one node), always the same."""
    yield from encoders()
    yield from small_pools()
    yield from few_levels()
    yield from sparse_lists()
    yield from constant_weights()
    yield from several_synapses()


def encoders() -> Iterator[tuple[str, Graph]]:
    """Every kind, in one window and in several; radix in one window is wires."""
    for neuron, steps, lanes, window in (
        (Encode("radix", 4), 4, 8, 1),
        (Encode("regular", 6), 8, 4, 8),
        (Encode("regular", 6), 8, 8, 1),
        (Encode("bernoulli", 6, seed=7), 8, 4, 8),
        (Encode("bernoulli", 8, seed=7), 6, 8, 1),
        (Encode("latency", 5), 10, 4, 10),
        (Encode("latency", 6), 8, 16, 1),
        (Encode("delta", 6, threshold=3), 6, 4, 6),
        (Encode("delta", 6, threshold=3), 6, 8, 1),
    ):
        is_delta = neuron.kind == "delta"
        source = SpikeType((64,), steps if is_delta else 1, neuron.bits)
        graph = one_node(Identity(), source, neuron, 1 + is_delta, (1, lanes, 1, 1), window)
        node = graph.nodes[0]
        type = SpikeType((64,), steps, 1 + is_delta, signed=is_delta)
        graph = graph.with_nodes((replace(node, type=type),))
        yield f"encoder {neuron.kind} steps={steps} lanes={lanes} window={window}", graph


def small_pools() -> Iterator[tuple[str, Graph]]:
    """More of the kinds of `lut_cases.pools`."""
    for shape, steps, bits, out_lanes, op in (
        ((8, 8, 8), 1, 2, 8, MaxPool2d((2, 2), (2, 2))),
        ((8, 8, 8), 1, 4, 2, SumPool2d((2, 2), (2, 2))),
        ((4, 8, 8), 4, 1, 2, SumPool2d((2, 2), (2, 2))),
        ((6, 8, 8), 8, 1, 6, MaxPool2d((2, 2), (2, 2))),
        ((4, 9, 9), 1, 3, 4, MaxPool2d((3, 3), (3, 3))),
    ):
        kind = type(op).__name__
        name = f"pool {kind} {op.kernel} {shape} steps={steps} bits={bits} out={out_lanes}"
        yield name, pool_node(op, shape, steps, bits, out_lanes)


def few_levels() -> Iterator[tuple[str, Graph]]:
    """Graded spikes of so few levels that a comparator each is less than a product."""
    for bits, out_lanes, factor in ((1, 4, (3, 7)), (2, 2, (45, 10)), (2, 4, (1, 5))):
        op = Linear(integers((16, 32), 4))
        lanes = (4, out_lanes, 1, 1)
        graph = one_node(op, SpikeType((32,), 1, 4), Requantize(*factor), bits, lanes)
        yield f"requantize levels bits={bits} out={out_lanes} factor={factor[0]}", graph


def sparse_lists() -> Iterator[tuple[str, Graph]]:
    """EVENT behind words of several slices, some of which no weight reads."""
    for sent, in_lanes, out_lanes, used in ((8, 2, 4, 96), (4, 1, 4, 60), (16, 4, 2, 64)):
        weight = integers((24, 96), 4).copy()
        weight[:, used:] = 0
        op = Linear(frozen(weight, np.int64))
        graph = one_node(
            op, SpikeType((96,), 1, 4), Requantize(1, 5), 4, (in_lanes, out_lanes, 1, 1)
        )
        graph = replace(graph, inputs=(replace(graph.inputs[0], lanes=sent),))
        node = graph.nodes[0]
        assert node.mapping is not None
        mapping = replace(node.mapping, engine=Engine.EVENT)
        name = f"event words={sent} in={in_lanes} out={out_lanes} used={used}"
        yield name, graph.with_nodes((replace(node, mapping=mapping),))


def constant_weights() -> Iterator[tuple[str, Graph]]:
    """All lanes in parallel, so that no weight ever changes."""
    for inputs, outputs, bits, weight_bits in ((12, 8, 4, 4), (16, 6, 3, 3), (8, 12, 2, 5)):
        op = Linear(integers((outputs, inputs), weight_bits))
        lanes = (inputs, outputs, 1, 1)
        graph = one_node(op, SpikeType((inputs,), 1, bits), Requantize(1, 4), 4, lanes)
        yield f"constant {inputs}x{outputs} bits={bits} weight={weight_bits}", graph
    image = Conv2d(integers((6, 2, 3, 3), 3))
    graph = one_node(image, SpikeType((2, 8, 8), 1, 2), Requantize(1, 4), 4, (18, 6, 1, 1))
    yield "constant conv (2, 8, 8) outputs=6 bits=2", graph


def several_synapses() -> Iterator[tuple[str, Graph]]:
    """Two synapses and their sum; currents that fewer neurons take in turn; a queue behind."""
    op = Linear(integers((16, 32), 4))
    graph = one_node(op, SpikeType((32,), 1, 4), Requantize(1, 5), 4, (4, 4, 1, 1))
    node = graph.nodes[0]
    assert node.mapping is not None
    two = replace(node.mapping, synapses=(SynapseMapping(4, 1), SynapseMapping(2, 1)))
    synapses = (*node.synapses, Synapse(Linear(integers((16, 32), 3)), "input", gain=3))
    yield "sum of two", graph.with_nodes((replace(node, synapses=synapses, mapping=two),))
    spiking = one_node(op, SpikeType((32,), 8, 1), LEAKY, 1, (2, 8, 1, 1), 8)
    first = spiking.nodes[0]
    assert first.mapping is not None
    fewer = replace(first.mapping, neuron_lanes=2)
    yield "neurons 2 of 8", spiking.with_nodes((replace(first, mapping=fewer),))
