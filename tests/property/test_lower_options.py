"""Every option of post-training quantisation, on every network: legal, exact, and no worse."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from e3ne import reference
from e3ne.config import Config, NodeConfig
from e3ne.ir import Array, Conv2d, Graph, IntegrateFire, Linear, Stage, frozen, text, verify
from e3ne.lower import lower, prepared, quantized, simplify
from e3ne.lower.context import Context
from e3ne.lower.equalize import equalize
from e3ne.lower.factors import largest_level, weight_scale
from e3ne.lower.fidelity import Agreement, dequantized, spike_agreement
from tests.property.lower_networks import inputs, radix_networks, spiking_networks

QUICK = settings(max_examples=25, deadline=None)
SEEDS = st.integers(0, 2**16)
BITS = st.sampled_from((1, 1.58, 2, 3, 5, 8))
METHODS = st.sampled_from(("max", "mse", "percentile(99)", "percentile(60)"))


@st.composite
def node_configs(draw: Any) -> NodeConfig:
    return NodeConfig(
        weight_bits=draw(BITS),
        edge_bits=draw(st.integers(1, 8)),
        per_channel=draw(st.booleans()),
        weight_scale=draw(METHODS),
        fit_threshold=draw(st.booleans()),
        decay_bits=draw(st.sampled_from((None, 5))),
    )


@st.composite
def configs(draw: Any, graph: Graph) -> Config:
    """All options, and for some nodes other ones than for the rest."""
    names = [node.name for node in simplify(graph).nodes]
    mixed = draw(st.lists(st.sampled_from(names), unique=True, max_size=3))
    return Config(
        scale=draw(st.sampled_from(("integer", "power_of_two"))),
        calibration=draw(METHODS),
        equalize=draw(st.booleans()),
        correct_biases=draw(st.sampled_from((None, False))),
        default=draw(node_configs()),
        nodes={name: draw(node_configs()) for name in mixed},
    )


@QUICK
@given(radix_networks() | spiking_networks(), st.data(), SEEDS)
def test_every_option_reaches_the_integers(graph: Graph, data: Any, seed: int) -> None:
    config, x = data.draw(configs(graph)), inputs(graph, 6, seed)
    ready = prepared(graph, x, config)
    integer = quantized(ready, x, config)
    assert integer.stage is Stage.INTEGER
    assert text(lower(graph, x, config)) == text(integer)
    words = reference.encode_input(integer.inputs[0], x)
    for name, values in reference.run(integer, words).items():
        assert values.min() >= integer.edge(name).low
        assert values.max() <= integer.edge(name).high
    for node in integer.nodes:
        limit = largest_level(config.node(node.name).weight_bits)
        for before, synapse in zip(ready.node(node.name).synapses, node.synapses, strict=True):
            if isinstance(synapse.op, Linear | Conv2d) and isinstance(before.op, Linear | Conv2d):
                assert -limit - 1 <= synapse.op.weight.min()
                assert synapse.op.weight.max() <= limit
                if config.node(node.name).weight_bits == 1:
                    assert ((synapse.op.weight == 0) == (before.op.weight == 0)).all()


@QUICK
@given(spiking_networks(), st.data(), SEEDS)
def test_the_integers_are_those_of_the_prepared_network(graph: Graph, data: Any, seed: int) -> None:
    """Whatever was chosen, the float network of the integer weights spikes as the integers do."""
    config, x = data.draw(configs(graph)), inputs(graph, 8, seed)
    ready = prepared(graph, x, config)
    integer = quantized(ready, x, config)
    assume(not any(node.decay_bits for node in (config.default, *config.nodes.values())))
    found = spike_agreement(dequantized(ready, integer, config), integer, x)
    assert sum(found.values(), Agreement(0, 0)).fraction >= 0.97, found


@QUICK
@given(radix_networks(), SEEDS)
def test_equalising_keeps_the_numbers(graph: Graph, seed: int) -> None:
    x, graph = inputs(graph, 3, seed), simplify(graph)
    after = verify(equalize(graph, Context(Config(equalize=True))))
    name = graph.outputs[0].source
    wanted, found = reference.run(graph, x)[name], reference.run(after, x)[name]
    scale = max(1e-6, float(np.abs(wanted).max()))
    np.testing.assert_allclose(found / scale, wanted / scale, atol=1e-4)


@QUICK
@given(spiking_networks(), SEEDS, BITS)
def test_fitted_thresholds_never_agree_worse_on_their_frames(
    graph: Graph, seed: int, bits: float
) -> None:
    """Of the first spiking layer, which no earlier choice changes."""
    x = inputs(graph, 8, seed)
    target = reference.run(simplify(graph), x)
    unequal = []
    for fit in (False, True):
        config = Config(default=NodeConfig(weight_bits=bits, fit_threshold=fit))
        integer = lower(graph, x, config)
        first = next(n for n in integer.nodes if isinstance(n.neuron, IntegrateFire))
        sent = reference.run(integer, reference.encode_input(integer.inputs[0], x))[first.name]
        unequal.append(int((sent != target[first.name]).sum()))
    assert unequal[1] <= unequal[0]


@st.composite
def weights(draw: Any) -> Array:
    rng = np.random.default_rng(draw(SEEDS))
    shape = (draw(st.integers(1, 5)), draw(st.integers(1, 40)))
    values = rng.standard_t(3, shape) * draw(st.sampled_from((1e-3, 1.0, 40.0)))
    values[rng.random(shape) < draw(st.sampled_from((0.0, 0.5)))] = 0
    return frozen(values, np.float32)


@settings(max_examples=150, deadline=None)
@given(weights(), BITS, METHODS, st.booleans(), st.sampled_from(("integer", "power_of_two")))
def test_scales_are_legal_and_mse_loses_least(
    weight: Array, bits: float, method: str, per_channel: bool, kind: Any
) -> None:
    limit = largest_level(bits)

    def loss(scale: Array) -> float:
        units = np.rint(weight / scale.reshape(-1, 1))
        rounded = np.sign(weight) if bits == 1 else np.clip(units, -limit, limit)
        return float(((rounded * scale.reshape(-1, 1) - weight) ** 2).sum())

    scale = weight_scale(weight, bits, per_channel, kind, method)
    assert (scale > 0).all()
    assert scale.shape == ((len(weight),) if per_channel else ())
    if kind == "power_of_two":
        assert (np.frexp(scale)[0] == 0.5).all()
    best = weight_scale(weight, bits, per_channel, kind, "mse")
    assert loss(best) <= loss(scale) * 1.02 + 1e-12
