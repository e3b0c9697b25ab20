"""People's names for the codes of edges."""

from __future__ import annotations

from dataclasses import replace

import pytest

from e3ne.cli.picture import picture
from e3ne.ir import (
    ONE,
    Encode,
    Encoding,
    Graph,
    Identity,
    Input,
    IntegrateFire,
    Node,
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    edge_encoding,
    verify,
)

FIRE = IntegrateFire(5, ONE, ONE, membrane_bits=10)


def encoded(kind: str) -> Graph:
    """An encoder and neurons behind it, 4 steps."""
    delta = kind == "delta"
    neuron = Encode(kind, 4, seed=7, threshold=int(delta))  # type: ignore[arg-type]
    source = Input("x", SpikeType((3,), 4 if delta else 1, 4))
    sent = SpikeType((3,), 4, 2 if delta else 1, delta)
    nodes = (
        Node("e", (Synapse(Identity(), "x"),), neuron, sent),
        Node("n", (Synapse(Identity(), "e"),), FIRE, SpikeType((3,), 4, 1)),
    )
    return verify(Graph(Stage.INTEGER, (source,), nodes, (Output("n", Readout.COUNT),)))


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("radix", Encoding.RADIX),
        ("regular", Encoding.RATE),
        ("bernoulli", Encoding.RATE),
        ("latency", Encoding.LATENCY),
        ("delta", Encoding.DELTA),
    ],
)
def test_encoders_say_what_their_trains_are(kind: str, code: Encoding) -> None:
    graph = encoded(kind)
    assert edge_encoding(graph, "x") is Encoding.ANALOG
    assert edge_encoding(graph, "e") is code
    assert edge_encoding(graph, "n") is Encoding.RATE


def test_samples_that_drive_neurons_of_several_steps_are_direct() -> None:
    node = replace(encoded("radix").node("n"), synapses=(Synapse(Identity(), "x"),))
    inputs = (Input("x", SpikeType((3,), 1, 4)),)
    graph = Graph(Stage.INTEGER, inputs, (node,), (Output("n", Readout.COUNT),))
    assert edge_encoding(verify(graph), "x") is Encoding.DIRECT


def test_edges_of_a_radix_network_keep_their_names() -> None:
    inputs = (Input("x", SpikeType((3,), 1, 4)),)
    node = Node("n", (Synapse(Identity(), "x"),), Relay(), SpikeType((3,), 1, 4))
    graph = verify(Graph(Stage.INTEGER, inputs, (node,), (Output("n", Readout.LAST),)))
    assert {edge_encoding(graph, name) for name in ("x", "n")} == {Encoding.RADIX}
    assert Encoding.of(SpikeType((3,), 4, 2)) is Encoding.GRADED
    assert Encoding.of(SpikeType((3,), 4, 2, True)) is Encoding.ANALOG


def test_the_picture_shows_encoders() -> None:
    shown = picture(encoded("bernoulli")).splitlines()
    assert shown[0].split() == ["x", "3", "1", "step", "of", "4", "bits,", "analog", "input"]
    assert "4 steps of 1 bit, rate" in shown[1]
    assert "Encode bernoulli, seed 7 <- Identity of x" in shown[1]
    assert "latency  Encode latency <-" in picture(encoded("latency"))
    assert "Encode delta, threshold 1 <-" in picture(encoded("delta"))
