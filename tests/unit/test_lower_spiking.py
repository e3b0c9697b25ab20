"""Spiking nodes over the integer line, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from e3ne import reference
from e3ne.config import Config, parse_config
from e3ne.ir import (
    Dyadic,
    Graph,
    Identity,
    Integrate,
    IntegrateFire,
    Linear,
    Node,
    Rectify,
    Requantize,
    SpikeType,
    Synapse,
    UnsupportedModel,
    frozen,
)
from e3ne.lower import lower
from tests.unit.lower_graphs import (
    chain,
    linear,
    names,
    real,
    then,
)

SPIKES = np.random.default_rng(0).integers(0, 2, (20, 6)).astype(float)


def settings(**keys: Any) -> Config:
    return parse_config({"default": keys})


def fire(graph: Graph, name: str) -> IntegrateFire:
    neuron = graph.node(name).neuron
    assert isinstance(neuron, IntegrateFire)
    return neuron


def spiking(neuron: IntegrateFire | Integrate, outs: int = 3) -> Graph:
    return chain((6,), {"fc": linear(outs, 6), "n": neuron}, steps=8)


def unit(graph: Graph) -> float:
    """The real value of one unit of the current of `fc`, whose input is spikes."""
    op = graph.node("fc").synapses[0].op
    assert isinstance(op, Linear)
    return float(np.abs(op.weight).max()) / 127


def test_a_spiking_node_by_hand() -> None:
    graph = spiking(IntegrateFire(0.7, 0.875, offset=0.01, floor=-0.4, reset_step="same"))
    found = lower(graph, SPIKES, settings(membrane_fraction_bits=4))
    neuron = fire(found, "fc")
    membrane = unit(graph) / 16
    assert neuron.threshold == round(0.7 / membrane)
    assert neuron.offset == round(0.01 / membrane)
    assert neuron.floor == round(-0.4 / membrane)
    assert isinstance(neuron.decay, Dyadic)
    assert isinstance(neuron.gain, Dyadic)
    assert vars(neuron.decay) == vars(Dyadic(7, 3))
    assert vars(neuron.gain) == vars(Dyadic(16, 0))
    assert (neuron.fire_on, neuron.reset, neuron.reset_step) == (">", "subtract", "same")
    assert found.node("fc").type == SpikeType((3,), 8, 1)
    assert found.node("fc").scale == 1.0
    assert found.inputs[0].type == SpikeType((6,), 1, 1)


def test_a_gain_moves_into_the_unit_of_the_membrane() -> None:
    graph = spiking(IntegrateFire(0.7, 0.9, gain=0.1))
    neuron = fire(lower(graph, SPIKES, settings(membrane_fraction_bits=0)), "fc")
    assert isinstance(neuron.gain, Dyadic)
    assert vars(neuron.gain) == vars(Dyadic(1, 0))
    assert neuron.threshold == round(0.7 / (0.1 * unit(graph)))


def test_gains_a_channel() -> None:
    gain = frozen([0.5, -2.0, 0.0], np.float32)
    graph = spiking(IntegrateFire(0.7, 0.9, gain=gain))
    found = fire(lower(graph, SPIKES, settings(membrane_fraction_bits=0)), "fc")
    assert isinstance(found.gain, Dyadic)
    assert found.gain.multiplier.tolist() == [1, -1, 0]  # type: ignore[union-attr]
    thresholds = np.rint(0.7 / (unit(graph) * np.array([0.5, 2.0, 2.0])))
    assert found.threshold.tolist() == thresholds.tolist()  # type: ignore[union-attr]
    one_unit = spiking(IntegrateFire(0.7, 0.9, gain=gain, floor=-1.0))
    found = fire(lower(one_unit, SPIKES, settings(membrane_fraction_bits=2)), "fc")
    assert isinstance(found.gain, Dyadic)
    assert isinstance(found.threshold, int)
    assert (np.asarray(found.gain.multiplier) / 2**found.gain.shift).tolist() == [1, -4, 0]


def test_scales_a_channel_give_thresholds_a_channel() -> None:
    graph = spiking(IntegrateFire(0.7, 0.9))
    found = lower(graph, SPIKES, settings(per_channel=True, membrane_fraction_bits=3))
    op = graph.node("fc").synapses[0].op
    assert isinstance(op, Linear)
    units = np.abs(op.weight.astype(np.float64)).max(axis=1) / 127 / 8
    assert fire(found, "fc").threshold.tolist() == np.rint(0.7 / units).tolist()  # type: ignore[union-attr]


def test_the_membrane_is_as_fine_as_its_threshold_needs() -> None:
    graph = spiking(IntegrateFire(0.7, 0.9))
    assert 2**14 <= fire(lower(graph, SPIKES), "fc").threshold < 2**15
    fine = chain((6,), {"fc": linear(3, 6), "n": IntegrateFire(0.7, 0.9)}, steps=8)
    analog = lower(fine, SPIKES * 0.37, parse_config({"input": {"bits": 12}}))
    gain = fire(analog, "fc").gain
    assert isinstance(gain, Dyadic)
    assert vars(gain) == vars(Dyadic(1, 0))


def test_a_threshold_below_the_unit_stays_above_zero() -> None:
    graph = spiking(IntegrateFire(1e-6, 0.9))
    assert fire(lower(graph, SPIKES, settings(membrane_fraction_bits=0)), "fc").threshold == 1


def test_a_cap_on_the_membrane() -> None:
    graph = spiking(IntegrateFire(0.7, 0.9))
    free = fire(lower(graph, SPIKES), "fc").membrane_bits
    assert fire(lower(graph, SPIKES, settings(membrane_bits=17)), "fc").membrane_bits == 17
    assert fire(lower(graph, SPIKES, settings(membrane_bits=40)), "fc").membrane_bits == free
    with pytest.raises(UnsupportedModel, match="that no membrane of 10 bits reaches; widen"):
        lower(graph, SPIKES, settings(membrane_bits=10))


def test_a_floor_that_no_membrane_reaches_is_dropped() -> None:
    graph = spiking(IntegrateFire(0.7, 0.5, floor=-100.0))
    assert fire(lower(graph, SPIKES), "fc").floor is None
    graph = spiking(IntegrateFire(0.7, 0.5, floor=-0.1))
    assert fire(lower(graph, SPIKES), "fc").floor is not None


def test_several_spikes_need_a_wider_edge() -> None:
    graph = spiking(IntegrateFire(0.2, 1.0, max_spikes=5, fire_on=">=", reset_step="same"))
    assert lower(graph, SPIKES).node("fc").type == SpikeType((3,), 8, 3)


def test_reset_to_a_value_is_scaled() -> None:
    graph = spiking(IntegrateFire(0.7, 0.9, reset="to_value", reset_value=0.1))
    neuron = fire(lower(graph, SPIKES, settings(membrane_fraction_bits=5, per_channel=True)), "fc")
    assert neuron.reset_value == round(0.1 / (unit(graph) / 32))


def test_an_integrator_sends_its_membrane() -> None:
    graph = spiking(Integrate(0.9, synaptic_decay=0.5))
    found = lower(graph, SPIKES, settings(membrane_fraction_bits=3)).node("fc")
    assert isinstance(found.neuron, Integrate)
    assert found.type == SpikeType((3,), 8, found.neuron.membrane_bits, True)
    assert found.scale == pytest.approx(unit(graph) / 8)


def test_recurrent_weights_have_their_own_scale() -> None:
    graph = chain((6,), {"fc": linear(4, 6)}, input_steps=5)
    back = Synapse(Linear(real(4, 4, size=3.0)), "lif", delay=1)
    lif = Node("lif", (Synapse(Identity(), "fc"), back), IntegrateFire(0.3), SpikeType((4,), 5))
    found = lower(then(graph, lif), np.repeat(SPIKES[:, None], 5, axis=1)).node("lif")
    assert [synapse.source for synapse in found.synapses] == ["x", "lif"]
    op = graph.node("fc").synapses[0].op
    assert isinstance(op, Linear)
    assert isinstance(back.op, Linear)
    ratio = np.abs(back.op.weight).max() / np.abs(op.weight).max()
    assert found.synapses[1].gain / found.synapses[0].gain == pytest.approx(ratio, rel=2.0**-9)


def test_a_train_summed_into_a_radix_node() -> None:
    graph = spiking(IntegrateFire(0.3, 0.9))
    back = Node("r", (Synapse(linear(2, 3), "n"),), Rectify(), SpikeType((2,), 1))
    graph = then(graph, back)
    found = lower(graph, SPIKES)
    assert names(found) == ["fc", "r"]
    assert isinstance(found.node("r").neuron, Requantize)
    words = reference.encode_input(found.inputs[0], SPIKES)
    sent = reference.run(found, words)["r"] * found.scale("r")
    wanted = reference.run(graph, SPIKES)["r"]
    assert np.abs(sent - wanted).max() < 3 * found.scale("r")
    assert wanted.max() == pytest.approx(15 * found.scale("r"))
