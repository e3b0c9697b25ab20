"""The integer twin: whole data sets, exact dtypes, refusals; a broken twin is caught."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from e3ne import reference
from e3ne.ir import (
    BadInput,
    Dyadic,
    Encode,
    Graph,
    Identity,
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
    UnsupportedModel,
    frozen,
    verify,
)
from e3ne.training import twin as module
from e3ne.training.twin import Twin, accuracy, answers
from e3ne.training.twin_neurons import working_dtype
from tests import small_networks
from tests.property.test_training_twin import differing_nodes
from tests.random_frames import frames_of, inputs_of

NETWORKS = ("convolution", "wide", "spiking", "feedback", "two_inputs", "two_outputs")


def network(name: str) -> Graph:
    graph: Graph = getattr(small_networks, name)()
    return graph


@pytest.mark.parametrize("name", [*NETWORKS, "segmentation"])
def test_small_networks(name: str) -> None:
    graph = network(name)
    assert differing_nodes(Twin(graph), graph, inputs_of(graph, 20)) == []


def lif(threshold: int, decay: Dyadic, weight: int, membrane_bits: int, steps: int = 30) -> Graph:
    """Three neurons with one weight each, that of a Linear on 8 bits."""
    op = Linear(frozen(np.diag([weight, -weight, weight // 2]), np.int64))
    neuron = IntegrateFire(threshold, decay, Dyadic(1, 1), membrane_bits=membrane_bits)
    node = Node("n", (Synapse(op, "x"),), neuron, SpikeType((3,), steps, 1))
    source = Input("x", SpikeType((3,), steps, 8))
    return verify(Graph(Stage.INTEGER, (source,), (node,), (Output("n", Readout.COUNT),)))


@pytest.mark.parametrize(
    ("graph", "dtype"),
    [
        (lif(300, Dyadic(7, 3), 3, 12), torch.float32),
        (lif(70000, Dyadic(58982, 16), 300, 28), torch.float64),
        (lif(1 << 38, Dyadic(58982, 16), 1 << 30, 44), torch.int64),
    ],
)
def test_the_dtype_follows_the_range(graph: Graph, dtype: torch.dtype) -> None:
    assert working_dtype(graph, graph.nodes[0]) is dtype
    frames = frames_of(graph, 50)
    sent = reference.run(graph, frames)["n"]
    assert 0 < sent.mean() < 1
    assert differing_nodes(Twin(graph), graph, (frames,)) == []


@pytest.mark.parametrize("broken", ["decay", "threshold", "offset"])
def test_a_broken_twin_is_caught(broken: str) -> None:
    graph = lif(300, Dyadic(7, 3), 3, 12)
    twin = Twin(graph)
    with torch.no_grad():
        population = twin.populations[0]
        if broken == "decay":
            population.decay.multiplier.mul_(0.95)
        elif broken == "threshold":
            population.threshold.add_(1)
        else:
            population.has_offset = True
            population.offset.add_(1)
    assert differing_nodes(twin, graph, (frames_of(graph, 50),)) == ["n"]


def test_a_broken_weight_is_caught_at_the_first_node_that_differs() -> None:
    graph = network("convolution")
    twin = Twin(graph)
    with torch.no_grad():
        twin.weights[0][0].weight[0] += 1
    found = differing_nodes(twin, graph, inputs_of(graph, 20))
    assert found[0] == graph.nodes[0].name


def test_whole_data_sets_in_parts_equal_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = network("convolution")
    source = graph.inputs[0]
    x = np.random.default_rng(1).random((101, *source.type.shape)) * source.type.high * source.scale
    words, classes = reference.read_out(
        graph.outputs[0], reference.run(graph, reference.encode_input(source, x))
    )
    for at_once in (7, 1000):
        monkeypatch.setattr(module, "frames_at_once", lambda _, size=at_once: size)
        found = answers(graph, x)
        assert np.array_equal(found[0], words)
        assert np.array_equal(found[1], classes)
    assert accuracy(Twin(graph), x, classes, device="cpu") == 100.0
    assert accuracy(graph, x, classes + 1) == 0.0


@pytest.mark.parametrize("kind", ["radix", "regular", "bernoulli", "latency"])
def test_encoders_are_those_of_the_reference(kind: str) -> None:
    steps = 4 if kind == "radix" else 9
    encoder = Node(
        "encoder",
        (Synapse(Identity(), "x"),),
        Encode(kind, 4, 0.5, seed=3),  # type: ignore[arg-type]
        SpikeType((5,), steps, 1),
    )
    readout = Node("sum", (Synapse(Identity(), "encoder"),), Relay(), SpikeType((5,), 1, 4))
    source = Input("x", SpikeType((5,), 1, 4), 0.5)
    graph = Graph(Stage.INTEGER, (source,), (encoder, readout), (Output("sum", Readout.LAST),))
    x = frames_of(verify(graph), 40)
    assert differing_nodes(Twin(graph), graph, (x,)) == []


def test_refusals() -> None:
    graph = network("convolution")
    with pytest.raises(BadInput, match="twin: found a graph of stage float, accepted integer"):
        Twin(replace(graph, stage=Stage.FLOAT))
    with pytest.raises(UnsupportedModel, match=r"n: found sums up to \d+, accepted sums below 2"):
        Twin(lif(1 << 40, Dyadic(1), 1 << 52, 48))
    with pytest.raises(BadInput, match=r"input x: found frames of shape \(3, 3\), accepted"):
        answers(graph, np.zeros((2, 3, 3)))
