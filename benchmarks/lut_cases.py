"""Networks of one node, DENSE: the older part of the sweep of `benchmarks/cost_cases.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from e3ne.ir import (
    ONE,
    Array,
    Conv2d,
    Dyadic,
    Graph,
    Input,
    IntegrateFire,
    Linear,
    Mapping,
    MaxPool2d,
    Neuron,
    Node,
    Op,
    Output,
    Readout,
    Relay,
    Requantize,
    SpikeType,
    Stage,
    SumPool2d,
    Synapse,
    SynapseMapping,
    frozen,
    op_shape,
)

LEAKY = IntegrateFire(threshold=4096, decay=Dyadic(7, 3), gain=Dyadic(256, 0), membrane_bits=20)
"""snnTorch's Leaky as lowering brings it to integers."""


def cases() -> Iterator[tuple[str, Graph]]:
    """(name, mapped graph of one node) of the whole sweep, always the same."""
    yield from linear_radix()
    yield from linear_spiking()
    yield from convolutions()
    yield from pools()
    yield from neurons()


def linear_radix() -> Iterator[tuple[str, Graph]]:
    """Vectors of graded spikes: lanes, spike bits and weight bits in turn."""
    for in_lanes, out_lanes, bits, weight_bits in (
        (1, 1, 4, 4),
        (1, 4, 4, 8),
        (4, 1, 4, 4),
        (4, 4, 4, 3),
        (8, 2, 2, 5),
        (8, 2, 8, 4),
        (12, 4, 4, 4),
        (16, 4, 3, 3),
        (48, 1, 4, 4),
        (24, 8, 4, 3),
        (6, 12, 4, 6),
        (16, 2, 8, 8),
    ):
        yield (
            f"linear_radix in={in_lanes} out={out_lanes} bits={bits} weight={weight_bits}",
            one_node(
                Linear(integers((48, 96), weight_bits)),
                SpikeType((96,), 1, bits),
                Requantize(1, 5),
                4,
                (in_lanes, out_lanes, 1, 1),
            ),
        )


def linear_spiking() -> Iterator[tuple[str, Graph]]:
    """Trains of binary spikes into Leaky neurons: windows, lanes and step lanes in turn."""
    for steps, window, in_lanes, out_lanes, step_lanes, weight_bits in (
        (1, 1, 8, 4, 1, 4),
        (5, 5, 4, 4, 1, 4),
        (10, 10, 1, 1, 1, 4),
        (10, 10, 8, 2, 1, 4),
        (10, 10, 8, 2, 5, 4),
        (10, 10, 24, 4, 2, 4),
        (10, 10, 48, 1, 10, 4),
        (10, 5, 24, 2, 1, 6),
        (10, 2, 24, 2, 2, 4),
        (10, 1, 24, 4, 1, 4),
        (25, 25, 8, 4, 1, 6),
        (25, 25, 16, 2, 5, 6),
        (25, 5, 16, 4, 5, 6),
        (25, 5, 32, 8, 1, 6),
        (25, 1, 32, 8, 1, 6),
        (25, 25, 32, 8, 1, 6),
        (16, 8, 16, 2, 4, 8),
        (16, 4, 96, 1, 1, 3),
    ):
        yield (
            f"linear_spiking steps={steps} window={window} in={in_lanes} out={out_lanes} "
            f"step_lanes={step_lanes} weight={weight_bits}",
            one_node(
                Linear(integers((32, 96), weight_bits)),
                SpikeType((96,), steps, 1),
                LEAKY,
                1,
                (in_lanes, out_lanes, 1, step_lanes),
                window,
            ),
        )


