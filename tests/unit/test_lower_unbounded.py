"""Neurons without a limit of spikes, membranes that are sent, and parameters a neuron."""

from __future__ import annotations

import importlib
import logging
from dataclasses import replace

import numpy as np
import pytest

from e3ne import reference
from e3ne.config import Config, InputConfig, parse_config
from e3ne.ir import (
    BadInput,
    Dyadic,
    Graph,
    Identity,
    Input,
    IntegrateFire,
    Node,
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    frozen,
    verify,
)
from e3ne.lower import lower, simplify
from e3ne.lower.calibrate import LARGEST_COUNT
from e3ne.lower.fidelity import dequantized, spike_agreement
from tests.unit.lower_graphs import chain, conv, linear

calibrate = importlib.import_module("e3ne.lower.calibrate")  # the package has a pass of that name

STEPS = 8
MANY = IntegrateFire(0.1, fire_on=">=", reset_step="same", max_spikes=None)
X = np.random.default_rng(0).random((10, STEPS, 6))
IMAGES = np.random.default_rng(0).integers(0, 2, (4, STEPS, 2, 4, 4)).astype(float)


def counting(neuron: IntegrateFire = MANY) -> Graph:
    return chain((6,), {"fc": linear(4, 6, seed=2), "n": neuron}, STEPS, STEPS)


def limit(graph: Graph, name: str = "fc") -> int:
    neuron = graph.node(name).neuron
    assert isinstance(neuron, IntegrateFire)
    return neuron.most_spikes


def test_the_limit_is_the_largest_count_that_was_seen() -> None:
    graph = counting()
    largest = int(reference.run(graph, X)["n"].max())
    integer = lower(graph, X)
    assert largest > 3
    assert limit(integer) == largest
    assert integer.node("fc").type.bits == largest.bit_length()
    found = spike_agreement(dequantized(simplify(graph), integer), integer, X)
    assert found["fc"].fraction >= 0.99


def test_the_user_may_set_the_limit(caplog: pytest.LogCaptureFixture) -> None:
    config = parse_config({"nodes": {"fc": {"max_spikes": 3}}})
    with caplog.at_level(logging.WARNING):
        assert limit(lower(counting(), X, config)) == 3
    assert "fc: found" in caplog.text
    assert "spikes in one step in the calibration frames, max_spikes is 3" in caplog.text
    without = replace(config, input=InputConfig(bits=8, scale=0.01))
    assert limit(lower(counting(), None, without)) == 3
    bounded = counting(replace(MANY, max_spikes=5))
    assert limit(lower(bounded, X, config)) == 5  # a limit of the model's own is the model's


def test_without_frames_it_is_asked_for_by_name() -> None:
    with pytest.raises(
        BadInput, match=r"needed for the ranges of fc; .* or max_spikes in the conf"
    ):
        lower(counting(), None, parse_config({"input": {"bits": 8, "scale": 0.01}}))


def test_silent_neurons_and_endless_ones(caplog: pytest.LogCaptureFixture) -> None:
    assert limit(lower(counting(replace(MANY, threshold=1e6)), X)) == 1
    assert "fc: found no spike in the calibration frames" in caplog.text
    caplog.clear()
    assert limit(lower(counting(replace(MANY, threshold=1e-4)), X)) == LARGEST_COUNT
    assert "it will saturate there" in caplog.text


def test_a_percentile_is_not_one_of_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "CHUNK_ELEMENTS", 1)  # a frame at a time, so a count a frame
    config = Config(calibration="percentile(50)")
    assert limit(lower(counting(), X, config)) == limit(lower(counting(), X))


@pytest.mark.parametrize("reset_step", ["same", "next"])
def test_the_membrane_of_firing_neurons_is_sent(reset_step: str) -> None:
    gain = frozen([0.5, 1.0, 0.7, 2.0], np.float32)
    neuron = IntegrateFire(0.4, 0.875, gain, reset_step=reset_step, sends="membrane")  # type: ignore[arg-type]
    graph = counting(neuron)
    integer = lower(graph, X, parse_config({"default": {"per_channel": True}}))
    node = integer.node("fc")
    assert node.type.signed
    assert isinstance(node.neuron, IntegrateFire)
    assert node.type.bits == node.neuron.membrane_bits
    assert isinstance(node.neuron.threshold, int)  # one unit, as the edge has one scale
    real = dequantized(simplify(graph), integer, parse_config({"default": {"per_channel": True}}))
    words = reference.encode_input(integer.inputs[0], X)
    sent = reference.run(integer, words)["fc"] * node.scale
    wanted = reference.run(real, words * integer.inputs[0].scale)["fc"]
    assert np.mean(np.abs(sent - wanted) < 0.01) > 0.99
    assert spike_agreement(real, integer, X) == {}


