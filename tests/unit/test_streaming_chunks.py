"""A stream is one stream wherever frames are taken in chunks: answers, accuracy, fidelity."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from e3ne import choosing, data, reference
from e3ne.config import parse_config
from e3ne.data import chunks
from e3ne.emit import load_graph, save_graph
from e3ne.hardware import answers
from e3ne.ir import (
    Array,
    Graph,
    Identity,
    Input,
    IntegrateFire,
    Linear,
    Node,
    Output,
    Readout,
    SpikeType,
    Stage,
    Synapse,
    frozen,
    text,
    verify,
)
from e3ne.lower import prepared, quantized
from e3ne.lower.fidelity import dequantized, spike_agreement
from e3ne.measure import float_accuracy, measure
from e3ne.report import Activity
from tests.streaming_networks import NETWORKS, train


@pytest.fixture(params=["whole", "one by one"])
def any_chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All frames at once, or each frame a chunk of its own."""
    if request.param == "one by one":
        monkeypatch.setattr(data, "CHUNK_VALUES", 1)
        module = importlib.import_module("e3ne.lower.calibrate")  # the name is its function, too
        monkeypatch.setattr(module, "CHUNK_ELEMENTS", 1)


def real(limit: int | None = 1) -> Graph:
    """A recurrent population of stage FLOAT, whose input comes a step late, too."""
    random = np.random.default_rng(0)
    ins, back = (frozen(random.normal(size=(3, 3)) * s, np.float32) for s in (1.0, 0.3))
    synapses = (
        Synapse(Linear(ins), "x"),
        Synapse(Linear(back), "lif", delay=2),
        Synapse(Identity(), "x", delay=3),
    )
    train = SpikeType((3,), 2)
    lif = Node("lif", synapses, IntegrateFire(1.0, 0.75, max_spikes=limit), train)
    outputs = (Output("lif", Readout.COUNT),)
    return verify(Graph(Stage.FLOAT, (Input("x", train),), (lif,), outputs, streaming=True))


def frames(count: int = 24) -> Array:
    return np.random.default_rng(1).integers(0, 2, (count, 2, 3)).astype(np.float64)


def test_chunks_are_single_frames(any_chunks: None, request: pytest.FixtureRequest) -> None:
    count = len(list(chunks(real(), 24)))
    assert count == (24 if "one by one" in request.node.name else 1)


@pytest.mark.parametrize("name", NETWORKS)
def test_answers(any_chunks: None, name: str) -> None:
    graph = NETWORKS[name]
    x = train(graph)
    words, classes = reference.read_out(graph.outputs[0], reference.run(graph, x))
    found = answers(graph, (x,))
    np.testing.assert_array_equal(found.words.reshape(words.shape), words)
    np.testing.assert_array_equal(found.classes, classes)


def test_accuracy_and_fidelity(any_chunks: None) -> None:
    """Labels of the float network itself; what the reference compares in one go."""
    traced, x = real(), frames()
    config = parse_config({"streaming": True})
    ready = prepared(traced, x, config)
    integer = quantized(ready, x, config)
    labels = reference.read_out(traced.outputs[0], reference.run(traced, x))[1]
    assert float_accuracy(traced, (x,), labels) == 100.0
    loaded = dequantized(ready, integer, config)
    whole = spike_agreement(loaded, integer, x)
    found = measure(integer, loaded, (x,))
    assert found["fidelity"]["values_equal"] == whole["lif"].equal
    activity = Activity(integer)
    activity.add(reference.run(integer, x.astype(np.int64)))
    assert found["activity"] == activity.summary()


def test_choosing_compares_with_the_float_stream(any_chunks: None) -> None:
    """Where the configuration alone says that frames are one stream."""
    traced, x = replace(real(), streaming=False), frames()
    y = np.zeros(len(x), int)
    config = {"streaming": True}
    _, network = choosing._network(traced, x, y, x, config, None, None, False)
    wanted = [reference.run(replace(traced, streaming=going), x)["lif"] for going in (True, False)]
    words = [reference.read_out(traced.outputs[0], {"lif": sent})[0] for sent in wanted]
    found = choosing.bench.real_scores(network)
    assert np.array_equal(found, words[0])
    assert not np.array_equal(found, words[1])


def test_calibration_sees_the_stream(any_chunks: None) -> None:
    """The largest count of spikes comes late in the stream, from a membrane that has grown."""
    traced, x = real(limit=None), frames() * 0.9
    config = parse_config({"streaming": True, "input": {"bits": 4}})
    ready = prepared(traced, x, config)
    most = int(reference.run(replace(traced, streaming=True), x)["lif"].max())
    assert ready.node("lif").neuron.max_spikes == most  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("forgotten", "name"), [("population", "loop"), ("past", "loop"), ("level", "delta")]
)
def test_a_stream_that_forgets_between_chunks_is_noticed(
    monkeypatch: pytest.MonkeyPatch, forgotten: str, name: str
) -> None:
    """The broken twin of all of the above."""
    fresh = getattr(reference.Stream, forgotten)
    graph = NETWORKS[name]
    wanted = reference.run(graph, train(graph))
    monkeypatch.setattr(data, "CHUNK_VALUES", 1)
    monkeypatch.setattr(reference.Stream, forgotten, lambda _, *of: fresh(reference.Stream(), *of))
    words, _ = reference.read_out(graph.outputs[0], wanted)
    assert not np.array_equal(answers(graph, (train(graph),)).words, words)


def test_a_delayed_synapse_of_a_stream_uses_every_step() -> None:
    graph = NETWORKS["delayed"]
    x = train(graph)
    ones = np.ones_like(x)
    for streaming, steps in ((True, 4), (False, 2)):
        activity = Activity(replace(graph, streaming=streaming))
        activity.add(reference.run(replace(graph, streaming=streaming), ones))
        assert activity.summary()["lif"]["synaptic_ops_effective"] == steps * 16
        assert activity.summary()["lif"]["synaptic_ops_dense"] == steps * 16


def test_files_keep_streams_and_events(tmp_path: Path) -> None:
    graph = NETWORKS["loop"]
    graph = replace(graph, inputs=(replace(graph.inputs[0], events=True),))
    save_graph(tmp_path, graph)
    found = load_graph(tmp_path)
    assert found.streaming
    assert found.inputs[0].events
    assert text(found) == text(graph)
