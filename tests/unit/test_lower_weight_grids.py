"""Weights that lie on a grid already are taken over exactly, and no others."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from e3ne import reference
from e3ne.config import Config, parse_config
from e3ne.ir import Array, Conv2d, IntegrateFire, Linear, Rectify, Requantize, frozen
from e3ne.lower import lower, prepared, quantized, simplify
from e3ne.lower.fidelity import dequantized
from e3ne.lower.weight_grids import found_grid, is_no_accident, scale_on_grid
from tests.unit.lower_graphs import add, chain, frames, linear, real


def settings(**keys: Any) -> Config:
    return parse_config({"default": keys, "input": {"bits": 4, "scale": 0.25}})


def levels(bits: int, *shape: int, seed: int = 0) -> Array:
    """Integers of -q .. q, the largest among them."""
    limit = 2 ** (bits - 1) - 1
    found = np.random.default_rng(seed).integers(-limit, limit + 1, shape)
    found.reshape(-1)[0] = limit
    return found


def one_layer(weight: Array, bias: Array | None = None, per_channel: bool = False) -> Any:
    """A ReLU layer of these weights, lowered."""
    op = Linear(frozen(weight, np.float32), None if bias is None else frozen(bias, np.float32))
    graph = chain((weight.shape[1],), {"fc": op, "r": Rectify(1.5)})
    return lower(graph, None, settings(per_channel=per_channel)).node("fc")


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("scale", [0.1, 1 / 3, 2.0**-5, 1.7e-4])
def test_a_grid_is_taken_over_with_its_integers_and_its_scale(bits: int, scale: float) -> None:
    wanted = levels(bits, 6, 20)
    weight = (wanted * scale).astype(np.float32)  # each rounded to float32 for itself
    node = one_layer(weight)
    assert node.synapses[0].op.weight.tolist() == wanted.tolist()
    assert node.neuron.multiplier / 2**node.neuron.shift == pytest.approx(
        scale * 0.25 / node.scale, rel=2e-5
    )


def test_products_in_float32_are_on_the_grid_too() -> None:
    wanted = levels(8, 10, 30)
    weight = wanted.astype(np.float32) * np.float32(0.0137)
    assert one_layer(weight).synapses[0].op.weight.tolist() == wanted.tolist()


def test_ordinary_weights_are_on_no_grid() -> None:
    for seed in range(50):
        weight = real(4, 12, seed=seed)
        assert found_grid(weight.astype(np.float64).reshape(1, -1), 8) is None
    near = (levels(4, 4, 12) * 0.1 * (1 + 1e-5 * real(4, 12))).astype(np.float64)
    assert found_grid(near.reshape(1, -1), 4) is None  # a checker that takes anything is no checker


def test_a_grid_of_more_levels_than_the_bits_have_is_no_grid_for_them() -> None:
    rows = (levels(5, 1, 60) * 0.1).astype(np.float32).astype(np.float64)
    assert found_grid(rows, 4) is None
    found = found_grid(rows, 5)
    assert found is not None
    assert found.levels.tolist() == [15]
    assert found.unit == pytest.approx([0.1])


def test_two_s_complement_reaches_one_further_below() -> None:
    for low, high, fits in ((-128, 127, True), (-127, 128, False), (-128, 128, False)):
        wanted = np.arange(low, high + 1)[None]
        rows = (wanted * 0.1).astype(np.float32).astype(np.float64)
        assert (found_grid(rows, 8) is not None) == fits
    ternary = np.array([[-0.2, 0.1, -0.1, 0.0]]).astype(np.float32).astype(np.float64)
    assert found_grid(ternary, 1.58) is None
    assert found_grid(ternary, 2) is not None
    node = one_layer(np.arange(-128, 128).reshape(4, 64).astype(np.float32) * np.float32(0.01))
    assert node.synapses[0].op.weight.min() == -128


def test_grids_of_channels_are_taken_over_where_channels_may_have_scales() -> None:
    wanted = levels(4, 5, 16)
    wanted[:, 0] = 7
    scales = np.array([0.1, 0.23, 0.037, 0.5, 0.011])
    weight = (wanted * scales[:, None]).astype(np.float32)
    for per_channel in (False, True):
        node = lower(
            chain((16,), {"fc": Linear(frozen(weight, np.float32)), "r": Rectify(1.5)}),
            None,
            settings(per_channel=per_channel, weight_bits=4),
        ).node("fc")
        assert node.synapses[0].op.weight.tolist() == wanted.tolist()  # type: ignore[union-attr]
        assert isinstance(node.neuron, Requantize)
        assert np.shape(node.neuron.multiplier) == (5,)


def test_channels_of_few_weights_get_no_scales_that_nobody_asked_for() -> None:
    weight = real(6, 1)  # one weight a channel is on a grid by accident
    node = one_layer(weight)
    assert np.ndim(node.neuron.multiplier) == 0
    assert not is_no_accident(weight.astype(np.float64))


def test_biases_choose_the_division_of_the_unit() -> None:
    rows = np.array([[0.6, -0.3, 0.0, 0.3]])
    for biases, wanted in ((None, 0.3), ([[0.9]], 0.3), ([[0.15]], 0.15), ([[0.7]], 0.1)):
        found = scale_on_grid(rows, None if biases is None else np.array(biases), 8, "integer")
        assert found == pytest.approx([wanted])
    odd = scale_on_grid(rows, np.array([[0.1234567]]), 8, "integer")
    assert odd == pytest.approx([0.6 / 126])  # the finest: an accident, or a diagonal
    many = np.repeat(rows, 20, axis=0).reshape(1, -1)
    found = scale_on_grid(many, np.array([[0.1234567]]), 8, "integer")
    assert found == pytest.approx([0.3])  # trained weights keep their bits


def test_power_of_two_scales_want_a_unit_that_is_one() -> None:
    rows = np.array([[0.75, -0.375, 0.0]])  # 3 x 0.25 and 1.5 x 0.25; the unit is 0.375
    found = scale_on_grid(rows, None, 8, "power_of_two")
    assert found == pytest.approx([0.125])
    assert scale_on_grid(rows, None, 3, "power_of_two") is None
    assert scale_on_grid(rows * 1.1, None, 8, "power_of_two") is None


def test_integers_that_are_taken_over_pass_again_and_again() -> None:
    x = frames(20, 12)
    graph = chain((12,), {"a": linear(9, 12), "r": Rectify(), "b": linear(4, 9, seed=1)})
    for keys in (
        {"weight_bits": 3, "weight_scale": "mse"},
        {"weight_bits": 1.58},
        {"weight_bits": 1},
        {"weight_bits": 5, "weight_scale": "percentile(90)", "per_channel": True},
    ):
        config = parse_config({"default": keys})
        ready = prepared(graph, x, config)
        first = quantized(ready, x, config)
        second = quantized(dequantized(ready, first, config), x, config)
        words = reference.encode_input(first.inputs[0], x)
        one, other = reference.run(first, words), reference.run(second, words)
        for node in first.nodes:
            op, again = node.synapses[0].op, second.node(node.name).synapses[0].op
            assert isinstance(op, Linear)
            assert isinstance(again, Linear)
            assert np.array_equal(op.weight, again.weight), keys
            assert np.array_equal(one[node.name], other[node.name])


def test_a_wider_grid_is_told_with_the_bits_that_it_needs(caplog: Any) -> None:
    weight = (levels(6, 6, 20) * 0.1).astype(np.float32)
    graph = chain((20,), {"fc": Linear(frozen(weight, np.float32)), "r": Rectify(1.5)})
    with caplog.at_level(logging.WARNING):
        lower(graph, None, settings(weight_bits=4))
    assert "fc: found weights on a grid of 6 bits that could not be taken over" in caplog.text
    assert "weight_bits is 4: set nodes.fc.weight_bits to 6" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        lower(graph, None, settings(weight_bits=6))
        lower(chain((20,), {"fc": linear(6, 20), "r": Rectify(1.5)}), None, settings(weight_bits=4))
    assert caplog.text == ""


def test_why_a_grid_was_not_taken_over_is_told(caplog: Any) -> None:
    weight = frozen((levels(4, 6, 20) * 0.1).astype(np.float32), np.float32)
    graph = chain((20,), {"fc": Linear(weight), "r": Rectify(1.5)})
    config = parse_config({"scale": "power_of_two", "input": {"bits": 4, "scale": 0.25}})
    with caplog.at_level(logging.WARNING):
        lower(graph, None, config)
        by_channel = (levels(4, 6, 20) * real(6, 1)).astype(np.float32)
        lower(chain((20,), {"scores": Linear(frozen(by_channel, np.float32))}), None, settings())
    assert "fc: found weights on a grid of 4 bits" in caplog.text
    assert "choose scale: integer" in caplog.text
    assert "scores: found weights on a grid of 4 bits a channel" in caplog.text
    assert "train them per tensor" in caplog.text


def test_a_convolution_of_a_residual_sum_is_taken_over_per_tensor() -> None:
    weight = frozen((levels(4, 3, 3, 3, 3) * 0.05).astype(np.float32), np.float32)
    conv = Conv2d(weight, padding=(1, 1))
    graph = add(chain((3, 5, 5), {"in": Rectify(1.0), "c": conv}), "sum", "c", "in")
    found = lower(graph, frames(3, 3, 5, 5), settings(weight_bits=4)).node("c")
    op = next(s.op for s in found.synapses if isinstance(s.op, Conv2d))
    np.testing.assert_array_equal(op.weight, np.rint(weight / 0.05))


def test_spiking_layers_take_integers_over_and_their_thresholds_follow() -> None:
    wanted = levels(4, 5, 12)
    wanted[:, 0] = 7
    scales = np.array([0.1, 0.2, 0.05, 0.3, 0.15])
    op = Linear(frozen((wanted * scales[:, None]).astype(np.float32), np.float32))
    graph = chain((12,), {"fc": op, "n": IntegrateFire(1.0)}, steps=4)
    config = settings(weight_bits=4, membrane_fraction_bits=8)
    node = lower(graph, None, config).node("fc")
    assert isinstance(node.neuron, IntegrateFire)
    assert isinstance(node.synapses[0].op, Linear)
    assert node.synapses[0].op.weight.tolist() == wanted.tolist()
    thresholds = np.rint(1.0 / (scales * 0.25) * 2**8)
    assert np.asarray(node.neuron.threshold).tolist() == thresholds.tolist()
    assert simplify(graph).node("fc").neuron == graph.node("n").neuron
