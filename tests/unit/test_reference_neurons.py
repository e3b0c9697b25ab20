"""The reference's neurons with a state, against a loop over single neurons in plain Python."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from e3ne import reference
from e3ne.ir import (
    ONE,
    Dyadic,
    Graph,
    Identity,
    Input,
    Integrate,
    IntegrateFire,
    Linear,
    Neuron,
    Node,
    Output,
    Readout,
    SpikeType,
    Stage,
    Synapse,
    frozen,
    verify,
)


def one_node(
    neuron: Neuron, source: SpikeType, type: SpikeType, *synapses: Synapse, stage: Stage
) -> Graph:
    node = Node("n", synapses or (Synapse(Identity(), "x"),), neuron, type)
    return Graph(stage, (Input("x", source),), (node,), (Output("n", Readout.LAST),))


def integers(low: int, high: int, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high + 1, shape)


def lone_neuron(
    neuron: IntegrateFire | Integrate, currents: list[int], recurrent: int
) -> tuple[list[int], list[int]]:
    """(spikes, membranes) of one neuron, straight from the docstring of ir/neurons.py.

    `recurrent` is the weight of a synapse to itself with a delay of one step.
    """

    def factor(number: Dyadic, x: int) -> int:
        half = 2 ** (number.shift - 1) if number.shift else 0
        return (x * number.multiplier + half) // 2**number.shift

    def sat(x: int) -> int:
        limit = 2 ** (neuron.membrane_bits - 1)
        return max(-limit, min(limit - 1, x))

    def above(membrane: int, level: int) -> bool:
        return membrane > level if neuron.fire_on == ">" else membrane >= level

    v = u = before = 0
    spikes, membranes = [], []
    for current in currents:
        x = factor(neuron.gain, current + recurrent * before)
        if neuron.synaptic_decay is not None:
            x = u = sat(factor(neuron.synaptic_decay, u) + x)
        w = factor(neuron.decay, v) + x + neuron.offset
        if isinstance(neuron, Integrate):
            before = v = sat(w)
            spikes.append(v)
            membranes.append(v)
            continue
        theta = neuron.threshold
        taken = 0
        if neuron.reset_step == "next" and before > 0:
            if neuron.reset == "subtract":
                w = w - before * theta
            elif neuron.reset == "to_value":
                w = neuron.reset_value + (x + neuron.offset if neuron.reset_keeps_input else 0)
        if neuron.reset_step == "both":
            taken = int(above(v, theta))
            w = w - taken * theta
        v = sat(w if neuron.floor is None else max(w, neuron.floor))
        n = len([k for k in range(1, neuron.max_spikes + 1) if above(v, k * theta)])
        if neuron.reset_step == "same" and n > 0:
            if neuron.reset == "subtract":
                v = v - n * theta
            elif neuron.reset == "to_value":
                v = neuron.reset_value
        if neuron.reset_step == "both":
            v = sat(v - (n - taken) * theta)
        spikes.append(n)
        membranes.append(v)
        before = n
    return spikes, membranes


RESETS = [
    {"reset": reset, "reset_step": step, "reset_keeps_input": keeps, "reset_value": value}
    for reset, step in itertools.product(("subtract", "to_value", "none"), ("same", "next"))
    for keeps in ((True, False) if (reset, step) == ("to_value", "next") else (True,))
    for value in ((0, 5, -7) if reset == "to_value" else (0,))
] + [{"reset": "subtract", "reset_step": "both"}]
DYNAMICS = [
    {},
    {"decay": Dyadic(7, 3), "gain": Dyadic(5, 1)},
    {"decay": Dyadic(115, 7), "gain": Dyadic(-4, 0), "offset": -3},
    {"decay": Dyadic(7, 3), "synaptic_decay": Dyadic(3, 2), "offset": 2},
    {"decay": ONE, "floor": -20, "offset": 1},
]


@pytest.mark.parametrize("fire_on", [">", ">="])
@pytest.mark.parametrize("dynamics", DYNAMICS, ids=str)
@pytest.mark.parametrize("resets", RESETS, ids=str)
def test_integrate_fire_equals_a_loop_over_lone_neurons(
    resets: dict, dynamics: dict, fire_on: str
) -> None:
    options = {"decay": ONE, "gain": ONE, "offset": 0, **dynamics, **resets, "fire_on": fire_on}
    counts = (1,) if resets["reset_step"] == "both" else (1, 3)
    for max_spikes, width, recurrent in itertools.product(counts, (7, 16), (0, -6)):
        neuron = IntegrateFire(threshold=13, max_spikes=max_spikes, membrane_bits=width, **options)
        compare_with_lone_neurons(neuron, SpikeType((12,), 40, 2), recurrent)


@pytest.mark.parametrize("dynamics", DYNAMICS[:4], ids=str)
def test_integrate_equals_a_loop_over_lone_neurons(dynamics: dict) -> None:
    options = {"decay": ONE, "gain": ONE, **dynamics}
    for width, recurrent in itertools.product((7, 20), (0, -1)):
        neuron = Integrate(membrane_bits=width, **options)
        type = SpikeType((12,), 40, width, signed=True)
        compare_with_lone_neurons(neuron, type, recurrent)


def compare_with_lone_neurons(
    neuron: IntegrateFire | Integrate, type: SpikeType, recurrent: int
) -> None:
    source = SpikeType(type.shape, type.steps, 6, signed=True)
    back = Linear(frozen(recurrent * np.eye(type.neurons), np.int64))
    synapses = (Synapse(Identity(), "x"), Synapse(back, "n", delay=1))
    graph = one_node(neuron, source, type, *synapses, stage=Stage.INTEGER)
    currents = integers(source.low, source.high, (2, type.steps, type.neurons))
    sent = reference.run(graph, currents)["n"]
    for frame, place in itertools.product(range(2), range(type.neurons)):
        spikes, _ = lone_neuron(neuron, currents[frame, :, place].tolist(), recurrent)
        assert sent[frame, :, place].tolist() == spikes, (frame, place)


def test_the_loop_sees_saturation_and_every_number_of_spikes() -> None:
    """The comparison above would miss what its currents never reach."""
    currents = integers(-32, 31, (2, 40, 12)).transpose(0, 2, 1).reshape(-1, 40).tolist()
    narrow = IntegrateFire(13, ONE, ONE, reset="none", max_spikes=3, membrane_bits=7)
    runs = [lone_neuron(narrow, current, 0) for current in currents]
    assert {n for spikes, _ in runs for n in spikes} == {0, 1, 2, 3}
    assert {max(membranes) for _, membranes in runs} >= {63}


def test_thresholds_and_decays_a_channel() -> None:
    neuron = IntegrateFire(
        threshold=frozen([2, 50], np.int64),
        decay=Dyadic(frozen([2, 1], np.int64), 1),
        gain=ONE,
        fire_on=">=",
        membrane_bits=12,
    )
    type = SpikeType((2, 1, 2), 6, 1)
    source = SpikeType((2, 1, 2), 6, 4)
    graph = one_node(neuron, source, type, stage=Stage.INTEGER)
    currents = integers(0, 15, (1, 6, 2, 1, 2))
    sent = reference.run(graph, currents)["n"]
    for channel, column in itertools.product(range(2), range(2)):
        alone = replace(neuron, threshold=(2, 50)[channel], decay=Dyadic((2, 1)[channel], 1))
        spikes, _ = lone_neuron(alone, currents[0, :, channel, 0, column].tolist(), 0)
        assert sent[0, :, channel, 0, column].tolist() == spikes


def test_real_neurons_do_not_round_or_saturate() -> None:
    neuron = IntegrateFire(threshold=1.0, decay=0.5, reset="none")
    graph = one_node(neuron, SpikeType((1,), 4), SpikeType((1,), 4), stage=Stage.FLOAT)
    x = np.array([[[0.75], [0.7], [0.1], [1.0]]])  # v: 0.75, 1.075, 0.6375, 1.31875
    assert reference.run(graph, x)["n"].reshape(-1).tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("dynamics", DYNAMICS[:3], ids=str)
@pytest.mark.parametrize("resets", RESETS, ids=str)
def test_an_edge_may_carry_the_membrane_of_neurons_that_fire(resets: dict, dynamics: dict) -> None:
    options = {"decay": ONE, "gain": ONE, "offset": 0, **dynamics, **resets}
    most = 1 if resets["reset_step"] == "both" else 3
    neuron = IntegrateFire(
        threshold=13, max_spikes=most, membrane_bits=10, sends="membrane", **options
    )
    type = SpikeType((12,), 40, 10, signed=True)
    source = SpikeType((12,), 40, 6, signed=True)
    graph = one_node(neuron, source, type, stage=Stage.INTEGER)
    currents = integers(-32, 31, (2, 40, 12))
    sent = reference.run(verify(graph), currents)["n"]
    fired = 0
    for frame, place in itertools.product(range(2), range(12)):
        spikes, membranes = lone_neuron(neuron, currents[frame, :, place].tolist(), 0)
        assert sent[frame, :, place].tolist() == membranes
        fired += sum(spikes)
    assert fired


@pytest.mark.parametrize(
    ("fire_on", "membrane", "spikes"),
    [(">", 7.5, 3), (">", 7.4, 2), (">=", 7.5, 3), (">", 5.0, 1), (">=", 5.0, 2), (">=", -9.0, 0)],
)
def test_without_a_limit_every_threshold_that_was_passed_is_a_spike(
    fire_on: str, membrane: float, spikes: int
) -> None:
    """7.5 / 2.5 is exactly 3: it fires on >= only; one bit more fires on > as well."""
    if (fire_on, membrane) == (">", 7.5):
        membrane = np.nextafter(7.5, 8)
    free = IntegrateFire(2.5, reset_step="same", fire_on=fire_on, max_spikes=None)  # type: ignore[arg-type]
    for limit in (None, 20):
        neuron = replace(free, max_spikes=limit)
        graph = one_node(neuron, SpikeType((1,), 2), SpikeType((1,), 2), stage=Stage.FLOAT)
        sent = reference.run(verify(graph), np.array([[[membrane], [0.0]]]))["n"]
        assert sent.reshape(-1).tolist() == [spikes, 0]  # subtract has taken all of them


def test_parameters_a_neuron() -> None:
    """Every neuron has its own threshold, decay, gain, filter and offset; the place decides."""
    shape = (2, 2, 3)
    thresholds, offsets = integers(5, 40, shape, 1), integers(-3, 6, shape, 2)
    decays, gains, filters = (integers(0, 8, shape, seed) for seed in (3, 4, 5))
    neuron = IntegrateFire(
        threshold=frozen(thresholds, np.int64),
        decay=Dyadic(frozen(decays, np.int64), 3),
        gain=Dyadic(frozen(gains, np.int64), 2),
        synaptic_decay=Dyadic(frozen(filters, np.int64), 3),
        offset=frozen(offsets, np.int64),
        membrane_bits=12,
    )
    source = SpikeType(shape, 20, 6, signed=True)
    graph = one_node(neuron, source, SpikeType(shape, 20, 1), stage=Stage.INTEGER)
    currents = integers(-32, 31, (2, 20, *shape))
    sent = reference.run(verify(graph), currents)["n"]
    for frame, place in itertools.product(range(2), np.ndindex(shape)):
        alone = replace(
            neuron,
            threshold=int(thresholds[place]),
            decay=Dyadic(int(decays[place]), 3),
            gain=Dyadic(int(gains[place]), 2),
            synaptic_decay=Dyadic(int(filters[place]), 3),
            offset=int(offsets[place]),
        )
        spikes, _ = lone_neuron(alone, currents[(frame, slice(None), *place)].tolist(), 0)
        assert sent[(frame, slice(None), *place)].tolist() == spikes, (frame, place)
    assert 0 < sent.mean() < 1


def test_a_limit_of_spikes_is_needed_behind_the_integer_line() -> None:
    assert IntegrateFire(1.0, max_spikes=7).most_spikes == 7
    with pytest.raises(TypeError, match="calibrate before quantising"):
        _ = IntegrateFire(1.0, max_spikes=None).most_spikes
