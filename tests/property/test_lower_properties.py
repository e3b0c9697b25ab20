"""What must hold for every network that lowering accepts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from e3ne import reference
from e3ne.config import Config, NodeConfig
from e3ne.ir import (
    Array,
    Conv2d,
    Graph,
    Integrate,
    IntegrateFire,
    Linear,
    Node,
    Rectify,
    Requantize,
    Stage,
    text,
    verify,
)
from e3ne.lower import STRUCTURE, lower, simplify
from e3ne.lower.context import Context
from e3ne.lower.fidelity import Agreement, dequantized, spike_agreement
from tests.property.lower_networks import inputs, radix_networks, spiking_networks

QUICK = settings(max_examples=60, deadline=None)
SEEDS = st.integers(0, 2**16)


@st.composite
def configs(draw: Any) -> Config:
    """Every choice of bits, scales and calibration."""
    default = NodeConfig(
        weight_bits=draw(st.integers(2, 8)),
        edge_bits=draw(st.integers(1, 8)),
        per_channel=draw(st.booleans()),
        membrane_fraction_bits=draw(st.sampled_from((None, 0, 8))),
        decay_bits=draw(st.sampled_from((None, 4))),
        multiplier_bits=draw(st.sampled_from((4, 16))),
    )
    kind = draw(st.sampled_from(("integer", "power_of_two")))
    calibration = draw(st.sampled_from(("max", "percentile(90)")))
    return Config(scale=kind, calibration=calibration, default=default)


@QUICK
@given(radix_networks() | spiking_networks(), SEEDS)
def test_structure_keeps_the_numbers(graph: Graph, seed: int) -> None:
    x = inputs(graph, 3, seed)
    wanted = reference.run(graph, x)[graph.outputs[0].source]
    scale = max(1.0, np.abs(wanted).max())
    for step in STRUCTURE:
        graph = verify(step(graph, Context()))
        found = reference.run(graph, x)[graph.outputs[0].source].reshape(wanted.shape)
        tolerance = 1e-4 if step.__name__ == "fold_batchnorm" else 1e-9
        if any(isinstance(node.neuron, IntegrateFire) for node in graph.nodes):
            assert (found != wanted).mean() <= 0.05  # a folded float32 may turn one spike
        else:
            np.testing.assert_allclose(found / scale, wanted / scale, atol=tolerance)
        wanted = found


@QUICK
@given(radix_networks() | spiking_networks(), configs(), SEEDS)
def test_every_network_reaches_the_integers(graph: Graph, config: Config, seed: int) -> None:
    x = inputs(graph, 4, seed)
    integer = lower(graph, x, config)
    assert integer.stage is Stage.INTEGER
    assert text(lower(graph, x, config)) == text(integer)
    words = reference.encode_input(integer.inputs[0], x)
    for name, values in reference.run(integer, words).items():
        assert values.dtype == np.int64
        assert values.min() >= integer.edge(name).low
        assert values.max() <= integer.edge(name).high
    for node in integer.nodes:
        for synapse in node.synapses:
            if isinstance(synapse.op, Linear | Conv2d):
                limit = 2 ** (config.default.weight_bits - 1) - 1
                assert np.abs(synapse.op.weight).max() <= limit


@QUICK
@given(radix_networks(), SEEDS, st.booleans(), st.sampled_from(("integer", "power_of_two")))
def test_radix_integers_stay_within_the_error_of_their_rounding(
    graph: Graph, seed: int, per_channel: bool, kind: str
) -> None:
    """An error bound walks through the float network beside its values; the integers keep it."""
    x = inputs(graph, 4, seed)
    default = NodeConfig(weight_bits=8, edge_bits=8, per_channel=per_channel, multiplier_bits=20)
    config = Config(scale=kind, correct_biases=False, default=default)  # type: ignore[arg-type]
    integer = lower(graph, x, config)
    real = simplify(graph)
    found = reference.run(integer, reference.encode_input(integer.inputs[0], x))
    values = reference.run(real, x)
    errors = {"x": np.full_like(values["x"], integer.inputs[0].scale * 0.501)}
    for node in real.nodes:
        errors[node.name] = error_bound(integer, node, values, errors)
        distance = np.abs(found[node.name] * integer.scale(node.name) - values[node.name])
        assert (distance <= errors[node.name] * 1.001 + 1e-5).all(), node.name


def error_bound(
    integer: Graph, node: Node, values: dict[str, Array], errors: dict[str, Array]
) -> Array:
    """How far the integers of `node` may be from its real values, elementwise.

    A weight is off by half a unit, a bias too; weights carry the errors of their source on; a
    requantisation adds half a unit of its edge and 2**-18 of the value; gains are within 2**-6.
    """
    total: Any = 0.0
    after = integer.node(node.name)
    gains = max(synapse.gain for synapse in after.synapses) > 1
    for before, synapse in zip(node.synapses, after.synapses, strict=True):
        value, error = values[before.source], errors[before.source]
        op = before.op
        if isinstance(op, Linear | Conv2d):
            magnitude = replace(op, weight=np.abs(op.weight), bias=None)
            axes = tuple(range(1, op.weight.ndim))
            assert isinstance(synapse.op, Linear | Conv2d)
            units = np.abs(synapse.op.weight).max(axis=axes, keepdims=True)
            largest = np.abs(op.weight).max(axis=axes, keepdims=True)
            unit = np.where(units > 0, (largest + 1e-9) / np.maximum(units - 0.5, 0.5), 0)
            unit = np.maximum(unit, unit.max() * (units == 0))
            rounding = replace(magnitude, weight=np.broadcast_to(unit / 2, op.weight.shape))
            total = total + reference.op_currents(magnitude, error)
            total = total + reference.op_currents(rounding, np.abs(value) + error)
            if op.bias is not None:
                flat = unit.reshape(-1) * integer.scale(before.source)
                total = total + flat.reshape(-1, *(1,) * (len(node.type.shape) - 1))
        else:
            total = total + reference.op_currents(op, error)
        if gains:
            part = np.abs(reference.op_currents(op, value))
            total = total + part * 2.0**-6 + np.abs(total) * 2.0**-6
    if isinstance(node.neuron, Rectify):
        total = total + after.scale * 0.501 + np.abs(values[node.name]) * 2.0**-17
        if node.neuron.bound is not None:  # a power of two clips above the bound
            total = total + max(0.0, after.scale * after.type.high - node.neuron.bound)
    return np.broadcast_to(total, values[node.name].shape)


@QUICK
@given(radix_networks(), SEEDS, st.booleans())
def test_power_of_two_scales_are_pure_shifts(graph: Graph, seed: int, per_channel: bool) -> None:
    config = Config(scale="power_of_two", default=NodeConfig(per_channel=per_channel))
    for node in lower(graph, inputs(graph, 4, seed), config).nodes:
        assert np.log2(node.scale) % 1 == 0
        if isinstance(node.neuron, Requantize) and len(node.synapses) == 1:
            multipliers = np.atleast_1d(node.neuron.multiplier)
            assert (multipliers & (multipliers - 1) == 0).all()
            assert per_channel or node.neuron.multiplier == 1 or node.neuron.shift == 0


@QUICK
@given(spiking_networks(), SEEDS)
def test_membranes_never_saturate_unless_capped(graph: Graph, seed: int) -> None:
    integer = lower(graph, inputs(graph, 4, seed))
    wide = integer.with_nodes(
        [
            replace(node, neuron=replace(node.neuron, membrane_bits=56))
            if isinstance(node.neuron, IntegrateFire | Integrate)
            else node
            for node in integer.nodes
        ]
    )
    source = integer.inputs[0].type
    ends = np.random.default_rng(seed).choice(
        [source.low, source.high], (20, source.steps, *source.shape)
    )
    narrow_run, wide_run = reference.run(integer, ends), reference.run(wide, ends)
    for name, values in narrow_run.items():
        np.testing.assert_array_equal(values, wide_run[name], err_msg=name)


@QUICK
@given(spiking_networks(), SEEDS, st.booleans())
def test_spikes_agree_with_the_float_network_of_the_same_weights(
    graph: Graph, seed: int, per_channel: bool
) -> None:
    x = inputs(graph, 8, seed)
    config = Config(default=NodeConfig(per_channel=per_channel))
    integer = lower(graph, x, config)
    found = spike_agreement(dequantized(simplify(graph), integer, config), integer, x)
    assert sum(found.values(), Agreement(0, 0)).fraction >= 0.99, found
