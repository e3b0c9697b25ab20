"""A made-up row of benchmarks/accuracy, whose files are all in a folder of the test's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import measure, results, simulate, train
from benchmarks.accuracy.networks import Network
from benchmarks.accuracy.rows import ROWS, Row
from e3ne.config import Config, parse_config
from e3ne.ir import (
    Graph,
    Input,
    Linear,
    Node,
    Output,
    Readout,
    Rectify,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    frozen,
)
from e3ne.training.datasets import Split

TINY = Row("tiny", "tiny_network", "Tiny", "Made up", "3-bit", "radix 4", "None", 50.0, "nothing")


def tiny_graph(sign: float = 1.0) -> Graph:
    """Two inputs, a ReLU each, scores that are the larger one."""
    weight = frozen([[sign, -0.3], [-0.3, sign]], np.float32)
    relu = Node("relu", (Synapse(Linear(weight), "x"),), Rectify(1.0), SpikeType((2,)))
    fc = Node("fc", (Synapse(Linear(weight), "relu"),), Relay(), SpikeType((2,)))
    outputs = (Output("fc", Readout.LAST),)
    return Graph(Stage.FLOAT, (Input("x", SpikeType((2,))),), (relu, fc), outputs)


def tiny_split() -> Split:
    x = np.random.default_rng(0).random((64, 2), np.float32)
    y = x.argmax(axis=1).astype(np.int64)
    return Split(x, y, x[:48], y[:48])


def fine_tune(row: str, graph: Graph, seed: int, device: str) -> tuple[Graph, Config]:
    assert row == "tiny"
    return graph, parse_config({"default": {"weight_bits": 3}, "input": {"bits": 6}})


NETWORK = Network(
    split=tiny_split,
    calibration=lambda split: split.train_x,
    train_float=lambda seed, device: tiny_graph(1.0 + seed / 8),
    fine_tune=fine_tune,
    figures=lambda classes, split: {"share_percent": 12.5},
    baselines=lambda split: {"a coin": {"share_percent": 50.0}},
)


def use_tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Row:
    """The row TINY, for as long as the test runs; its files are in `tmp_path`."""
    monkeypatch.setattr(results, "RESULTS", tmp_path / "measured")
    monkeypatch.setattr(results, "CHECKPOINTS", tmp_path / "checkpoints")
    (tmp_path / "checkpoints").mkdir()
    for module in (train, simulate):
        monkeypatch.setattr(module, "BUILDS", tmp_path / "builds")
    (tmp_path / "builds").mkdir()
    monkeypatch.setitem(ROWS, TINY.name, TINY)
    for module in (train, measure, simulate):
        monkeypatch.setattr(module, "load_network_of", lambda name: NETWORK)
    return TINY
