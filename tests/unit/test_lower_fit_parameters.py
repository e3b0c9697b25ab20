"""Biases, thresholds and decays that are chosen on the calibration frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from e3ne import reference
from e3ne.config import Config, parse_config
from e3ne.ir import (
    Array,
    BadInput,
    Dyadic,
    Graph,
    Identity,
    Integrate,
    IntegrateFire,
    Linear,
    Neuron,
    Node,
    Op,
    Rectify,
    SpikeType,
    Synapse,
    frozen,
)
from e3ne.lower import lower, prepared, quantized, simplify
from e3ne.lower.fidelity import dequantized, spike_agreement
from tests.unit.lower_graphs import chain, conv, frames, linear, max_pool, real, then

X = frames(120, 20)


def config(**keys: Any) -> Config:
    return parse_config({"default": keys})


def corrected(data: dict[str, Any]) -> Config:
    return parse_config({"correct_biases": True, **data})


def plain(data: dict[str, Any]) -> Config:
    return parse_config({"correct_biases": False, **data})


def few_bits(graph: Graph, x: Array, chosen: Config) -> dict[str, Array]:
    """What every node sends in integers, in real values."""
    integer = lower(graph, x, chosen)
    found = reference.run(integer, reference.encode_input(integer.inputs[0], x))
    return {node.name: found[node.name] * node.scale for node in integer.nodes}


def relu_network() -> Graph:
    layers: dict[str, Op | Neuron] = {
        "c": conv(4, 1, padding=(1, 1)),
        "r": Rectify(),
        "p": max_pool(),
        "f1": linear(12, 64),
        "r1": Rectify(),
        "f2": linear(5, 12, seed=4),
    }
    return chain((1, 8, 8), layers)


@pytest.mark.parametrize("bits", [1, 1.58, 3])
def test_the_mean_of_every_score_is_corrected(bits: float) -> None:
    graph, x = relu_network(), frames(200, 1, 8, 8)
    wanted = reference.run(graph, x)["f2"].mean(axis=(0, 1))
    data = {"default": {"weight_bits": bits, "edge_bits": 6}}
    naive = few_bits(graph, x, plain(data))["f2"].mean(axis=(0, 1))
    better = few_bits(graph, x, corrected(data))["f2"].mean(axis=(0, 1))
    assert np.abs(better - wanted).max() < 0.02 * np.abs(naive - wanted).max() + 0.01
    assert np.abs(naive - wanted).max() > 0.05


def test_correction_is_an_improvement_of_the_scores_themselves() -> None:
    graph, x = relu_network(), frames(200, 1, 8, 8)
    wanted = reference.run(graph, x)["f2"]
    data = {"default": {"weight_bits": 3, "edge_bits": 6}}
    naive = few_bits(graph, x, plain(data))["f2"]
    better = few_bits(graph, x, corrected(data))["f2"]
    assert ((better - wanted) ** 2).mean() < 0.8 * ((naive - wanted) ** 2).mean()


def test_only_biases_move_and_none_is_made() -> None:
    layers: dict[str, Op | Neuron] = {
        "a": Linear(real(9, 20)),
        "r": Rectify(),
        "b": linear(4, 9, seed=1),
    }
    graph = chain((20,), layers)
    data = {"default": {"weight_bits": 2}}
    before, moved = prepared(graph, X, plain(data)), prepared(graph, X, corrected(data))
    for node, after in zip(before.nodes, moved.nodes, strict=True):
        one, other = node.synapses[0].op, after.synapses[0].op
        assert isinstance(one, Linear)
        assert isinstance(other, Linear)
        np.testing.assert_array_equal(one.weight, other.weight)
        if node.name == "a":
            assert other.bias is None
        else:
            assert not np.array_equal(np.asarray(one.bias), np.asarray(other.bias))


def test_biases_are_corrected_unless_that_is_refused() -> None:
    """What was measured decides: it costs nothing and loses nothing (docs/quantisation.md)."""
    graph = relu_network()
    x = frames(9, 1, 8, 8)
    found = [prepared(graph, x, chosen) for chosen in (plain({}), corrected({}), Config())]
    same = [np.array_equal(bias(other, "f1"), bias(found[1], "f1")) for other in found]
    assert same == [False, True, True]


def test_trained_weights_keep_their_biases() -> None:
    grid = np.random.default_rng(0).integers(-3, 4, (9, 20)) * 0.1
    trained = Linear(frozen(grid, np.float32), frozen(np.arange(9) * 0.01, np.float32))
    graph = chain((20,), {"a": trained, "r": Rectify(), "b": linear(4, 9, seed=1)})
    data = {"default": {"weight_bits": 3}}
    before, moved = prepared(graph, X, plain(data)), prepared(graph, X, corrected(data))
    same = {name: np.array_equal(bias(before, name), bias(moved, name)) for name in ("a", "b")}
    assert same == {"a": True, "b": False}


def bias(graph: Graph, name: str) -> Array:
    op = graph.node(name).synapses[0].op
    assert isinstance(op, Linear)
    assert op.bias is not None
    return op.bias


def test_spiking_layers_and_loops_are_corrected_too() -> None:
    neuron = IntegrateFire(0.6, 0.9)
    graph = chain((20,), {"fc": linear(10, 20), "lif": neuron}, steps=6)
    loop = (
        Synapse(linear(10, 10, seed=7), "lif"),
        Synapse(Linear(real(10, 10, seed=3)), "back", delay=1),
    )
    graph = then(graph, Node("back", loop, neuron, SpikeType((10,), 6)))
    data = {"default": {"weight_bits": 2}}
    wanted = reference.run(graph, X)["back"].mean()
    naive = few_bits(graph, X, plain(data))["back"].mean()
    better = few_bits(graph, X, corrected(data))["back"].mean()
    assert abs(better - wanted) < 0.8 * abs(naive - wanted)


def test_a_sum_over_steps_counts_its_bias_at_each() -> None:
    graph = chain((20,), {"fc": linear(10, 20), "lif": IntegrateFire(0.6, 0.9)}, steps=5)
    sums = Node("out", (Synapse(linear(4, 10), "lif"),), Rectify(), SpikeType((4,)))
    scores = Node("s", (Synapse(linear(3, 4), "out"),), Integrate(), SpikeType((3,)))
    graph = then(then(graph, sums), scores)
    data = {"default": {"weight_bits": 1.58, "edge_bits": 8}}
    wanted = reference.run(graph, X)["s"].mean(axis=(0, 1))
    better = few_bits(graph, X, corrected(data))["s"].mean(axis=(0, 1))
    naive = few_bits(graph, X, plain(data))["s"].mean(axis=(0, 1))
    assert np.abs(better - wanted).max() < 0.3 * np.abs(naive - wanted).max()


def spiking(threshold: Any = 0.5, **options: Any) -> Graph:
    neuron = IntegrateFire(threshold, **{"decay": 0.93, **options})
    return chain((20,), {"fc": Linear(real(16, 20)), "lif": neuron}, steps=10)


def unequal(graph: Graph, chosen: Config, x: Array = X, name: str = "fc") -> float:
    """The part of the spikes that differ from those of the float network itself."""
    integer = lower(graph, x, chosen)
    found = reference.run(integer, reference.encode_input(integer.inputs[0], x))[name]
    return float((found != reference.run(simplify(graph), x)[name]).mean())


@pytest.mark.parametrize("bits", [1, 1.58, 2, 3])
def test_a_fitted_threshold_agrees_better(bits: float) -> None:
    keys = {"weight_bits": bits, "weight_scale": "percentile(60)"}
    naive = unequal(spiking(), config(**keys))
    assert unequal(spiking(), config(**keys, fit_threshold=True)) < naive


def test_a_threshold_makes_good_what_a_clipped_scale_lost() -> None:
    excites = Linear(frozen(np.abs(real(16, 20)) * 0.3, np.float32))
    graph = chain((20,), {"fc": excites, "lif": IntegrateFire(0.5, 0.93)}, steps=10)
    keys = {"weight_bits": 3, "weight_scale": "percentile(40)"}  # half of the weights are clipped
    naive = unequal(graph, config(**keys))
    better = unequal(graph, config(**keys, fit_threshold=True))
    assert better < 0.6 * naive
    neuron = prepared(graph, X, config(**keys, fit_threshold=True)).node("fc").neuron
    assert isinstance(neuron, IntegrateFire)
    assert float(np.asarray(neuron.threshold)) < 0.45  # less current, a lower threshold


def test_frames_that_were_not_seen_agree_better_too() -> None:
    graph, unseen = spiking(), frames(300, 20, seed=9)
    found = {}
    for fit in (False, True):
        chosen = config(weight_bits=1, fit_threshold=fit)
        integer = quantized(prepared(graph, X, chosen), X, chosen)
        sent = reference.run(integer, reference.encode_input(integer.inputs[0], unseen))["fc"]
        found[fit] = (sent != reference.run(graph, unseen)["lif"]).mean()
    assert found[True] < found[False]


def test_channels_are_fitted_one_by_one_where_they_may_differ() -> None:
    graph = spiking()
    one = prepared(graph, X, config(weight_bits=2, fit_threshold=True)).node("fc").neuron
    each = prepared(graph, X, config(weight_bits=2, fit_threshold=True, per_channel=True))
    many = each.node("fc").neuron
    assert isinstance(one, IntegrateFire)
    assert isinstance(many, IntegrateFire)
    assert np.ndim(one.threshold) == 0
    assert np.shape(many.threshold) == (16,)
    keys = {"weight_bits": 2, "per_channel": True}
    better = unequal(graph, config(**keys, fit_threshold=True))
    assert better < unequal(graph, config(**keys))


def test_a_cheaper_decay_is_taken_where_it_agrees_as_well() -> None:
    plain = lower(spiking(decay=0.9), X, config(weight_bits=3)).node("fc").neuron
    cheap = (
        lower(spiking(decay=0.9), X, config(weight_bits=3, fit_threshold=True)).node("fc").neuron
    )
    assert isinstance(plain, IntegrateFire)
    assert isinstance(cheap, IntegrateFire)
    assert isinstance(plain.decay, Dyadic)
    assert isinstance(cheap.decay, Dyadic)
    assert cheap.decay.shift < plain.decay.shift
    chosen = config(weight_bits=3, fit_threshold=True, decay_bits=7)
    fixed = lower(spiking(decay=0.9), X, chosen).node("fc").neuron
    assert isinstance(fixed, IntegrateFire)
    assert fixed.decay == Dyadic(115, 7) or vars(fixed.decay) == {"multiplier": 115, "shift": 7}


def test_a_leak_stays_a_leak() -> None:
    """0.97 rounds to 1 with up to 4 bits, which a stream of frames would never forget."""
    layers: dict[str, Op | Neuron] = {"fc": Linear(real(16, 20)), "lif": IntegrateFire(0.5, 0.97)}
    graph = chain((20,), layers, steps=2)
    chosen = parse_config({"streaming": True, "default": {"fit_threshold": True}})
    neuron = lower(graph, X, chosen).node("fc").neuron
    assert isinstance(neuron, IntegrateFire)
    assert isinstance(neuron.decay, Dyadic)
    assert 0 < neuron.decay.multiplier < 2**neuron.decay.shift


def test_neurons_of_a_loop_are_fitted_within_it() -> None:
    graph = spiking()
    back = (Synapse(Identity(), "lif"), Synapse(Linear(real(16, 16)), "again", delay=1))
    again = Node("again", back, IntegrateFire(0.8, 0.8), graph.edge("lif"))
    graph = then(graph, again)
    chosen = {"weight_bits": 1, "weight_scale": "max"}
    naive = unequal(graph, config(**chosen), name="again")
    assert unequal(graph, config(**chosen, fit_threshold=True), name="again") < naive


def test_only_the_nodes_that_ask_for_it_are_fitted() -> None:
    layers: dict[str, Op | Neuron] = {"a": Linear(real(16, 20)), "la": IntegrateFire(0.5, 0.93)}
    layers |= {"b": Linear(real(8, 16, seed=2)), "lb": IntegrateFire(0.5, 0.93)}
    graph = chain((20,), layers, steps=6)
    data = {"default": {"weight_bits": 2}, "nodes": {"b": {"fit_threshold": True}}}
    ready = prepared(graph, X, parse_config(data))
    first, second = ready.node("a").neuron, ready.node("b").neuron
    assert isinstance(first, IntegrateFire)
    assert isinstance(second, IntegrateFire)
    assert (first.threshold, first.decay) == (0.5, 0.93)
    assert (second.threshold, second.decay) != (0.5, 0.93)


def test_the_integer_line_keeps_what_was_fitted() -> None:
    chosen = parse_config(
        {"correct_biases": True, "default": {"weight_bits": 2, "fit_threshold": True}}
    )
    layers: dict[str, Op | Neuron] = {"fc": linear(16, 20), "lif": IntegrateFire(0.5, 0.93)}
    graph = chain((20,), layers, steps=8)
    ready = prepared(graph, X, chosen)
    integer = quantized(ready, X, chosen)
    real_network = dequantized(ready, integer, chosen)
    assert spike_agreement(real_network, integer, X)["fc"].fraction >= 0.999


def test_frames_are_needed() -> None:
    graph = spiking()
    given = {"input": {"bits": 4, "scale": 0.1}}
    with pytest.raises(BadInput, match="fit_threshold: found no calibration frames"):
        prepared(graph, None, parse_config({**given, "default": {"fit_threshold": True}}))
    biased = chain((20,), {"fc": linear(9, 20), "r": Rectify(1.0)})
    with pytest.raises(BadInput, match="correct_biases: found no calibration frames"):
        prepared(biased, None, corrected(given))
    prepared(biased, None, parse_config(given))


def test_biases_stay_float32() -> None:
    op = prepared(relu_network(), frames(9, 1, 8, 8), corrected({})).node("f1").synapses[0].op
    assert isinstance(op, Linear)
    assert op.bias is not None
    assert op.bias.dtype == np.float32
    assert op.bias.shape == frozen([0.0] * 12, np.float32).shape