def test_an_unlimited_neuron_that_sends_its_membrane_is_counted_too() -> None:
    graph = counting(replace(MANY, sends="membrane"))
    assert limit(lower(graph, X)) == int(reference.run(counting(), X)["n"].max())


def test_parameters_a_neuron_stay_so() -> None:
    rng = np.random.default_rng(1)
    shape = (3, 4, 4)
    neuron = IntegrateFire(
        frozen(rng.uniform(0.3, 0.9, shape), np.float32),
        decay=frozen(rng.uniform(0, 1, shape), np.float32),
        gain=frozen(rng.uniform(0.5, 2, shape), np.float32),
        synaptic_decay=frozen(rng.uniform(0.2, 0.8, 3), np.float32),
        offset=frozen(rng.normal(size=shape) / 20, np.float32),
    )
    graph = chain((2, 4, 4), {"c": conv(3, 2, padding=(1, 1)), "n": neuron}, STEPS, STEPS)
    config = parse_config({"default": {"per_channel": True}})
    integer = lower(graph, IMAGES, config)
    found = integer.node("c").neuron
    assert isinstance(found, IntegrateFire)
    assert isinstance(found.decay, Dyadic)
    assert isinstance(found.synaptic_decay, Dyadic)
    assert np.shape(found.threshold) == np.shape(found.decay.multiplier) == shape
    assert np.shape(found.synaptic_decay.multiplier) == (3,)
    decays = np.asarray(found.decay.multiplier) / 2.0**found.decay.shift
    np.testing.assert_allclose(decays, neuron.decay, atol=2.0**-13)  # type: ignore[arg-type]
    agreement = spike_agreement(dequantized(simplify(graph), integer, config), integer, IMAGES)["c"]
    assert agreement.fraction >= 0.99


@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_decays_of_nothing_and_of_everything_are_exact(decay: float) -> None:
    neuron = lower(counting(IntegrateFire(0.4, decay, offset=0.03)), X).node("fc").neuron
    assert isinstance(neuron, IntegrateFire)
    assert isinstance(neuron.decay, Dyadic)
    assert (neuron.decay.multiplier, neuron.decay.shift) == (int(decay), 0)
    assert neuron.offset > 0


# ---------------------------------------------------------------------------- several inputs


def two_inputs() -> Graph:
    """A sum of two inputs that leaves the network twice, as an image and as spikes."""
    image = SpikeType((2, 4, 4), STEPS)
    nodes = (
        Node("sum", (Synapse(Identity(), "left"), Synapse(Identity(), "right")), Relay(), image),
        Node("lif", (Synapse(Identity(), "sum"),), IntegrateFire(0.4), image),
    )
    outputs = (Output("lif", Readout.COUNT), Output("sum", Readout.MAX))
    return verify(Graph(Stage.FLOAT, (Input("left", image), Input("right", image)), nodes, outputs))


def test_each_input_has_its_own_settings() -> None:
    settings = {"input": {"bits": 6, "right": {"bits": 3, "scale": 0.125}}}
    config = parse_config(settings)
    frames = [IMAGES * 0.63, IMAGES[::-1] * 0.5]
    integer = lower(two_inputs(), frames, config)
    left, right = integer.inputs
    assert (left.type.bits, left.scale) == (6, pytest.approx(0.01))
    assert (right.type.bits, right.scale) == (3, 0.125)
    by_name = lower(two_inputs(), {"right": frames[1], "left": frames[0]}, config)
    assert [source.scale for source in by_name.inputs] == [left.scale, right.scale]
    found = spike_agreement(dequantized(simplify(two_inputs()), integer, config), integer, frames)
    assert found["lif"].fraction >= 0.99


def test_problems_of_all_inputs_are_told_at_once() -> None:
    with pytest.raises(BadInput) as found:
        lower(two_inputs(), None)
    assert [problem.split(":")[0] for problem in found.value.problems] == [
        "input left",
        "input right",
    ]
    config = parse_config({"input": {"rihgt": {"bits": 3}}})
    with pytest.raises(
        BadInput, match=r"config\.input\.rihgt: found no such input, accepted right"
    ):
        lower(two_inputs(), [IMAGES, IMAGES], config)
