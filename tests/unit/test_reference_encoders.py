"""Encoders in the reference: trains computed by hand, and loops over single numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from e3ne import reference
from e3ne.ir import (
    Array,
    Encode,
    Graph,
    Identity,
    Input,
    Node,
    Output,
    Readout,
    SpikeType,
    Stage,
    Synapse,
    verify,
)
from e3ne.ir.order import wire_index
from e3ne.ir.random_bits import random_numbers
from e3ne.reference.encoders import sample_units, spikes


def encoder_graph(
    neuron: Encode, shape: tuple[int, ...], steps: int, stage: Stage = Stage.INTEGER
) -> Graph:
    """An input, and an encoder of `steps` steps that leaves the network."""
    integer, delta = stage is not Stage.FLOAT, neuron.kind == "delta"
    source = SpikeType(shape, steps if delta else 1, neuron.bits * integer, neuron.signed)
    sent = SpikeType(shape, steps, (2 if delta else 1) * integer, delta and integer)
    node = Node("n", (Synapse(Identity(), "x"),), neuron, sent)
    inputs = (Input("x", source, neuron.unit if integer else 1.0),)
    return verify(Graph(stage, inputs, (node,), (Output("n", Readout.COUNT),)))


def trains(neuron: Encode, steps: int, *samples: int) -> list[list[int]]:
    """The train of each sample (of delta: the one train of all samples)."""
    values = np.array(samples).reshape((1, -1, 1) if neuron.kind == "delta" else (1, 1, -1))
    graph = encoder_graph(neuron, values.shape[2:], steps)
    return reference.run(graph, values)["n"][0].T.tolist()


def test_radix_sends_bit_planes_most_significant_first() -> None:
    assert trains(Encode("radix", 4), 4, 0b1011, 0, 15, 1) == [
        [1, 0, 1, 1],
        [0, 0, 0, 0],
        [1, 1, 1, 1],
        [0, 0, 0, 1],
    ]


def test_regular_spreads_spikes_evenly() -> None:
    """At 3 bits x = 2 is a quarter, 4 a half, 7 is 7/8 of the steps."""
    assert trains(Encode("regular", 3), 8, 0, 2, 4, 7) == [
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0, 0, 1],
        [0, 1, 0, 1, 0, 1, 0, 1],
        [0, 1, 1, 1, 1, 1, 1, 1],
    ]


def test_latency_is_earlier_for_larger_samples() -> None:
    """(15 - x) * 5 >> 4: 15 -> 0, 12 -> 0, 11 -> 1, 6 -> 2, 1 -> 4; and 0 is silent."""
    found = trains(Encode("latency", 4), 5, 15, 12, 11, 6, 1, 0)
    assert [train.index(1) if 1 in train else None for train in found] == [0, 0, 1, 2, 4, None]
    assert all(sum(train) <= 1 for train in found)


def test_delta_follows_the_samples() -> None:
    """ref: 10, 10, 13, 13, 16, 13, 10, 7 (three away at once is one spike a step)."""
    samples = (10, 12, 13, 15, 40, 3, 3, 3)
    assert trains(Encode("delta", 6, threshold=3), 8, *samples) == [[0, 0, 1, 0, 1, -1, -1, -1]]


def test_delta_of_signed_samples() -> None:
    neuron = Encode("delta", 4, threshold=5, signed=True)
    assert trains(neuron, 4, -8, 7, 7, -3) == [[0, 1, 1, -1]]


def test_bernoulli_compares_with_the_register() -> None:
    numbers = random_numbers(9, 6, 5, 4)
    found = trains(Encode("bernoulli", 5, seed=9), 6, 0, 7, 20, 31)
    wanted = [[int(numbers[t, j] < x) for t in range(6)] for j, x in enumerate((0, 7, 20, 31))]
    assert found == wanted


def test_bernoulli_draws_in_wire_order() -> None:
    """Neuron (channel, row, column) has the number of its place on the wire."""
    shape = (2, 3, 2)
    neuron = Encode("bernoulli", 8, seed=3)
    x = np.random.default_rng(0).integers(0, 256, (2, 1, *shape))
    sent = reference.run(encoder_graph(neuron, shape, 7), x)["n"].reshape(2, 7, -1)
    numbers = random_numbers(3, 7, 8, 12)
    for place, index in enumerate(wire_index(shape)):
        wanted = numbers[:, place] < x.reshape(2, -1)[:, index][:, None]
        assert (sent[:, :, index] == wanted).all()


def test_bernoulli_rate_is_the_sample() -> None:
    """The mean over many steps and neurons; no two steps of a frame draw alike."""
    neuron, steps = Encode("bernoulli", 8, seed=11), 200
    for x in (1, 64, 200, 255):
        sent = spikes(neuron, np.full((1, 1, 400), x), SpikeType((400,), steps, 1))
        spread = np.sqrt(x / 256 * (1 - x / 256) / sent.size)
        assert abs(sent.mean() - x / 256) < 5 * spread
    half = spikes(neuron, np.full((1, 1, 400), 128), SpikeType((400,), steps, 1))[0]
    assert len({step.tobytes() for step in half}) == steps


def test_seeds_differ_and_frames_do_not() -> None:
    x = np.full((3, 1, 50), 128)
    type = SpikeType((50,), 20, 1)
    sent = spikes(Encode("bernoulli", 8, seed=1), x, type)
    assert (sent == sent[:1]).all()
    assert (sent != spikes(Encode("bernoulli", 8, seed=2), x, type)).any()


def plain(neuron: Encode, x: list[int], steps: int, place: int, neurons: int) -> list[int]:
    """The equations of `ir.Encode` for one neuron, in plain Python."""
    bits = neuron.bits
    if neuron.kind == "radix":
        return [x[0] >> (steps - 1 - t) & 1 for t in range(steps)]
    if neuron.kind == "regular":
        return [((t + 1) * x[0] >> bits) - (t * x[0] >> bits) for t in range(steps)]
    if neuron.kind == "latency":
        return [int(x[0] > 0 and t == (2**bits - 1 - x[0]) * steps >> bits) for t in range(steps)]
    if neuron.kind == "bernoulli":
        numbers = random_numbers(neuron.seed, steps, bits, neurons)
        return [int(numbers[t, place] < x[0]) for t in range(steps)]
    level, sent = x[0], [0]
    for sample in x[1:]:
        sent.append(0)
        if sample - level >= neuron.threshold:
            sent[-1] = 1
        elif level - sample >= neuron.threshold:
            sent[-1] = -1
        level += neuron.threshold * sent[-1]
    return sent


ZOO = [
    (Encode("radix", 1), 1),
    (Encode("radix", 6), 6),
    (Encode("regular", 1), 3),
    (Encode("regular", 8), 25),
    (Encode("regular", 4), 40),
    (Encode("bernoulli", 8, seed=65535), 25),
    (Encode("bernoulli", 3), 2),
    (Encode("latency", 8), 10),
    (Encode("latency", 3), 20),
    (Encode("latency", 5), 1),
    (Encode("delta", 8, threshold=20), 12),
    (Encode("delta", 4, threshold=1, signed=True), 9),
]


@pytest.mark.parametrize(("neuron", "steps"), ZOO, ids=str)
def test_reference_is_the_equations(neuron: Encode, steps: int) -> None:
    given = 12 if neuron.kind != "delta" else steps
    low = -(1 << neuron.bits - 1) if neuron.signed else 0
    high = (1 << neuron.bits - neuron.signed) - 1
    shape = (4, given if neuron.kind == "delta" else 1, 6)
    x = np.random.default_rng(steps).integers(low, high + 1, shape)
    sent = reference.run(encoder_graph(neuron, (6,), steps), x)["n"]
    assert sent.dtype == np.int64
    for frame in range(4):
        for place in range(6):
            wanted = plain(neuron, x[frame, :, place].tolist(), steps, place, 6)
            assert sent[frame, :, place].tolist() == wanted


@pytest.mark.parametrize(("neuron", "steps"), ZOO, ids=str)
def test_float_stage_sends_the_same(neuron: Encode, steps: int) -> None:
    """Reals are rounded half to even and clipped as `encode_input` does."""
    neuron = replace(neuron, unit=0.25)
    shape = (5, steps if neuron.kind == "delta" else 1, 7)
    reals = np.random.default_rng(1).integers(-40, 900, shape) / 8
    real = encoder_graph(neuron, (7,), steps, Stage.FLOAT)
    integer = encoder_graph(neuron, (7,), steps)
    words = reference.encode_input(integer.inputs[0], reals)
    assert (words == sample_units(neuron, reals)).all()
    sent = reference.run(real, reals)["n"]
    assert sent.dtype == np.float64
    assert (sent == reference.run(integer, words)["n"]).all()


def test_samples_round_half_to_even() -> None:
    found: Array = sample_units(Encode("regular", 3, unit=0.5), np.array([0.25, 0.75, -1, 9]))
    assert found.tolist() == [0, 2, 0, 7]
