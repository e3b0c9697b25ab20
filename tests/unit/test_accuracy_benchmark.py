"""The machinery of benchmarks/accuracy: beats, counting, merging, the page, a whole small row."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.accuracy import document, evaluate, measure, results, train
from benchmarks.accuracy.beats import beat_figures, detections, matched
from benchmarks.accuracy.networks.ecg_baselines import recent, regular
from benchmarks.accuracy.rows import Row, row_of
from e3ne.config import parse_config
from e3ne.ir import (
    BadInput,
    Graph,
    Input,
    IntegrateFire,
    Linear,
    Node,
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    frozen,
)
from e3ne.network_file import load_network
from e3ne.training.datasets import Split
from tests.accuracy_rows import NETWORK, tiny_graph, tiny_split, use_tiny

# Beats ------------------------------------------------------------------------------------------


def test_a_run_of_answers_is_one_beat_before_its_middle() -> None:
    classes = np.array([0, 1, 0, 0, 0, 0, 1, 1, 1, 0])
    assert detections(classes, 0.1, 0.05) == pytest.approx([0.1, 0.7])


def test_a_beat_too_soon_behind_another_is_left_out() -> None:
    classes = np.array([1, 0, 1, 0, 0, 1])
    assert detections(classes, 0.1, 0.0) == pytest.approx([0.05, 0.55])


def test_no_beat_is_an_empty_array() -> None:
    assert detections(np.zeros(5, int), 0.1, 0.0).size == 0
    assert beat_figures(np.array([]), np.array([1.0]))["f1_percent"] == 0.0


def test_each_beat_is_found_once_at_most() -> None:
    true = np.array([1.0, 2.0, 3.0])
    assert matched(np.array([0.96, 1.04, 2.0, 3.2]), true, 0.075) == 2
    figures = beat_figures(np.array([0.96, 1.04, 2.0, 3.2]), true)
    assert figures["sensitivity_percent"] == 66.67
    assert figures["positive_predictivity_percent"] == 50.0
    assert figures["f1_percent"] == 57.14
    assert (figures["beats"], figures["missed"], figures["false"]) == (3, 1, 2)


def test_the_baseline_without_skill_finds_a_regular_heart() -> None:
    assert regular(np.arange(0.0, 10.0), 10.0)["f1_percent"] == 100.0


def test_a_linear_detector_sees_the_frames_before() -> None:
    seen = recent(np.arange(1, 6).reshape(5, 1, 1))
    assert seen.shape == (5, 4)
    assert seen[[0, 4]].tolist() == [[0, 0, 0, 1], [2, 3, 4, 5]]


# A small row, from training to the page ---------------------------------------------------------


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Row:
    return use_tiny(tmp_path, monkeypatch)


def test_a_row_is_trained_measured_and_told(tiny: Row, tmp_path: Path) -> None:
    for seed in (0, 1):
        part = train.train_row(tiny, seed)
        assert part["percent"] > 90
    assert (tmp_path / "builds" / "tiny_1.safetensors").is_file()
    _, config, info = load_network(results.checkpoint_of("tiny"))
    assert config.default.weight_bits == 3
    assert info["command"] == "python -m benchmarks.accuracy train tiny --seed 0"

    measured = measure.measure_row(tiny)
    assert measured["samples"] == 48
    assert measured["subset"] == {"samples": 48, "correct": measured["checkpoint"]["correct"]}
    assert measured["checkpoint"]["percent"] == measured["seeds"]["0"]["percent"]
    assert measured["checkpoint"]["reference_samples"] == 32
    network = measure.measure_network("tiny_network")
    assert set(network["post_training"]) == {"8/6", "4/4"}

    page = document.document()
    assert "| Tiny (`tiny`) | 3-bit | radix 4 | 50.0 |" in page
    assert "(2 seeds)" in page
    assert "- baseline a coin: share 50.00 %" in page
    assert "share 12.50 %; `python -m benchmarks.accuracy train tiny --seed 1`" in page


def test_a_second_training_takes_the_float_network_from_its_file(
    tiny: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    train.train_row(tiny, 0)

    def again(seed: int, device: str) -> Graph:
        raise AssertionError("trained twice")

    network = replace(NETWORK, train_float=again)
    monkeypatch.setattr(train, "load_network_of", lambda name: network)
    train.train_row(tiny, 0)


def test_a_twin_that_differs_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    from e3ne.lower import lower
    from e3ne.training import twin

    split = tiny_split()
    integer = lower(tiny_graph(), split.train_x)
    assert evaluate.answers(integer, split.test_x).checked == 32
    exact = twin.answers

    def broken(graph: Graph, x: Any, device: Any = None) -> Any:
        words, classes = exact(graph, x, device)
        words[47] += 1
        return words, classes

    monkeypatch.setattr(twin, "answers", broken)
    with pytest.raises(evaluate.TwinDiffers, match="twin, sample 47: found words"):
        evaluate.answers(integer, split.test_x)


def test_spikes_are_counted_in_every_stage() -> None:
    from e3ne.lower import lower

    weight = frozen([[0.6, 0.0], [0.0, 0.2]], np.float32)
    fire = IntegrateFire(threshold=1.0, decay=1.0)
    nodes = (
        Node("fire", (Synapse(Linear(weight), "x"),), fire, SpikeType((2,), steps=4)),
        Node("fc", (Synapse(Linear(weight), "fire"),), Relay(), SpikeType((2,), steps=4)),
    )
    sources = (Input("x", SpikeType((2,), steps=4)),)
    graph = Graph(Stage.FLOAT, sources, nodes, (Output("fc", Readout.MEAN),))
    x = np.zeros((2, 4, 2), np.float32)
    x[0] = 1  # four times 0.6 passes the threshold twice, four times 0.2 never
    config = parse_config({"input": {"bits": 1, "scale": 1.0, "signed": False}})
    spikes = {"x_spikes_per_frame": 4.0, "fire_spikes_per_frame": 1.0}
    for each in (graph, lower(graph, x, config)):
        assert evaluate.spikes_per_frame(each, x) == spikes

    counting = replace(NETWORK, counts_spikes=True)
    classes, split = np.zeros(2, np.int64), Split(x, np.zeros(2), x, np.zeros(2))
    expected = {"share_percent": 12.5, **spikes}
    assert evaluate.all_figures(counting, graph, classes, split) == expected
    assert evaluate.all_figures(NETWORK, graph, classes, split) == {"share_percent": 12.5}


def test_results_are_merged_key_by_key(tiny: Row, tmp_path: Path) -> None:
    results.merge_result("tiny", {"seeds": {"0": {"percent": 1.0}}, "samples": 3})
    merged = results.merge_result("tiny", {"seeds": {"1": {"percent": 2.0}}, "samples": 4})
    assert merged == {"seeds": {"0": {"percent": 1.0}, "1": {"percent": 2.0}}, "samples": 4}
    assert json.loads((tmp_path / "measured" / "tiny.json").read_text()) == merged


def test_bits_are_set_in_every_section() -> None:
    config = parse_config({"nodes": {"fc": {"weight_bits": 2, "per_channel": True}}})
    changed = measure.with_bits(config, 8, 6)
    assert changed.default.weight_bits == changed.nodes["fc"].weight_bits == 8
    assert changed.nodes["fc"].per_channel


def test_a_row_that_is_not_there() -> None:
    with pytest.raises(BadInput, match="row: found 'lenet', accepted "):
        row_of("lenet")


def test_a_network_that_loses_too_much_is_named(tiny: Row) -> None:
    def told(eight: float) -> str:
        parts = {"8/6": {"percent": eight}, "4/4": {"percent": 50.0}}
        network = {"samples": 9, "float": {"percent": 99.0}, "post_training": parts}
        results.merge_result("tiny_network_float", network)
        return document.lost_too_much(["tiny_network"])[0]

    assert "none loses more than 0.3" in told(98.7)
    assert "these lose more than 0.3 points: tiny_network (+0.31)" in told(98.69)
