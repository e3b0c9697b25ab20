"""Rate conversion: what the spikes of converted ReLUs stand for, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from e3ne import reference
from e3ne.config import Config, InputConfig, NodeConfig, parse_config
from e3ne.ir import (
    BadInput,
    Conv2d,
    Graph,
    Identity,
    Input,
    Integrate,
    IntegrateFire,
    MaxPool2d,
    Node,
    Output,
    Readout,
    Rectify,
    Relay,
    SpikeType,
    Synapse,
    UnsupportedModel,
    Upsample2d,
    verify,
)
from e3ne.lower import lower, prepared
from e3ne.lower.convert_to_rate import pools_in_front, spiking
from tests.unit.lower_graphs import average_pool, chain, conv, frames, linear, max_pool, output

RATE = Config(code="rate", steps=8, calibration_frames=64)


def small(pool: object = None) -> Graph:
    """Convolution, ReLU, pooling, convolution, ReLU, linear scores."""
    return chain(
        (1, 8, 8),
        {
            "conv1": conv(3, 1),
            "relu1": Rectify(),
            "pool": pool or average_pool(),
            "conv2": conv(4, 3),
            "relu2": Rectify(),
            "scores": linear(5, 4),
        },
    )


def scores(graph: Graph, x: np.ndarray) -> np.ndarray:
    """The words of the first output as reals."""
    words, _ = reference.read_out(graph.outputs[0], reference.run(graph, x))
    return words / (graph.nodes[-1].type.steps if graph.outputs[0].readout is Readout.MEAN else 1)


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_a_constant_current_gives_the_count_of_a_radix_edge(bits: int) -> None:
    """T = 2**bits - 1 steps of a layer behind the input carry what `bits` radix bits carry."""
    steps = (1 << bits) - 1
    graph = chain((1, 6, 6), {"conv": conv(4, 1), "relu": Rectify(0.75)})
    x = frames(20, 1, 1, 6, 6)
    rate = prepared(graph, x, replace(RATE, steps=steps))
    spikes = reference.run(rate, x)["conv"]
    wanted = reference.run(small_with_bits(graph, bits), x)["conv"]
    assert spikes.shape[1] == steps
    assert set(np.unique(spikes)) <= {0, 1}
    np.testing.assert_allclose(spikes.sum(axis=1) * 0.75 / steps, wanted[:, 0], atol=1e-6)


def small_with_bits(graph: Graph, bits: int) -> Graph:
    fused = prepared(graph, None, Config())
    return fused.with_nodes([replace(n, neuron=Rectify(0.75, bits)) for n in fused.nodes])


def test_without_the_start_ahead_counts_are_rounded_down() -> None:
    ready = prepared(chain((3,), {"fc": linear(4, 3), "relu": Rectify(1.0)}), None, Config())
    x = frames(30, 1, 3)
    down = reference.run(spiking(ready, 16, Config(), ahead=0.0), x)["fc"].sum(axis=1)
    currents = np.clip(reference.op_currents(ready.nodes[0].synapses[0].op, x)[:, 0], 0, 1)
    assert np.array_equal(down, np.floor(currents * 16 + 1e-9))


@pytest.mark.parametrize("steps", [64, 256])
def test_scores_come_near_those_of_the_relu_network(steps: int) -> None:
    graph, x = small(), frames(10, 1, 1, 8, 8)
    wanted = output(graph, x)[:, 0]
    found = scores(prepared(graph, x, replace(RATE, steps=steps)), x)
    assert np.abs(found - wanted).max() < 12 / steps * np.abs(wanted).max()


def test_thresholds_are_the_calibrated_bounds() -> None:
    graph, x = small(), frames(40, 1, 1, 8, 8)
    most = prepared(graph, x, RATE)
    some = prepared(graph, x, replace(RATE, calibration="percentile(90)"))
    bounds = {n.name: n.neuron.bound for n in prepared(graph, x, Config()).nodes[:3:2]}
    for node, bound in zip(("conv1", "conv2"), bounds.values(), strict=True):
        assert most.node(node).neuron.threshold == bound
        assert some.node(node).neuron.threshold < bound


def test_readouts_are_means_over_the_steps() -> None:
    x = frames(10, 1, 1, 8, 8)
    biased = prepared(small(), x, RATE)
    assert isinstance(biased.node("scores").neuron, Integrate)
    assert biased.outputs == (Output("scores", Readout.LAST),)
    plain = small().with_nodes([without_bias(node) for node in small().nodes])
    rate = prepared(plain, x, RATE)
    assert isinstance(rate.node("scores").neuron, Relay)
    assert rate.outputs == (Output("scores", Readout.MEAN),)
    assert rate.edge("conv1").steps == 8


def without_bias(node: Node) -> Node:
    synapse = node.synapses[0]
    if getattr(synapse.op, "bias", None) is None:
        return node
    return replace(node, synapses=(replace(synapse, op=replace(synapse.op, bias=None)),))


def test_weights_on_a_grid_stay_the_same_integers() -> None:
    x = frames(10, 1, 1, 8, 8)
    radix, rate = lower(small(), x, Config()), lower(small(), x, RATE)
    for name in ("conv1", "conv2", "scores"):
        first, second = (g.node(name).synapses[0].op.weight for g in (radix, rate))
        assert np.array_equal(first, second)


def test_integers_follow_the_real_network() -> None:
    x = frames(30, 1, 1, 8, 8)
    ready, rate = prepared(small(), x, RATE), lower(small(), x, RATE)
    words = reference.encode_input(rate.inputs[0], x)
    real = scores(ready, x)
    found = scores(rate, words) * rate.nodes[-1].scale
    assert np.abs(found - real).max() < 0.15 * np.abs(real).max()


def test_a_residual_sum_keeps_the_values_of_its_spikes() -> None:
    """Spikes of two thresholds in one sum: each counts its own value."""
    stem = chain((4,), {"fc1": linear(6, 4), "relu1": Rectify(0.5)})
    fused = prepared(stem, None, Config())
    train = SpikeType((6,))
    nodes = (
        fused.nodes[0],
        Node("fc2", (Synapse(linear(6, 6), "fc1"),), Rectify(2.0), train),
        Node("add", (Synapse(Identity(), "fc1"), Synapse(Identity(), "fc2")), Relay(), train),
    )
    graph = verify(replace(fused, nodes=nodes, outputs=(Output("add", Readout.LAST),)))
    x = frames(10, 1, 4)
    rate = verify(spiking(graph, 128, Config()))
    sums = reference.run(rate, x)
    expected = sums["fc1"] * 0.5 + sums["fc2"] * 2.0
    np.testing.assert_allclose(sums["add"], expected, atol=1e-6)
    np.testing.assert_allclose(sums["add"].mean(axis=1), output(graph, x)[:, 0], atol=0.05)
    integer = lower(graph, x, replace(RATE, steps=16))
    assert integer.node("add").type.steps == 16


def test_a_maximum_of_constant_currents_moves_in_front_of_the_neurons() -> None:
    x = frames(10, 1, 1, 8, 8)
    rate = prepared(small(max_pool()), x, replace(RATE, correct_biases=False))
    assert isinstance(rate.node("conv1").neuron, Relay)
    assert rate.edge("conv1").steps == 1
    assert isinstance(rate.node("pool").neuron, IntegrateFire)
    radix = prepared(small(max_pool()), x, Config(correct_biases=False))
    bound = radix.node("conv1").neuron.bound
    counts = reference.run(rate, x)["pool"].sum(axis=1)
    pooled = reference.run(radix, x)["pool"][:, 0]
    assert np.abs(counts * bound / 8 - pooled).max() <= bound / 16 + 1e-6


def test_a_maximum_of_spikes_is_an_or_unless_all_are_to_move() -> None:
    layers = {"conv0": conv(3, 1), "relu0": Rectify(1.0), "conv": conv(3, 3), "relu": Rectify(1.0)}
    ready = prepared(chain((1, 8, 8), layers | {"pool": max_pool()}), None, Config())
    assert pools_in_front(ready).node("conv").neuron == Rectify(1.0)
    assert pools_in_front(ready, everywhere=True).node("pool").neuron == Rectify(1.0)
    trains = reference.run(spiking(ready, 8, Config()), frames(5, 1, 1, 8, 8))
    blocks = trains["conv"].reshape(5, 8, 3, 2, 2, 2, 2)
    assert np.array_equal(trains["pool"], blocks.max(axis=(4, 6)))


@pytest.mark.parametrize(
    "pool",
    [MaxPool2d((3, 3), (3, 3), (1, 1)), average_pool(), Upsample2d((2, 2))],
    ids=["padded", "average", "no pool"],
)
def test_what_does_not_move(pool: object) -> None:
    ready = prepared(
        chain((1, 8, 8), {"conv": conv(3, 1), "relu": Rectify(1.0), "pool": pool}), None, Config()
    )
    assert pools_in_front(ready) == ready


def test_more_spikes_a_step_where_the_user_says_so() -> None:
    config = replace(RATE, default=NodeConfig(max_spikes=3))
    assert prepared(small(), frames(4, 1, 1, 8, 8), config).node("conv1").neuron.max_spikes == 3


def test_a_network_without_relus_stays_as_it_is() -> None:
    graph = chain((4,), {"fc": linear(3, 4), "lif": IntegrateFire(1.0, 0.5)}, steps=5)
    x = frames(4, 1, 4)
    assert [n.neuron for n in prepared(graph, x, RATE).nodes] == [
        n.neuron for n in prepared(graph, x, Config()).nodes
    ]


def test_steps_are_needed() -> None:
    with pytest.raises(BadInput, match=r"steps: found none, accepted .* give --steps"):
        prepared(small(), frames(4, 1, 1, 8, 8), Config(code="rate"))


def test_mixed_networks_and_other_steps_are_refused() -> None:
    graph = chain(
        (4,),
        {"fc": linear(3, 4), "relu": Rectify(1.0), "fc2": linear(3, 3), "lif": IntegrateFire(1.0)},
        steps=5,
    )
    with pytest.raises(UnsupportedModel, match="fc2: found a spiking neuron beside ReLUs"):
        prepared(graph, frames(4, 1, 4), RATE)
    with pytest.raises(UnsupportedModel, match="input x: found 3 steps, accepted 1 or 8"):
        prepared(chain_of_trains(), frames(4, 3, 4), RATE)


def chain_of_trains() -> Graph:
    """Three steps in, summed into ReLUs of one step."""
    graph = chain((4,), {"fc": linear(3, 4), "relu": Rectify(1.0)})
    return replace(graph, inputs=(Input("x", SpikeType((4,), 3)),))


def test_the_configuration_says_it() -> None:
    config = parse_config({"code": "rate", "steps": 4})
    rate = lower(small(), frames(4, 1, 1, 8, 8), config)
    assert rate.edge("conv1") == SpikeType((3, 6, 6), 4, 1)
    assert isinstance(rate.node("conv1").synapses[0].op, Conv2d)


@pytest.mark.parametrize("kind", ["regular", "bernoulli"])
def test_an_encoder_on_the_chip_gives_the_samples_as_rates(kind: str) -> None:
    graph, x = small(), frames(20, 1, 1, 8, 8)
    config = replace(RATE, steps=256, input=InputConfig(encoder=kind))
    rate = prepared(graph, x, config)
    assert rate.edge("x.encoder").steps == 256
    wanted = output(graph, x)[:, 0]
    tolerance = {"regular": 0.1, "bernoulli": 0.3}[kind]
    assert np.abs(scores(rate, x) - wanted).max() < tolerance * np.abs(wanted).max()
    assert lower(graph, x, config).edge("conv1") == SpikeType((3, 6, 6), 256, 1)


def test_pools_stay_behind_trains_of_an_encoder() -> None:
    x = frames(10, 1, 1, 8, 8)
    rate = prepared(small(max_pool()), x, replace(RATE, input=InputConfig(encoder="regular")))
    assert isinstance(rate.node("conv1").neuron, IntegrateFire)


def test_other_encoders_are_refused() -> None:
    with pytest.raises(UnsupportedModel, match=r"found encoder latency .* accepted regular or"):
        prepared(
            small(), frames(4, 1, 1, 8, 8), replace(RATE, input=InputConfig(encoder="latency"))
        )