def convolutions() -> Iterator[tuple[str, Graph]]:
    """Images: rows in memory and patches in registers, groups, strides, several pixels."""
    for shape, outputs, kernel, padding, groups, bits, lanes, weight_bits in (
        ((1, 12, 12), 8, 3, 1, 1, 4, (1, 1, 1), 4),
        ((1, 12, 12), 8, 3, 1, 1, 4, (3, 2, 1), 4),
        ((1, 12, 12), 8, 3, 1, 1, 4, (9, 2, 1), 4),
        ((1, 12, 12), 8, 3, 1, 1, 4, (9, 8, 1), 3),
        ((1, 12, 12), 8, 3, 0, 1, 8, (9, 4, 1), 8),
        ((1, 28, 28), 6, 5, 0, 1, 4, (25, 6, 1), 3),
        ((1, 12, 12), 4, 3, 1, 1, 4, (9, 4, 2), 4),
        ((6, 14, 14), 16, 5, 0, 1, 4, (6, 8, 1), 3),
        ((6, 14, 14), 16, 5, 0, 1, 4, (30, 4, 1), 3),
        ((6, 14, 14), 16, 5, 0, 1, 4, (50, 2, 1), 3),
        ((8, 8, 8), 16, 3, 0, 1, 4, (24, 4, 1), 4),
        ((8, 8, 8), 16, 3, 1, 1, 4, (4, 8, 1), 4),
        ((8, 8, 8), 16, 3, 1, 1, 4, (8, 4, 1), 4),
        ((8, 8, 8), 16, 3, 1, 4, 4, (6, 2, 1), 4),
        ((8, 8, 8), 8, 3, 1, 8, 4, (3, 1, 1), 4),
        ((16, 5, 5), 24, 5, 0, 1, 4, (16, 3, 1), 3),
        ((16, 5, 5), 24, 5, 0, 1, 4, (200, 1, 1), 3),
    ):
        op = Conv2d(
            integers((outputs, shape[0] // groups, kernel, kernel), weight_bits),
            padding=(padding, padding),
            groups=groups,
        )
        yield (
            f"conv {shape} outputs={outputs} kernel={kernel} groups={groups} bits={bits} "
            f"lanes={lanes} weight={weight_bits}",
            one_node(op, SpikeType(shape, 1, bits), Requantize(1, 4), 4, (*lanes, 1)),
        )
    for steps, four_lanes in ((4, (9, 4, 1, 1)), (8, (2, 4, 1, 4)), (10, (18, 2, 1, 2))):
        op = Conv2d(integers((8, 2, 3, 3), 4), padding=(1, 1))
        yield (
            f"conv_spiking steps={steps} lanes={four_lanes}",
            one_node(op, SpikeType((2, 8, 8), steps, 1), LEAKY, 1, four_lanes, steps),
        )


def pools() -> Iterator[tuple[str, Graph]]:
    """Pooling of binary and graded spikes."""
    for shape, steps, bits, out_lanes, pool in (
        ((8, 8, 8), 1, 4, 1, MaxPool2d),
        ((16, 10, 10), 1, 4, 4, MaxPool2d),
        ((16, 10, 10), 1, 4, 16, SumPool2d),
        ((12, 8, 8), 10, 1, 1, MaxPool2d),
        ((12, 8, 8), 10, 1, 6, SumPool2d),
    ):
        op = cast(Any, pool)((2, 2), (2, 2))
        yield (
            f"pool {pool.__name__} {shape} steps={steps} bits={bits} out={out_lanes}",
            pool_node(op, shape, steps, bits, out_lanes),
        )


def pool_node(
    op: MaxPool2d | SumPool2d, shape: tuple[int, ...], steps: int, bits: int, out_lanes: int
) -> Graph:
    """A pool of all steps at once; a sum of n spikes takes n.bit_length() - 1 bits more."""
    area = op.kernel[0] * op.kernel[1]
    bits_out = bits if isinstance(op, MaxPool2d) else bits + area.bit_length() - 1
    lanes = (1, out_lanes, 1, steps)
    return one_node(op, SpikeType(shape, steps, bits), Relay(), bits_out, lanes, steps)


def neurons() -> Iterator[tuple[str, Graph]]:
    """The options of neurons behind one small Linear."""
    weight = integers((16, 32), 4)
    thresholds = frozen(np.arange(16) * 100 + 1000, np.int64)
    options = {
        "plain": IntegrateFire(threshold=40, decay=ONE, gain=ONE, membrane_bits=12),
        "wide": IntegrateFire(threshold=1 << 16, decay=Dyadic(230, 8), gain=ONE, membrane_bits=24),
        "same": IntegrateFire(
            threshold=4096,
            decay=Dyadic(7, 3),
            gain=Dyadic(256),
            membrane_bits=20,
            reset_step="same",
        ),
        "both": IntegrateFire(
            threshold=4096,
            decay=Dyadic(7, 3),
            gain=Dyadic(256),
            membrane_bits=20,
            reset_step="both",
        ),
        "to_value": IntegrateFire(
            threshold=4096, decay=Dyadic(7, 3), gain=Dyadic(256), membrane_bits=20, reset="to_value"
        ),
        "channels": IntegrateFire(
            threshold=thresholds, decay=Dyadic(7, 3), gain=Dyadic(256), membrane_bits=20
        ),
        "multiplier": IntegrateFire(
            threshold=4096, decay=Dyadic(3779, 12), gain=Dyadic(256), membrane_bits=20
        ),
        "synaptic": IntegrateFire(
            threshold=4096,
            decay=Dyadic(7, 3),
            gain=ONE,
            synaptic_decay=Dyadic(3, 2),
            membrane_bits=18,
        ),
    }
    for name, neuron in options.items():
        yield (
            f"neuron {name}",
            one_node(Linear(weight), SpikeType((32,), 8, 1), neuron, 1, (4, 4, 1, 1), 8),
        )
    for name, requantize in (
        ("multiplier", Requantize(23457, 18)),
        ("small multiplier", Requantize(45, 10)),
        ("channels", Requantize(frozen(np.arange(16) * 321 + 9000, np.int64), 17)),
    ):
        yield (
            f"requantize {name}",
            one_node(Linear(weight), SpikeType((32,), 1, 4), requantize, 4, (4, 4, 1, 1)),
        )


def one_node(
    op: Op,
    source: SpikeType,
    neuron: Neuron,
    bits: int,
    lanes: tuple[int, ...],
    window: int = 1,
) -> Graph:
    """The graph of input, node and output; `lanes` are (in, out, pixel, step) lanes."""
    in_lanes, out_lanes, pixel_lanes, step_lanes = lanes
    mapping = Mapping(
        out_lanes=out_lanes,
        pixel_lanes=pixel_lanes,
        synapses=(SynapseMapping(in_lanes, step_lanes),),
    )
    type = SpikeType(op_shape(op, source.shape), source.steps, bits)
    node = Node("node", (Synapse(op, "input"),), neuron, type, mapping)
    inputs, outputs = (Input("input", source),), (Output("node", Readout.COUNT),)
    return Graph(Stage.MAPPED, inputs, (node,), outputs, window)


def integers(shape: tuple[int, ...], bits: int) -> Array:
    """Weights of `bits` bits as training leaves them: bell-shaped, symmetric, the ends taken."""
    most = (1 << (bits - 1)) - 1
    random = np.random.default_rng(bits)
    found = np.clip(np.rint(random.normal(0, max(1, most / 2.5), shape)), -most, most)
    found.reshape(-1)[:2] = (-most, most)
    return frozen(found, np.int64)
