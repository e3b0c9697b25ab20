"""Calibration frames and layers that look wrong are told by name."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from e3ne.compile import compare_ranges
from e3ne.config import Config, parse_config
from e3ne.ir import BadInput, Graph, IntegrateFire, Linear, Neuron, Op, Rectify, frozen
from e3ne.lower import lower, lowered
from e3ne.lower.silent_layers import silent_layers
from tests.unit.lower_graphs import chain, frames, linear, real

X = frames(20, 12)


def network() -> Graph:
    return chain((12,), {"a": linear(9, 12), "r": Rectify(), "b": linear(4, 9, seed=1)})


def told(caplog: Any, x: Any, graph: Graph | None = None, **data: Any) -> str:
    """What is logged about these frames."""
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        lower(graph or network(), x, parse_config(data))
    return str(caplog.text)


def test_good_frames_and_layers_say_nothing(caplog: Any) -> None:
    assert told(caplog, X) == ""
    assert told(caplog, X, input={"bits": 8, "scale": 1 / 255}) == ""
    assert told(caplog, X, input={"bits": 1, "scale": 1.0, "signed": False}) == ""
    assert told(caplog, X[:1]) == ""
    spiking = chain((12,), {"a": linear(9, 12), "n": IntegrateFire(0.3, 0.9)}, steps=6)
    assert told(caplog, X, spiking) == ""


def test_one_value_everywhere_is_no_calibration() -> None:
    for value in (0.5, -3.0, 255):
        with pytest.raises(BadInput, match=f"calibration of x: found the value {value:g} in every"):
            lower(network(), np.full((5, 12), value))


def test_equal_frames_are_told(caplog: Any) -> None:
    found = told(caplog, np.repeat(X[:1], 7, axis=0))
    assert "calibration of x: found 7 equal frames" in found


def test_frames_beyond_the_configured_range_are_told(caplog: Any) -> None:
    chosen = {"bits": 8, "scale": 1 / 255}
    found = told(caplog, X * 255, input=chosen)
    assert "of the samples beyond 1, the largest of input.bits 8" in found
    assert "The largest is 254" in found or "The largest is 25" in found
    found = told(caplog, X, input={"bits": 8, "scale": 1.0})
    assert "few levels are used" in found
    assert told(caplog, X * 1.02, input=chosen) == ""  # a few clip


def test_signs_that_do_not_fit_the_configuration_are_told(caplog: Any) -> None:
    found = told(caplog, X - 0.5, input={"signed": False})
    assert "of the samples below zero" in found
    assert "input.signed is false" in found
    assert "found no sample below zero" in told(caplog, X, input={"signed": True})


def test_calibration_far_from_the_example_is_told(caplog: Any) -> None:
    for calibration, example in ((X * 255, X[:2]), (X, X[:2] * 255)):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            compare_ranges(network(), (calibration,), example)
        assert "calibration of x: found samples up to" in caplog.text
        assert "0 .. 255?" in caplog.text
    caplog.clear()
    fitting: list[Any] = [X[:2], (X[:2] * 3,), {"x": X[:2]}, None, np.zeros((2, 12))]
    for example in fitting:
        with caplog.at_level(logging.WARNING):
            compare_ranges(network(), (X,), example)
    assert caplog.text == ""


def dead() -> Graph:
    below = Linear(frozen(-np.abs(real(9, 12)), np.float32))
    layers: dict[str, Op | Neuron] = {"a": below, "n": IntegrateFire(0.5, 0.9)}
    return chain((12,), {**layers, "b": linear(4, 9), "m": IntegrateFire(1e9)}, steps=6)


def test_dead_layers_are_told_by_name(caplog: Any) -> None:
    found = told(caplog, X, dead())
    for name in ("a", "b"):
        assert f"{name}: found nothing above zero in the first 20 calibration frames" in found
    assert "so it is in the float network" in found
    relu = chain((12,), {"a": Linear(frozen(-np.abs(real(9, 12)), np.float32)), "r": Rectify(1.0)})
    assert "a: found nothing above zero" in told(caplog, X, relu)


def test_a_layer_that_rounding_killed_is_told_so(caplog: Any) -> None:
    """Weights of 2 bits are too coarse beside one large one: the others become 0."""
    weight = np.full((9, 12), 0.05)
    weight[:, 0] = -50.0
    x = X * (np.arange(12) > 0)  # the large weights never act
    layers: dict[str, Op | Neuron] = {"a": Linear(frozen(weight, np.float32)), "r": Rectify()}
    graph = chain((12,), {**layers, "b": linear(4, 9)})
    found = told(caplog, x, graph, default={"weight_bits": 3})
    assert "a: found nothing above zero" in found
    assert "rounding did that" in found
    per_bits = told(caplog, x, graph, default={"weight_bits": 3, "weight_scale": "percentile(50)"})
    assert "rounding did that" not in per_bits


def test_saturated_layers_are_told_by_name(caplog: Any) -> None:
    always = Linear(frozen(np.abs(real(9, 12)) + 1, np.float32))
    spiking = chain((12,), {"a": always, "n": IntegrateFire(0.1, reset_step="same")}, steps=6)
    found = told(caplog, X, spiking)
    assert "a: found hardly anything but the largest value" in found
    assert "the layer is saturated" in found
    bounded = chain((12,), {"a": always, "r": Rectify(0.5), "b": linear(4, 9)})
    assert "a: found hardly anything but the largest value" in told(caplog, X, bounded)


def test_states_are_those_of_the_whole_layer() -> None:
    ready, integer = lowered(dead(), X, Config())
    assert silent_layers(ready, [X]) == {"a": "dead", "b": "dead"}
    words = np.rint(X / integer.inputs[0].scale).astype(np.int64)
    assert silent_layers(integer, [words]) == {"a": "dead", "b": "dead"}
    one_alive = np.array(-np.abs(real(9, 12)))
    one_alive[4] = 1.0
    graph = chain((12,), {"a": Linear(frozen(one_alive, np.float32)), "n": IntegrateFire(0.5)})
    assert silent_layers(lowered(graph, X)[0], [X]) == {}
