"""Inputs, calibration frames and configurations that lowering gets, good and bad."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from e3ne import reference
from e3ne.config import Config, InputConfig, parse_config
from e3ne.ir import (
    BadInput,
    Graph,
    Identity,
    Input,
    Integrate,
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
    UnsupportedModel,
    frozen,
    text,
)
from e3ne.lower import PIPELINE, lower, prepared, quantized
from tests.unit.lower_graphs import (
    chain,
    linear,
    real,
    then,
)

SPIKES = np.random.default_rng(0).integers(0, 2, (20, 6)).astype(float)


def spiking(neuron: IntegrateFire | Integrate, outs: int = 3) -> Graph:
    return chain((6,), {"fc": linear(outs, 6), "n": neuron}, steps=8)


@pytest.mark.parametrize(
    ("x", "layers", "wanted"),
    [
        (SPIKES, {"r": Rectify(1.0)}, (1, False, 1.0)),
        (SPIKES * 0.5, {"r": Rectify(1.0)}, (4, False, 0.5 / 15)),
        (SPIKES * 0.5, {"n": IntegrateFire(1.0)}, (8, False, 0.5 / 255)),
        (SPIKES * 9, {"r": Rectify(1.0)}, (4, False, 1.0)),
        (SPIKES * 16, {"r": Rectify(1.0)}, (4, False, 16 / 15)),
        (SPIKES * 0.5 - 0.25, {"n": IntegrateFire(1.0)}, (8, True, 0.25 / 127)),
    ],
)
def test_inputs_by_what_the_frames_show(x: np.ndarray, layers: dict, wanted: tuple) -> None:
    source = lower(chain((6,), layers, steps=4), x).inputs[0]
    assert (source.type.bits, source.type.signed) == wanted[:2]
    assert source.scale == pytest.approx(wanted[2])
    assert reference.encode_input(source, x).max() == pytest.approx(x.max() / source.scale)


def test_what_the_user_chose_for_the_input_wins() -> None:
    graph = chain((6,), {"r": Rectify(1.0)})
    config = Config(input=InputConfig(bits=6, scale=0.125, signed=True))
    for x in (None, SPIKES):
        assert lower(graph, x, config).inputs == (Input("x", SpikeType((6,), 1, 6, True), 0.125),)
    config = Config(input=InputConfig(bits=1, signed=True))
    with pytest.raises(BadInput, match=r"input\.bits: found 1 bits with a sign, accepted 2"):
        lower(graph, SPIKES, config)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((0, 6)), "calibration of x: found no frames, accepted at least one"),
        (np.ones((3, 5)), r"calibration of input x: found shape \(3, 5\), accepted \(frames, 1, 6"),
        (np.full((3, 6), np.nan), "calibration of x: found NaN or infinite values, accepted fin"),
        (np.full((3, 6), np.inf), "calibration of x: found NaN or infinite values"),
        (np.zeros((3, 6)), "calibration of x: found nothing but zeros, accepted frames with a s"),
        (np.full((3, 6), "a"), "calibration of x: found dtype <U1, accepted an array of real"),
        (3.0, "calibration of x: found no array, accepted an array of real numbers, one row a"),
        ((np.ones((3, 6)),) * 2, "calibration: found 2 arrays, accepted 1, one an input"),
    ],
)
def test_calibration_that_cannot_be_used(x: Any, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        lower(chain((6,), {"r": Rectify()}), x)


def test_no_calibration_where_it_is_needed() -> None:
    graph = chain((6,), {"a": linear(3, 6), "b": Rectify(), "c": linear(3, 3), "d": Rectify()})
    with pytest.raises(BadInput, match=r"calibration: found none, needed for the ranges of a, c;"):
        lower(graph)
    with pytest.raises(BadInput, match="input x: found no calibration frames, accepted them, or"):
        lower(chain((6,), {"n": IntegrateFire(1.0)}, steps=2))


def test_unknown_modules_in_the_configuration() -> None:
    config = parse_config({"nodes": {"fc1": {"weight_bits": 3}}})
    with pytest.raises(BadInput, match=r"config\.nodes\.fc1: found no such node, accepted fc"):
        lower(spiking(IntegrateFire(1.0)), SPIKES, config)


def test_modules_that_became_part_of_a_node() -> None:
    config = parse_config({"nodes": {"n": {"edge_bits": 3}}, "mapping": {"n": {"in_lanes": 2}}})
    with pytest.raises(BadInput) as found:
        lower(spiking(IntegrateFire(1.0)), SPIKES, config)
    assert found.value.problems == (
        "config.nodes.n: found a module that is part of the node fc, accepted fc; write the "
        "settings there",
        "config.mapping.n: found a module that is part of the node fc, accepted fc; write the "
        "settings there",
    )


def test_weights_that_are_not_finite() -> None:
    weight = np.array(real(3, 6))
    weight[0, 0] = np.nan
    graph = chain((6,), {"r": Rectify()})
    node = Node("fc", (Synapse(Linear(frozen(weight, np.float32)), "r"),), Relay(), SpikeType((3,)))
    broken = replace(graph, nodes=(*graph.nodes, node), outputs=(Output("fc", Readout.LAST),))
    with pytest.raises(UnsupportedModel, match=r"^fc: Linear.weight: found NaN or infinite"):
        lower(broken, SPIKES)


def test_a_relu_in_a_time_loop_and_a_membrane_that_feeds_itself() -> None:
    graph = spiking(IntegrateFire(1.0))
    graph = then(graph, Node("r", (Synapse(Identity(), "n"),), Rectify(), SpikeType((3,), 8)))
    synapses = (Synapse(Identity(), "r"), Synapse(Identity(), "m", delay=1))
    graph = then(graph, Node("m", synapses, Integrate(0.5), SpikeType((3,), 8)))
    with pytest.raises(UnsupportedModel) as found:
        lower(graph, SPIKES)
    first, second = found.value.problems
    assert first.startswith("r: found a ReLU with 8 time steps, accepted ReLUs on one step")
    assert second.startswith("m: found an integrator that feeds its membrane to itself, accepted")


@pytest.mark.parametrize("calibration", ["max", "percentile(99)"])
def test_dead_layers_are_logged_by_name(calibration: str, caplog: pytest.LogCaptureFixture) -> None:
    zeros = Linear(frozen(np.zeros((3, 6)), np.float32))
    graph = chain((6,), {"fc": zeros, "r": Rectify(), "out": linear(2, 3)})
    with caplog.at_level(logging.WARNING):
        found = lower(graph, SPIKES, Config(calibration=calibration))
    assert "fc: found no value above zero in the calibration frames" in caplog.text
    assert "fc: found weights of nothing but zeros" in caplog.text
    assert np.isfinite(found.node("fc").scale)


def test_dump_writes_the_graph_after_each_pass(tmp_path: Any) -> None:
    lower(spiking(IntegrateFire(1.0)), SPIKES, dump=tmp_path / "dump")
    found = sorted(path.name for path in (tmp_path / "dump").iterdir())
    assert found == [f"{index:02d}_{step.__name__}.txt" for index, step in enumerate(PIPELINE)]
    assert (tmp_path / "dump" / found[-1]).read_text().startswith("graph stage=integer\n")


def test_every_pass_says_what_it_does() -> None:
    for step in PIPELINE:
        assert step.__module__.endswith(f".{step.__name__}")
        assert (step.__doc__ or "").strip()


def test_lowering_is_preparing_and_then_quantising() -> None:
    graph = chain((6,), {"fc": linear(4, 6), "relu": Rectify()})
    ready = prepared(graph, SPIKES)
    assert ready.stage is Stage.FLOAT
    assert [node.name for node in ready.nodes] == ["fc"]
    assert isinstance(ready.nodes[0].neuron, Rectify)
    assert ready.nodes[0].neuron.bound is not None
    assert text(quantized(ready, SPIKES)) == text(lower(graph, SPIKES))
