"""Ranges: nothing leaves them, and their ends are reached."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from e3ne import reference
from e3ne.ir import (
    ONE,
    Conv2d,
    Dyadic,
    Factor,
    Flatten,
    Graph,
    Identity,
    Input,
    Integrate,
    IntegrateFire,
    Linear,
    MaxPool2d,
    Node,
    Op,
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    SumPool2d,
    Synapse,
    frozen,
)
from e3ne.ir.ranges import (
    Range,
    current_range,
    factor_range,
    membrane_range,
    summed_current_range,
    synapse_range,
)


@pytest.mark.parametrize(
    ("low", "high", "bits"),
    [(0, 0, 1), (-1, 0, 1), (0, 1, 2), (-128, 127, 8), (-129, 0, 9), (0, 128, 9), (-2, 1, 2)],
)
def test_signed_bits_are_as_few_as_hold_both_ends(low: int, high: int, bits: int) -> None:
    assert Range(low, high).signed_bits == bits
    assert -(1 << (bits - 1)) <= low <= high <= (1 << (bits - 1)) - 1


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_a_linear_reaches_both_ends(signed: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    op = Linear(frozen(rng.integers(-7, 8, (3, 6)), np.int64), frozen([5, -9, 0], np.int64))
    type = SpikeType((6,), bits=4, signed=signed)
    found = synapse_range(Synapse(op, "x", gain=-3), type)
    ends = (
        np.where(op.weight > 0, type.high, type.low),
        np.where(op.weight > 0, type.low, type.high),
    )
    sums = [-3 * (op.weight * end).sum(axis=1) - 3 * op.bias for end in ends]  # type: ignore[operator]
    assert (np.min(sums), np.max(sums)) == (found.low, found.high)


OPS: list[Op] = [
    Conv2d(frozen(np.arange(-8, 8).reshape(2, 2, 2, 2), np.int64), padding=(1, 1)),
    Conv2d(frozen(np.full((2, 1, 3, 3), -3), np.int64), frozen([1, 2], np.int64), groups=2),
    MaxPool2d((2, 2), (1, 1)),
    SumPool2d((2, 2), (2, 2)),
    Identity(),
    Flatten(),
]


@pytest.mark.parametrize("op", OPS, ids=lambda op: type(op).__name__)
@pytest.mark.parametrize("signed", [False, True])
def test_no_current_leaves_its_range_and_the_ends_are_tight(op: Op, signed: bool) -> None:
    source = SpikeType((2, 4, 4), bits=3, signed=signed)
    rng = np.random.default_rng(0)
    ends = rng.choice([source.low, source.high], (4000, 1, *source.shape))
    ends[0], ends[1] = source.low, source.high
    found = synapse_range(Synapse(op, "x"), source)
    currents = reference.op_currents(op, ends)
    assert found.low <= currents.min()
    assert currents.max() <= found.high
    assert currents.max() - currents.min() >= 0.7 * (found.high - found.low)


def test_delays_keep_silence_in_reach() -> None:
    bias = Linear(frozen([[1]], np.int64), frozen([10], np.int64))
    type = SpikeType((1,), 3, 2)
    assert synapse_range(Synapse(bias, "x"), type) == Range(10, 13)
    assert synapse_range(Synapse(bias, "x", delay=1), type) == Range(0, 13)


def test_synapses_add_up_and_steps_to_one_multiply() -> None:
    source = SpikeType((2,), 5, 3)
    synapses = (Synapse(Identity(), "x", gain=2), Synapse(Identity(), "x", gain=-1))
    node = Node("n", synapses, Relay(), SpikeType((2,), 1, 9, True))
    graph = Graph(Stage.INTEGER, (Input("x", source),), (node,), (Output("n", Readout.LAST),))
    assert current_range(graph, node) == Range(-7, 14)
    assert summed_current_range(graph, node) == Range(-35, 70)


def test_factor_ranges_are_reached_at_both_ends() -> None:
    values = Range(-9, 20)
    factor = Dyadic(frozen([-3, 2, 5], np.int64), 2)
    every = [
        int(reference.times(Dyadic(m, 2), np.array(x), SpikeType((1,))))
        for m in (-3, 2, 5)
        for x in range(-9, 21)
    ]
    assert factor_range(factor, values) == Range(min(every), max(every))


RESETS = [
    {"reset": reset, "reset_step": step, "reset_keeps_input": keeps, "reset_value": value}
    for reset, step in itertools.product(("subtract", "to_value", "none"), ("same", "next"))
    for keeps in (True, False)
    for value in ((0, 60, -60) if reset == "to_value" else (0,))
] + [{"reset": "subtract", "reset_step": "both"}]
DECAYS = [ONE, Dyadic(1, 1), Dyadic(115, 7), Dyadic(0, 0), Dyadic(-3, 2)]


def trajectory(neuron: IntegrateFire, currents: np.ndarray, type: SpikeType) -> np.ndarray:
    """(trains, steps) of membranes of lone neurons driven by `currents` (trains, steps)."""
    membrane = np.zeros((len(currents), 1), np.int64)
    synaptic, spikes = membrane, membrane
    rows = []
    for step in range(currents.shape[1]):
        drive = reference.times(neuron.gain, currents[:, step : step + 1], type)
        if neuron.synaptic_decay is not None:
            synaptic = reference.times(neuron.synaptic_decay, synaptic, type) + drive
            drive = synaptic = reference.saturate(synaptic, neuron.membrane_bits)
        leaked = reference.times(neuron.decay, membrane, type)
        membrane, spikes = reference.fire(
            neuron, type, leaked, drive + neuron.offset, membrane, spikes
        )
        rows.append(membrane)
    return np.concatenate(rows, axis=1)


@pytest.mark.parametrize("synaptic_decay", [None, Dyadic(7, 3)], ids=str)
@pytest.mark.parametrize("decay", DECAYS, ids=str)
@pytest.mark.parametrize("resets", RESETS, ids=str)
def test_no_membrane_leaves_its_range(
    resets: dict, decay: Factor, synaptic_decay: Factor | None
) -> None:
    """Currents at the ends of their range, in every pattern of 8 steps, and constantly."""
    steps, currents = 8, Range(-9, 12)
    patterns = np.array(list(itertools.product((currents.low, 0, currents.high), repeat=6)))
    patterns = np.concatenate([patterns, patterns[:, -2:]], axis=1)
    counts = (1,) if resets["reset_step"] == "both" else (1, 2)
    for offset, max_spikes, threshold in itertools.product((0, 2, -3), counts, (4, 25)):
        options = {"decay": decay, "gain": Dyadic(2, 0), "synaptic_decay": synaptic_decay}
        neuron = IntegrateFire(threshold, offset=offset, max_spikes=max_spikes, **options, **resets)
        found = membrane_range(neuron, currents, steps)
        wide = trajectory(neuron, patterns, SpikeType((1,), steps, 2))
        assert found.low <= wide.min(), (neuron, found)
        assert wide.max() <= found.high, (neuron, found)
        narrow = IntegrateFire(
            **{**vars(neuron), "membrane_bits": found.signed_bits}  # what lowering chooses
        )
        np.testing.assert_array_equal(trajectory(narrow, patterns, SpikeType((1,), steps, 2)), wide)


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_ends_of_a_membrane_are_reached(sign: int) -> None:
    end = 12 if sign > 0 else -9
    neuron = Integrate(Dyadic(3, 2), Dyadic(2, 0))
    found = membrane_range(neuron, Range(-9, 12), 6)
    node = Node("n", (Synapse(Identity(), "x"),), neuron, SpikeType((1,), 6, 40, True))
    source = Input("x", SpikeType((1,), 6, 5, True))
    graph = Graph(Stage.INTEGER, (source,), (node,), (Output("n", Readout.LAST),))
    reached = reference.run(graph, np.full((1, 6, 1), end))["n"][0, -1, 0]
    assert reached == (found.high if sign > 0 else found.low)
