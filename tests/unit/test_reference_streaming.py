"""Streaming: frames are consecutive pieces of one stream, whatever its pieces are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e3ne import reference
from e3ne.ir import (
    ONE,
    Array,
    Conv2d,
    Dyadic,
    Graph,
    Identity,
    Input,
    Integrate,
    IntegrateFire,
    Linear,
    Node,
    Output,
    Readout,
    Relay,
    Requantize,
    SpikeType,
    Stage,
    Synapse,
    frozen,
    text,
    verify,
)
from e3ne.ir.ranges import Range, endless_membrane_range, membrane_range
from e3ne.reference import Stream
from tests.strategies import draw_frames, mapped_graphs

FRAMES, STEPS = 5, 4


def matrix(outs: int, ins: int, seed: int = 0) -> Linear:
    return Linear(frozen(np.random.default_rng(seed).integers(-3, 5, (outs, ins)), np.int64))


def network(*nodes: Node, source: SpikeType | None = None, steps: int = STEPS) -> Graph:
    entry = Input("x", source or SpikeType((4,), steps, 2))
    outputs = (Output(nodes[-1].name, Readout.COUNT),)
    return verify(Graph(Stage.INTEGER, (entry,), nodes, outputs, streaming=True))


def of_steps(graph: Graph, steps: int) -> Graph:
    """The same network with frames of `steps` steps."""
    nodes = [replace(node, type=replace(node.type, steps=steps)) for node in graph.nodes]
    inputs = tuple(replace(i, type=replace(i.type, steps=steps)) for i in graph.inputs)
    return verify(replace(graph, inputs=inputs, nodes=tuple(nodes)))


LIF = IntegrateFire(6, Dyadic(3, 2), ONE, membrane_bits=12)
FILTER = replace(LIF, synaptic_decay=Dyadic(1, 1), reset_step="same")


def spiking(name: str, *synapses: Synapse, neuron: Any = LIF, steps: int = STEPS) -> Node:
    return Node(name, synapses, neuron, SpikeType((4,), steps, 1))


def conv_network() -> Graph:
    image = SpikeType((2, 3, 3), STEPS, 1)
    op = Conv2d(frozen(np.arange(36).reshape(2, 2, 3, 3) % 5 - 2, np.int64), None, (1, 1), (1, 1))
    back = Synapse(op, "conv", delay=1)
    return network(Node("conv", (Synapse(op, "x"), back), LIF, image), source=image)


def integrator() -> Graph:
    node = Node(
        "li",
        (Synapse(matrix(4, 4), "x"),),
        Integrate(Dyadic(7, 3), ONE, membrane_bits=12),
        SpikeType((4,), STEPS, 12, signed=True),
    )
    return network(node)


def loop() -> Graph:
    first = spiking("a", Synapse(Identity(), "x"), Synapse(matrix(4, 4, 1), "b", delay=3))
    return network(first, spiking("b", Synapse(matrix(4, 4, 2), "a", delay=1), neuron=FILTER))


NETWORKS = {
    "lif": network(spiking("lif", Synapse(matrix(4, 4), "x"))),
    "synaptic": network(spiking("lif", Synapse(matrix(4, 4), "x"), neuron=FILTER)),
    "integrator": integrator(),
    "recurrent": network(
        spiking("lif", Synapse(matrix(4, 4), "x"), Synapse(matrix(4, 4, 1), "lif", delay=1))
    ),
    "delayed": network(
        spiking("lif", Synapse(matrix(4, 4), "x", delay=2), Synapse(Identity(), "x", delay=9))
    ),
    "loop": loop(),
    "conv": conv_network(),
}


def train(graph: Graph, frames: int = FRAMES) -> Array:
    type = graph.inputs[0].type
    shape = (frames, type.steps, *type.shape)
    return np.random.default_rng(3).integers(type.low, type.high + 1, shape)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("pieces", [1, 2, 10, 20])
def test_frames_are_one_long_train(name: str, pieces: int) -> None:
    """In frames of any length: the numbers of one frame of all steps that starts from reset."""
    graph = NETWORKS[name]
    x = train(graph)
    whole = of_steps(replace(graph, streaming=False), FRAMES * STEPS)
    wanted = reference.run(whole, x.reshape(1, -1, *x.shape[2:]))
    cut = of_steps(graph, FRAMES * STEPS // pieces)
    found = reference.run(cut, x.reshape(pieces, -1, *x.shape[2:]))
    for node in graph.nodes:
        sent = found[node.name].reshape(-1, *node.type.shape)
        np.testing.assert_array_equal(sent, wanted[node.name][0])
    last = graph.nodes[-1].name
    apart = reference.run(replace(graph, streaming=False), x)
    assert not np.array_equal(apart[last].reshape(-1), wanted[last].reshape(-1))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_stream_goes_on_from_call_to_call(data: Any) -> None:
    graph = replace(data.draw(mapped_graphs(several=True)), streaming=True)
    x = draw_frames(data.draw, graph, 4)
    arrays = x if isinstance(x, tuple) else (x,)
    wanted = reference.run(graph, *arrays)
    stream, cut = Stream(), data.draw(st.integers(1, 3))
    parts = [
        reference.run(graph, *(array[part] for array in arrays), stream=stream)
        for part in (slice(0, cut), slice(cut, 4))
    ]
    for name, sent in wanted.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), sent)


def test_one_step_a_frame_keeps_its_membrane() -> None:
    fires = IntegrateFire(10, ONE, ONE, fire_on=">=", membrane_bits=8)
    node = Node("n", (Synapse(Identity(), "x"),), fires, SpikeType((1,), 1, 1))
    graph = network(node, source=SpikeType((1,), 1, 4))
    sent = reference.run(graph, np.full((6, 1, 1), 4))["n"]  # 4, 8, 12*, 12 + 4 - 10, 10*, 10 - 6
    assert sent.reshape(-1).tolist() == [0, 0, 1, 0, 1, 0]


def test_direct_coding_and_sums_over_steps_are_of_one_frame() -> None:
    """One sample for all steps of a frame, into neurons that go on; their spikes are counted."""
    nodes = (
        spiking("lif", Synapse(matrix(4, 4), "x")),
        Node("sum", (Synapse(Identity(), "lif"),), Relay(), SpikeType((4,), 1, 4)),
        Node("radix", (Synapse(Identity(), "sum"),), Requantize(1, 1), SpikeType((4,), 1, 2)),
    )
    graph = network(*nodes, source=SpikeType((4,), 1, 2))
    x = train(graph)
    found = reference.run(graph, x)
    repeated = network(nodes[0])
    wanted = reference.run(repeated, np.repeat(x, STEPS, axis=1))["lif"]
    np.testing.assert_array_equal(found["lif"], wanted)
    np.testing.assert_array_equal(found["sum"][:, 0], wanted.sum(axis=1))
    np.testing.assert_array_equal(found["radix"], (found["sum"] + 1) >> 1)


def test_stage_float_streams_too() -> None:
    fires = IntegrateFire(1.0, 0.5, 1.0)
    node = Node("n", (Synapse(Identity(), "x"),), fires, SpikeType((1,), 2))
    entry = Input("x", SpikeType((1,), 2))
    outputs = (Output("n", Readout.COUNT),)
    graph = verify(Graph(Stage.FLOAT, (entry,), (node,), outputs, streaming=True))
    assert reference.run(graph, np.full((2, 2, 1), 0.6))["n"].reshape(-1).tolist() == [0, 0, 1, 0]


def test_text_says_so() -> None:
    assert text(NETWORKS["lif"]).startswith("graph stage=integer streaming\n")


@pytest.mark.parametrize("decay", [Dyadic(0), Dyadic(1, 1), Dyadic(15, 4), Dyadic(250, 8)])
@pytest.mark.parametrize("synaptic", [None, Dyadic(3, 2)])
@pytest.mark.parametrize("reset", ["subtract", "to_value", "none"])
def test_endless_membranes_stay_within_their_range(decay: Any, synaptic: Any, reset: Any) -> None:
    neuron = IntegrateFire(
        100, decay, ONE, synaptic, reset=reset, reset_value=-500, offset=3, membrane_bits=40
    )
    found = endless_membrane_range(neuron, Range(-40, 70))
    walked = membrane_range(neuron, Range(-40, 70), 20_000)
    assert found is not None
    # A synaptic current does not start at the reset value, as the walk from reset assumes.
    assert found == walked or (reset == "to_value" and synaptic and found.low > walked.low)
    assert found.high == walked.high


def test_a_slow_decay_is_bounded_without_a_walk() -> None:
    neuron = Integrate(Dyadic((1 << 16) - 1, 16), ONE, membrane_bits=40)
    found = endless_membrane_range(neuron, Range(0, 1))
    assert found is not None
    held = (found.high * 65535 + 32768 >> 16) + 1
    beyond = ((found.high - 1) * 65535 + 32768 >> 16) + 1
    assert held == found.high
    assert beyond > found.high - 1


@pytest.mark.parametrize("synaptic", [None, Dyadic(1, 1)])
def test_what_never_forgets_has_no_range(synaptic: Any) -> None:
    assert endless_membrane_range(Integrate(ONE, ONE, synaptic), Range(-1, 0)) is None
    assert endless_membrane_range(Integrate(Dyadic(1, 1), ONE, ONE), Range(0, 1)) is None
    assert endless_membrane_range(Integrate(ONE, ONE), Range(0, 0)) == Range(0, 0)
