"""Weights of 1, 1.58 and 2 .. 8 bits, and the methods that choose their scale."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from e3ne.config import Config, parse_config
from e3ne.ir import Array, Graph, Linear, Rectify, UnsupportedModel, frozen
from e3ne.lower import lower
from e3ne.lower.factors import integer_weight, largest_level, weight_scale
from e3ne.lower.least_squares import level_scales, mean_magnitudes, ternary_scales
from tests.unit.lower_graphs import chain, frames, linear, real

HEAVY = frozen(np.random.default_rng(5).standard_t(2.2, (12, 200)), np.float32)


def error(weight: Array, bits: float, method: str, **keys: Any) -> float:
    """The squared error of the quantised weights."""
    options = {"per_channel": False, "kind": "integer", **keys}
    scale = weight_scale(weight, bits, method=method, **options)
    units = integer_weight(weight, scale, bits)
    return float(((units * scale.reshape(-1, 1) - weight) ** 2).sum())


def test_binary_weights_are_signs_of_the_mean_magnitude() -> None:
    weight = frozen([[0.5, -1.0, 0.1], [0.0, -0.2, 0.2]], np.float32)
    scale = weight_scale(weight, 1, per_channel=False, kind="integer")
    assert scale == pytest.approx(2.0 / 5)
    assert integer_weight(weight, scale, 1).tolist() == [[1, -1, 1], [0, -1, 1]]
    channels = weight_scale(weight, 1, per_channel=True, kind="integer")
    assert channels == pytest.approx([1.6 / 3, 0.2])
    for method in ("mse", "percentile(50)"):
        assert weight_scale(weight, 1, False, "integer", method) == scale


def test_the_mean_magnitude_is_the_best_scale_of_signs() -> None:
    rows = real(3, 50).astype(np.float64)
    best = mean_magnitudes(rows)

    def loss(scales: Array) -> Array:
        return np.asarray(((np.sign(rows) * scales[:, None] - rows) ** 2).sum(axis=1))

    for factor in (0.9, 0.99, 1.01, 1.1):
        assert (loss(best) < loss(best * factor)).all()


@pytest.mark.parametrize("seed", range(5))
def test_ternary_scales_are_the_best_of_all(seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(1, 40))
    units = np.rint(np.clip(rows / ternary_scales(rows)[:, None], -1, 1))
    found = float(((units * ternary_scales(rows)[:, None] - rows) ** 2).sum())
    falling = np.sort(np.abs(rows[0]))[::-1]
    every = [float((rows**2).sum() - falling[:n].sum() ** 2 / n) for n in range(1, 41)]
    assert found == pytest.approx(min(every))


def test_ternary_is_never_the_largest_magnitude() -> None:
    """max|w| as the scale would turn nearly every weight into 0."""
    weight = real(20, 100)
    for bits in (1.58, 2):
        scale = weight_scale(weight, bits, per_channel=False, kind="integer")
        kept = (integer_weight(weight, scale, bits) != 0).mean()
        assert 0.4 < kept < 0.7
        naive = np.asarray(float(np.abs(weight).max()))
        assert (integer_weight(weight, naive, bits) != 0).mean() < 0.15


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("per_channel", [False, True])
def test_mse_loses_least(bits: int, per_channel: bool) -> None:
    best = error(HEAVY, bits, "mse", per_channel=per_channel)
    others = ["max", "percentile(99)", "percentile(99.9)", "percentile(90)"]
    for method in others:
        assert best <= error(HEAVY, bits, method, per_channel=per_channel) * 1.0001
    if bits in (3, 4) and not per_channel:
        assert best < 0.7 * error(HEAVY, bits, "max", per_channel=per_channel)


@pytest.mark.parametrize("limit", [2, 3, 7, 15])
def test_the_search_finds_what_a_fine_scan_finds(limit: int) -> None:
    rows = HEAVY.astype(np.float64)[:3]
    scales = level_scales(rows, limit)

    def loss(at: Array) -> Array:
        units = np.clip(np.rint(rows / at[:, None]), -limit, limit)
        return np.asarray(((units * at[:, None] - rows) ** 2).sum(axis=1))

    largest = np.abs(rows).max(axis=1) / limit
    scan = np.min([loss(largest * ratio) for ratio in np.linspace(0.1, 1, 2000)], axis=0)
    assert (loss(scales) <= scan * 1.02).all()


def test_percentiles_are_of_the_weights_that_are_there() -> None:
    weight = frozen([[0.0] * 96 + [1.0, 2.0, 3.0, 100.0]], np.float32)
    scale = weight_scale(weight, 3, False, "integer", "percentile(50)")
    assert scale == pytest.approx(2.5 / 3)
    assert integer_weight(weight, scale, 3).tolist()[0][96:] == [1, 2, 3, 3]
    assert weight_scale(weight, 3, True, "integer", "percentile(100)") == pytest.approx(100 / 3)


def test_the_error_chooses_between_two_powers_of_two() -> None:
    for method in ("mse", "max"):
        scale = weight_scale(HEAVY, 1.58, True, "power_of_two", method)
        assert (np.frexp(scale)[0] == 0.5).all()
        found = error(HEAVY, 1.58, method, per_channel=True, kind="power_of_two")
        for factor in (0.5, 2.0):
            units = integer_weight(HEAVY, scale * factor, 1.58)
            other = float(((units * (scale * factor)[:, None] - HEAVY) ** 2).sum())
            assert found <= other
    below = weight_scale(frozen([[1.1, -1.1]], np.float32), 1, False, "power_of_two")
    assert below == 1.0  # and not 2.0, the next one up


@pytest.mark.parametrize("method", ["max", "mse", "percentile(90)"])
@pytest.mark.parametrize("bits", [1, 1.58, 2, 5, 8])
def test_rows_of_zeros_get_a_scale(method: str, bits: float) -> None:
    weight = frozen([[0.0, 0.0], [0.5, -0.25]], np.float32)
    scale = weight_scale(weight, bits, True, "integer", method)
    assert scale[0] == scale[1] > 0
    assert weight_scale(weight * 0, bits, False, "integer", method) == 1


def test_every_width_reaches_the_integers_and_no_further() -> None:
    graph, x = two_layers(), frames(30, 12)
    for bits in (1, 1.58, *range(2, 9)):
        for method in ("max", "mse", "percentile(99)"):
            config = parse_config({"default": {"weight_bits": bits, "weight_scale": method}})
            for node in lower(graph, x, config).nodes:
                weight = op(lower(graph, x, config), node.name).weight
                assert np.abs(weight).max() <= largest_level(bits)
                assert bits != 1 or np.abs(weight).min() == 1


def test_layers_have_bits_and_methods_of_their_own() -> None:
    graph, x = two_layers(), frames(30, 12)
    nodes = {"a": {"weight_bits": "binary"}, "b": {"weight_bits": 3, "weight_scale": "mse"}}
    found = lower(graph, x, parse_config({"default": {"weight_bits": 8}, "nodes": nodes}))
    assert set(np.unique(op(found, "a").weight)) == {-1, 1}
    alone = parse_config({"default": {"weight_bits": 3, "weight_scale": "mse"}})
    np.testing.assert_array_equal(op(found, "b").weight, op(lower(graph, x, alone), "b").weight)
    naive = op(lower(graph, x, parse_config({"default": {"weight_bits": 3}})), "b")
    assert np.abs(naive.weight).max() == np.abs(op(found, "b").weight).max() == 3
    assert naive.bias is not None
    assert (naive.bias != op(found, "b").bias).any()  # another scale


def test_binary_layers_with_missing_synapses_are_told(caplog: Any) -> None:
    weight = np.array(real(4, 12))
    weight[:, ::3] = 0
    graph = chain((12,), {"fc": Linear(frozen(weight, np.float32)), "r": Rectify(1.0)})
    with caplog.at_level(logging.WARNING):
        found = lower(graph, frames(3, 12), settings(weight_bits=1))
    assert "fc: found 16 weights of exactly 0 in a binary layer" in caplog.text
    assert (op(found, "fc").weight == np.sign(weight)).all()


def test_a_scale_of_outliers_is_told(caplog: Any) -> None:
    weight = np.array(real(8, 100))
    weight[0, 0] = 1000.0
    graph = chain((100,), {"fc": Linear(frozen(weight, np.float32)), "r": Rectify(1.0)})
    with caplog.at_level(logging.WARNING):
        lower(graph, frames(3, 100), settings(weight_bits=8))
    assert "fc: found 100 % of the weights that become 0" in caplog.text
    assert "weight_scale: mse" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        lower(graph, frames(3, 100), settings(weight_bits=8, weight_scale="percentile(99)"))
        for bits in (1.58, 2, 3, 4, 8):
            ordinary = chain((100,), {"fc": Linear(real(8, 100)), "r": Rectify(1.0)})
            lower(ordinary, frames(3, 100), settings(weight_bits=bits))
    assert "become 0" not in caplog.text


def test_a_bias_beyond_the_accumulator_is_told_and_then_refused(caplog: Any) -> None:
    def with_weights_of(size: float) -> Graph:
        weight = frozen(np.array(real(4, 12)) * size, np.float32)
        op = Linear(weight, frozen([1.0] * 4, np.float32))
        return chain((12,), {"fc": op, "r": Rectify(1.0)})

    with caplog.at_level(logging.WARNING):
        lower(with_weights_of(1e-9), frames(3, 12), settings())
    assert "fc: found a bias of" in caplog.text
    assert "more than 32 bits" in caplog.text
    with pytest.raises(UnsupportedModel, match=r"fc: found a bias of 1, .*accepted less than 2\*"):
        lower(with_weights_of(1e-18), frames(3, 12), settings())


def settings(**keys: Any) -> Config:
    return parse_config({"default": keys})


def two_layers() -> Graph:
    return chain((12,), {"a": linear(9, 12), "r": Rectify(), "b": linear(4, 9, seed=1)})


def op(graph: Graph, name: str) -> Linear:
    found = graph.node(name).synapses[0].op
    assert isinstance(found, Linear)
    return found
