"""The largest value, a percentile or the least squared error, for inputs and ReLUs."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from e3ne import reference
from e3ne.config import Config, parse_config
from e3ne.ir import Array, Graph, Linear, Rectify, frozen
from e3ne.lower import lower, prepared
from tests.unit.lower_graphs import chain, frames

WIRES = Linear(frozen(np.eye(8), np.float32))
TAIL = np.random.default_rng(1).standard_exponential((400, 8)) ** 2  # a few values are very large
METHODS = ("max", "percentile(99)", "mse")


def settings(calibration: str, kind: str = "integer", **keys: Any) -> Config:
    return parse_config({"calibration": calibration, "scale": kind, "default": keys})


def one_layer() -> Graph:
    return chain((8,), {"fc": WIRES, "r": Rectify()})


def edge_error(calibration: str, bits: int, kind: str = "integer") -> float:
    """The squared error of what a ReLU sends, behind an input that is as good as exact."""
    data: dict[str, Any] = {"calibration": calibration, "scale": kind}
    data["default"] = {"edge_bits": bits}
    data |= {"calibration_frames": 400}
    data["input"] = {"bits": 16, "scale": 2.0**-8}
    integer = lower(one_layer(), TAIL, parse_config(data))
    sent = reference.run(integer, reference.encode_input(integer.inputs[0], TAIL))["fc"]
    return float(((sent[:, 0] * integer.scale("fc") - TAIL) ** 2).mean())


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("kind", ["integer", "power_of_two"])
def test_mse_loses_least_on_every_width_of_an_edge(bits: int, kind: str) -> None:
    found = {method: edge_error(method, bits, kind) for method in METHODS}
    assert found["mse"] <= min(found.values()) * 1.001
    if bits <= 3 and kind == "integer":
        assert found["mse"] < 0.7 * found["max"]


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_a_fine_scan_finds_no_better_bound(bits: int) -> None:
    ready = prepared(one_layer(), TAIL, settings("mse", edge_bits=bits))
    neuron = ready.node("fc").neuron
    assert isinstance(neuron, Rectify)
    assert neuron.bound is not None
    high = 2**bits - 1

    def loss(bound: float) -> float:
        units = np.minimum(np.rint(TAIL / (bound / high)), high)
        return float(((units * bound / high - TAIL) ** 2).mean())

    scan = min(loss(bound) for bound in np.linspace(0.02, 1, 500) * TAIL.max())
    assert loss(neuron.bound) <= scan * 1.02


def test_inputs_follow_the_method_too() -> None:
    def input_error(calibration: str) -> float:
        source = lower(one_layer(), TAIL, settings(calibration, edge_bits=4)).inputs[0]
        assert source.type.bits == 4
        values = reference.encode_input(source, TAIL) * source.scale
        return float(((values.reshape(TAIL.shape) - TAIL) ** 2).mean())

    assert input_error("mse") < 0.8 * input_error("max")
    assert input_error("mse") <= input_error("percentile(99)")
    source = lower(one_layer(), TAIL, settings("percentile(90)", edge_bits=4)).inputs[0]
    assert source.scale == pytest.approx(np.percentile(TAIL, 90) / 15)


def test_signed_inputs_and_small_whole_numbers() -> None:
    signed = TAIL * np.random.default_rng(2).choice([-1.0, 1.0], TAIL.shape)
    found = lower(one_layer(), signed, settings("mse", edge_bits=6)).inputs[0]
    assert found.type.signed
    assert found.scale < np.abs(signed).max() / 31 * 0.9
    whole = np.random.default_rng(3).integers(0, 15, (50, 8)).astype(float)
    for method in METHODS:
        assert lower(one_layer(), whole, settings(method, edge_bits=4)).inputs[0].scale == 1


def test_a_power_of_two_is_chosen_by_its_error() -> None:
    for method in METHODS:
        node = lower(one_layer(), TAIL, settings(method, "power_of_two", edge_bits=4)).node("fc")
        assert np.log2(node.scale) % 1 == 0
    mse = lower(one_layer(), TAIL, settings("mse", "power_of_two", edge_bits=4)).node("fc").scale
    largest = lower(one_layer(), TAIL, settings("max", "power_of_two", edge_bits=4)).node("fc")
    assert mse < largest.scale


def test_each_edge_is_searched_with_its_own_bits() -> None:
    dense = Linear(frozen(np.random.default_rng(4).random((8, 8)), np.float32))
    graph = chain((8,), {"a": dense, "ra": Rectify(), "b": dense, "rb": Rectify()})
    config = parse_config(
        {"calibration": "mse", "default": {"edge_bits": 8}, "nodes": {"a": {"edge_bits": 2}}}
    )
    ready = prepared(graph, TAIL, config)
    few = bound(ready, "a")
    many = bound(prepared(graph, TAIL, settings("mse", edge_bits=8)), "a")
    assert few < 0.9 * many


@pytest.mark.parametrize("method", METHODS)
def test_bounds_of_the_model_and_dead_layers_stay(method: str) -> None:
    dense = np.random.default_rng(4).random((8, 8))
    dead = Linear(frozen(-dense, np.float32))
    layers = {
        "a": Linear(frozen(dense, np.float32)),
        "ra": Rectify(0.75),
        "b": dead,
        "rb": Rectify(),
    }
    ready = prepared(chain((8,), layers), frames(20, 8), settings(method))  # type: ignore[arg-type]
    assert (bound(ready, "a"), bound(ready, "b")) == (0.75, 1.0)


def bound(graph: Graph, name: str) -> float:
    neuron = graph.node(name).neuron
    assert isinstance(neuron, Rectify)
    assert neuron.bound is not None
    return neuron.bound


def test_many_frames_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    many: Array = np.tile(TAIL, (10, 1))
    config = settings("mse", edge_bits=3)
    whole = bound(prepared(one_layer(), many, config), "fc")
    monkeypatch.setattr(sys.modules["e3ne.lower.calibrate"], "SEARCHED", 500)
    assert bound(prepared(one_layer(), many, config), "fc") == pytest.approx(whole, rel=0.6)
