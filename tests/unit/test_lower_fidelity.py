"""The measure of fidelity: what is loaded back, and what is counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from e3ne.config import Config, parse_config
from e3ne.ir import (
    Conv2d,
    Graph,
    Identity,
    Input,
    IntegrateFire,
    Linear,
    Node,
    Output,
    Readout,
    Rectify,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    verify,
)
from e3ne.lower import lower, simplify
from e3ne.lower.fidelity import Agreement, dequantized, quantized_state, spike_agreement
from tests.unit.lower_graphs import add, chain, conv, frames, linear, norm, real, then

CONFIGS = {
    "3 bits": parse_config({"default": {"weight_bits": 3}}),
    "per channel": parse_config({"default": {"per_channel": True}}),
    "power of two": Config(scale="power_of_two"),
}


def spiking_network():
    layers = {
        "fc1": linear(20, 30),
        "lif1": IntegrateFire(0.5, 0.9),
        "fc2": linear(10, 20),
        "lif2": IntegrateFire(0.5, 0.9),
    }
    return chain((30,), layers, steps=12)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
def test_spikes_agree_with_the_float_network_of_the_same_weights(config: Config) -> None:
    graph, x = spiking_network(), frames(50, 30)
    integer = lower(graph, x, config)
    found = spike_agreement(dequantized(simplify(graph), integer, config), integer, x)
    assert list(found) == ["fc1", "fc2"]
    assert found["fc1"].compared == 50 * 12 * 20
    assert all(agreement.fraction >= 0.998 for agreement in found.values()), found


def test_a_coarse_membrane_is_seen() -> None:
    graph, x = spiking_network(), frames(50, 30)
    config = parse_config({"default": {"weight_bits": 3, "membrane_fraction_bits": 0}})
    integer = lower(graph, x, config)
    found = spike_agreement(dequantized(simplify(graph), integer, config), integer, x)
    assert found["fc2"].fraction < 0.998


@pytest.mark.parametrize("kind", ["integer", "power_of_two"])
def test_radix_integers_are_all_equal(kind: str) -> None:
    layers = {"0": conv(4, 1), "1": Rectify(), "2": linear(8, 64), "3": Rectify()}
    graph, x = chain((1, 6, 6), layers), frames(50, 1, 6, 6)
    config = parse_config({"scale": kind, "default": {"weight_bits": 3}})
    integer = lower(graph, x, config)
    found = spike_agreement(dequantized(simplify(graph), integer, config), integer, x)
    assert found == {"0": Agreement(3200, 3200), "2": Agreement(400, 400)}


def test_a_wrong_weight_is_seen() -> None:
    layers = {"0": linear(8, 30), "1": Rectify(), "2": linear(8, 8), "3": Rectify()}
    graph, x = chain((30,), layers), frames(50, 30)
    integer = lower(graph, x)
    other = lower(chain((30,), {**layers, "2": linear(8, 8, seed=3)}), x)
    found = spike_agreement(dequantized(simplify(graph), integer), other, x)
    assert found["0"].fraction == 1.0
    assert found["2"].fraction < 0.5


def test_the_dequantised_weights_are_multiples_of_their_scale() -> None:
    graph, x = spiking_network(), frames(5, 30)
    config = CONFIGS["3 bits"]
    integer = lower(graph, x, config)
    state = quantized_state(graph, simplify(graph), integer, config)
    assert list(state) == ["fc1", "fc2"]
    for path, (weight, bias) in state.items():
        op = integer.node(path).synapses[0].op
        before = graph.node(path).synapses[0].op
        assert isinstance(op, Linear)
        assert isinstance(before, Linear)
        scale = np.abs(before.weight).max() / 3
        np.testing.assert_allclose(weight, op.weight * scale, rtol=1e-6)
        assert np.abs(weight - before.weight).max() <= scale * 0.5001
        assert bias is not None
        source = integer.scale(integer.node(path).synapses[0].source)
        assert op.bias is not None
        np.testing.assert_allclose(bias, op.bias * scale * source, rtol=1e-6)
        assert weight.dtype == bias.dtype == np.float32


def test_loading_back_and_lowering_again_changes_nothing() -> None:
    graph, x = spiking_network(), frames(5, 30)
    config = CONFIGS["3 bits"]
    integer = lower(graph, x, config)
    state = quantized_state(graph, simplify(graph), integer, config)
    nodes = []
    for node in graph.nodes:
        op = node.synapses[0].op
        if isinstance(op, Linear):
            op = Linear(*state[node.name])
        nodes.append(replace(node, synapses=(replace(node.synapses[0], op=op),)))
    again = lower(graph.with_nodes(nodes), x, config)
    for before, after in zip(integer.nodes, again.nodes, strict=True):
        first, second = before.synapses[0].op, after.synapses[0].op
        assert isinstance(first, Linear)
        assert isinstance(second, Linear)
        np.testing.assert_array_equal(first.weight, second.weight)


def test_merged_weights_are_found_by_the_path_of_their_module() -> None:
    graph = chain((2, 4, 4), {"start": Rectify(1.0), "c1": conv(2, 2, 1), "bn1": norm(2)})
    side = Conv2d(real(2, 2, 1, 1, seed=5))
    graph = then(graph, Node("c2", (Synapse(side, "start"),), Relay(), graph.edge("c1")))
    graph = add(graph, "add", "bn1", "c2")
    relu = Node("relu", (Synapse(Identity(), "add"),), Rectify(4.0), graph.edge("add"))
    graph = then(graph, relu)
    integer = lower(graph, frames(3, 2, 4, 4))
    state = quantized_state(graph, simplify(graph), integer)
    assert list(state) == ["c1", "c2"]
    assert state["c2"][1] is None
    assert np.abs(state["c2"][0] - side.weight).max() < 0.01
    loaded = dequantized(simplify(graph), integer).node("relu")
    for synapse, path in zip(loaded.synapses, state, strict=True):
        assert isinstance(synapse.op, Conv2d)
        assert synapse.op.weight is state[path][0] or np.array_equal(
            synapse.op.weight, state[path][0]
        )


def test_gains_are_part_of_the_weights_that_are_loaded_back() -> None:
    """Over 100 steps a recurrence makes much of a weight that is off by one in a thousand."""
    train = SpikeType((6,), 100)
    synapses = (Synapse(linear(6, 6), "x"), Synapse(Linear(real(6, 6, size=0.7)), "lif", delay=1))
    lif = Node("lif", synapses, IntegrateFire(0.5, 0.8), train)
    outputs = (Output("lif", Readout.COUNT),)
    graph = verify(Graph(Stage.FLOAT, (Input("x", train),), (lif,), outputs))
    x = np.random.default_rng(5).integers(0, 2, (12, 100, 6)).astype(float)
    integer = lower(graph, x)
    assert sorted(synapse.gain for synapse in integer.node("lif").synapses)[0] > 1
    loaded = dequantized(simplify(graph), integer)
    assert spike_agreement(loaded, integer, x)["lif"].fraction >= 0.998
    own = [s.op.weight for s in graph.node("lif").synapses]  # type: ignore[union-attr]
    back = [s.op.weight for s in loaded.node("lif").synapses]  # type: ignore[union-attr]
    for before, after in zip(own, back, strict=True):
        assert np.abs(before - after).max() <= np.abs(before).max() / 127 * 0.8


def test_gains_know_the_scales_of_their_sources() -> None:
    """Two radix edges of unequal scale into one sum: its weights are what the hardware adds."""
    graph = chain((6,), {"a": linear(5, 6), "ra": Rectify(1.0)})
    type = graph.edge("ra")
    graph = then(graph, Node("rb", (Synapse(linear(5, 6, 3), "x"),), Rectify(7.3), type))
    both = (Synapse(linear(5, 5, 4), "ra"), Synapse(linear(5, 5, 6), "rb"))
    graph = then(graph, Node("sum", both, Relay(), type))
    x = frames(20, 6)
    integer = lower(graph, x)
    loaded = dequantized(simplify(graph), integer).node("sum")
    unit = integer.scale("sum")
    for real_one, whole in zip(loaded.synapses, integer.node("sum").synapses, strict=True):
        assert isinstance(real_one.op, Linear)
        assert isinstance(whole.op, Linear)
        sent = whole.op.weight * whole.gain * unit / integer.scale(whole.source)
        np.testing.assert_allclose(real_one.op.weight, sent, rtol=1e-6)


def test_agreements_add_up() -> None:
    total = Agreement(3, 4) + Agreement(1, 4)
    assert total == Agreement(4, 8)
    assert total.fraction == 0.5
    assert Agreement(0, 0).fraction == 1.0
