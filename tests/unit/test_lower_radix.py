"""Radix nodes, pooling, sums and scores over the integer line, by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from e3ne.config import Config, NodeConfig, parse_config
from e3ne.ir import (
    Conv2d,
    Identity,
    Linear,
    Node,
    Rectify,
    Relay,
    Requantize,
    SpikeType,
    SumPool2d,
    Synapse,
    frozen,
)
from e3ne.lower import lower
from tests.unit.lower_graphs import (
    add,
    average_pool,
    chain,
    conv,
    frames,
    linear,
    max_pool,
    then,
)

SPIKES = np.random.default_rng(0).integers(0, 2, (20, 6)).astype(float)


def settings(**keys: Any) -> Config:
    return parse_config({"default": keys})


def test_a_radix_node_by_hand() -> None:
    weight = frozen([[0.31, -0.6]], np.float32)
    graph = chain((2,), {"fc": Linear(weight, frozen([0.11], np.float32)), "r": Rectify(1.5)})
    config = parse_config(
        {"default": {"weight_bits": 3, "edge_bits": 4}, "input": {"bits": 4, "scale": 0.25}}
    )
    node = lower(graph, None, config).node("fc")
    op = node.synapses[0].op
    assert isinstance(op, Linear)
    assert op.bias is not None
    assert op.weight.tolist() == [[2, -3]]  # of 0.2: 1.55, -3
    assert op.bias.tolist() == [2]  # 0.11 / (0.2 * 0.25) = 2.2
    assert node.type == SpikeType((1,), 1, 4)
    assert node.scale == pytest.approx(0.1)  # 1.5 / 15
    assert isinstance(node.neuron, Requantize)
    ratio = node.neuron.multiplier / 2**node.neuron.shift
    assert ratio == pytest.approx(0.2 * 0.25 / 0.1, rel=2e-5)


def test_bounds_come_from_the_frames() -> None:
    graph = chain((3,), {"a": Rectify(), "fc": linear(2, 3)})
    x = np.array([[0.1, 0.2, 0.3], [3.0, 0.0, -5.0]])
    assert lower(graph, x).node("a").scale == pytest.approx(3.0 / 15)
    assert lower(graph, x, settings(edge_bits=8)).node("a").scale == pytest.approx(3.0 / 255)


def test_a_percentile_is_that_of_the_values_above_zero() -> None:
    graph = chain((1,), {"a": Rectify(), "fc": linear(2, 1)})
    x = np.concatenate([np.arange(1.0, 101.0), -np.arange(1.0, 901.0)]).reshape(-1, 1)
    config = Config(calibration="percentile(50)", calibration_frames=1000)
    assert lower(graph, x, config).node("a").scale == pytest.approx(50.5 / 15)


def test_only_so_many_frames_are_run() -> None:
    graph = chain((1,), {"a": Rectify(), "fc": linear(2, 1)})
    x = np.array([[1.0], [2.0], [30.0]])
    assert lower(graph, x, Config(calibration_frames=2)).node("a").scale == pytest.approx(2 / 15)


def test_power_of_two_scales_shift_and_never_multiply() -> None:
    layers = {
        "0": conv(4, 2),
        "1": Rectify(),
        "2": average_pool(),
        "3": linear(3, 16),
        "4": Rectify(),
    }
    graph = chain((2, 6, 6), {**layers, "5": linear(2, 3)})
    for per_channel in (False, True):
        default = NodeConfig(per_channel=per_channel)
        found = lower(graph, frames(9, 2, 6, 6), Config(scale="power_of_two", default=default))
        for name in ("0", "3"):
            neuron = found.node(name).neuron
            assert isinstance(neuron, Requantize)
            multipliers = np.atleast_1d(neuron.multiplier)
            assert (multipliers & (multipliers - 1) == 0).all()
            assert per_channel or neuron.multiplier == 1
        scales = [found.inputs[0].scale, *(node.scale for node in found.nodes)]
        assert np.array_equal(np.log2(scales), np.rint(np.log2(scales)))


def test_average_pooling_moves_its_divisor_into_the_scale() -> None:
    graph = chain((2, 4, 4), {"r": Rectify(1.0), "p": average_pool(), "fc": linear(2, 8)})
    found = lower(graph, frames(3, 2, 4, 4))
    pool = found.node("p")
    op = pool.synapses[0].op
    assert isinstance(op, SumPool2d)
    assert op.divisor == 1
    assert pool.type == SpikeType((2, 2, 2), 1, 6)  # 4 * 15 = 60
    assert pool.scale == pytest.approx(1 / 15 / 4)


def test_max_pooling_keeps_type_and_scale() -> None:
    graph = chain((2, 4, 4), {"r": Rectify(1.0), "p": max_pool(), "fc": linear(2, 8)})
    found = lower(graph, frames(3, 2, 4, 4))
    assert found.node("p").type == replace(found.node("r").type, shape=(2, 2, 2))
    assert found.node("p").scale == found.node("r").scale


def test_scores_are_signed_and_as_wide_as_their_range() -> None:
    weight = frozen([[1.0, 0.913], [0.501, -0.497]], np.float32)
    graph = chain((2,), {"fc": Linear(weight)})
    found = lower(graph, SPIKES[:, :2], settings(per_channel=True)).node("fc")
    assert found.type == SpikeType((2,), 1, 9, True)  # -63 .. 243, one scale for both
    assert found.scale == pytest.approx(1 / 127)


def test_a_residual_sum_has_one_scale() -> None:
    graph = chain((2, 4, 4), {"c1": conv(2, 2, padding=(1, 1)), "r1": Rectify(2.0)})
    same = Node("c2", (Synapse(conv(2, 2, padding=(1, 1)), "r1"),), Relay(), graph.edge("r1"))
    graph = add(then(graph, same), "add", "c2", "r1")
    graph = then(graph, Node("r2", (Synapse(Identity(), "add"),), Rectify(3.0), graph.edge("add")))
    found = lower(graph, frames(2, 2, 4, 4), settings(per_channel=True)).node("c2")
    gains = [synapse.gain for synapse in found.synapses]
    op = same.synapses[0].op
    assert isinstance(op, Conv2d)
    weight = float(np.abs(op.weight).max()) / 127  # real value of a unit; a wire's is 1
    assert gains[1] / gains[0] == pytest.approx(1 / weight, rel=2.0**-9)
