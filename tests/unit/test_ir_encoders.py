"""The rules of encoders: each has a legal twin that passes and a graph that breaks it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from e3ne.ir import (
    Encode,
    Flatten,
    Graph,
    Identity,
    Input,
    Node,
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    UnsupportedModel,
    text,
    verify,
)
from e3ne.ir.tree import from_tree, to_tree

RADIX, RATE = Encode("radix", 4), Encode("bernoulli", 8, unit=1 / 255, seed=7)
DELTA = Encode("delta", 8, threshold=3, signed=True)


def graph(neuron: Encode, **changes: object) -> Graph:
    """An encoder behind an input `x` of 4 elements; changes: synapses, source, sent."""
    delta = neuron.kind == "delta"
    steps = {"radix": 4}.get(neuron.kind, 6)
    source = SpikeType((4,), steps if delta else 1, neuron.bits, neuron.signed)
    sent = SpikeType((4,), steps, 2 if delta else 1, delta)
    source, sent = changes.get("source", source), changes.get("sent", sent)  # type: ignore[assignment]
    synapses = changes.get("synapses", (Synapse(Identity(), "x"),))
    node = Node("n", synapses, neuron, sent)  # type: ignore[arg-type]
    inputs = (Input("x", source), Input("y", source))
    return Graph(Stage.INTEGER, inputs, (node,), (Output("n", Readout.COUNT),))


@pytest.mark.parametrize(
    "neuron", [RADIX, RATE, DELTA, Encode("latency", 1), Encode("regular", 16)]
)
def test_legal_encoders_pass(neuron: Encode) -> None:
    verify(graph(neuron))


ILLEGAL = [
    (graph(replace(RATE, seed=0)), r"n: found seed 0, accepted 1 \.\. 65535"),
    (graph(replace(RATE, seed=65536)), r"n: found seed 65536, accepted 1 \.\. 65535"),
    (graph(replace(RADIX, bits=5)), "radix encoder of 5 bits with 4 steps, accepted as many"),
    (
        graph(replace(DELTA, threshold=0)),
        "found threshold 0 of a delta encoder, accepted 1",
    ),
    (
        graph(replace(RATE, signed=True)),
        "found signed samples for a bernoulli encoder, accepted unsigned",
    ),
    (graph(replace(RATE, bits=17)), r"found an encoder of 17 bits, accepted 1 \.\. 16"),
    (graph(replace(DELTA, bits=1)), r"found an encoder of 1 bits, accepted 2 \.\. 16"),
    (graph(replace(RATE, unit=0.0)), r"found an encoder's unit 0\.0, accepted a finite"),
    (
        graph(RATE, source=SpikeType((4,), 6, 8)),
        "bernoulli encoder of an input of 6 steps",
    ),
    (
        graph(DELTA, source=SpikeType((4,), 1, 8, True)),
        "delta encoder of an input of 1 steps",
    ),
    (graph(RATE, source=SpikeType((4,), 1, 7)), "found samples of 7 bits, accepted 8 bits"),
    (graph(DELTA, source=SpikeType((4,), 6, 8)), "samples of 8 bits, accepted 8 bits with a sign"),
    (graph(RATE, sent=SpikeType((4,), 6, 2)), "found trains of 2 bits, accepted 1 bits"),
    (graph(DELTA, sent=SpikeType((4,), 6, 2)), "trains of 2 bits, accepted 2 bits with a sign"),
    (
        graph(RATE, synapses=(Synapse(Flatten(), "x"),)),
        "found an encoder that reads Flatten of x, accepted an input of the network",
    ),
    (
        graph(RATE, synapses=(Synapse(Identity(), "x"), Synapse(Identity(), "y"))),
        "reads Identity of x and Identity of y",
    ),
    (graph(RATE, synapses=(Synapse(Identity(), "x", gain=2),)), "found an encoder that reads"),
]


@pytest.mark.parametrize(("broken", "message"), ILLEGAL, ids=[message for _, message in ILLEGAL])
def test_illegal_encoders_are_refused(broken: Graph, message: str) -> None:
    with pytest.raises(UnsupportedModel, match=message) as caught:
        verify(broken)
    assert len(caught.value.problems) == 1


def test_encoders_read_inputs_only() -> None:
    relay = Node("r", (Synapse(Identity(), "x"),), Relay(), SpikeType((4,), 1, 8))
    legal = graph(RATE)
    node = replace(legal.nodes[0], synapses=(Synapse(Identity(), "r"),))
    with pytest.raises(UnsupportedModel, match="found an encoder that reads Identity of r"):
        verify(legal.with_nodes([relay, node]))


def test_text_and_tree_hold_all_of_it() -> None:
    whole = graph(RATE)
    assert "Encode(kind=bernoulli, bits=8, unit=0.00392156863, seed=7" in text(whole)
    kept = from_tree(to_tree(whole, _no_array), _no_array)
    assert kept == whole
    assert kept.node("n").neuron == RATE


def _no_array(*_: object) -> dict[str, object]:
    raise AssertionError("an encoder has no arrays")
