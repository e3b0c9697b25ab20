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
    Dyadic,
    Encode,
    Graph,
    Identity,
    Input,
    Integrate,
    IntegrateFire,
    Node,
    Output,
    Readout,
    Relay,
    Requantize,
    SpikeType,
    Stage,
    Synapse,
    text,
    verify,
)
from e3ne.ir.ranges import Range, endless_membrane_range, membrane_range
from e3ne.reference import Stream
from tests.strategies import draw_frames, mapped_graphs
from tests.streaming_networks import (
    FRAMES,
    NETWORKS,
    STEPS,
    matrix,
    network,
    of_steps,
    spiking,
    train,
)


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


def long_and_short(signed: bool) -> tuple[Graph, Graph, Array]:
    """A FLOAT delta encoder in one frame of 20 steps, in a stream of frames of 4, and samples."""
    neuron = Encode("delta", 6, 0.25, threshold=3, signed=signed)
    train = SpikeType((2,), 4)
    node = Node("n", (Synapse(Identity(), "x"),), neuron, train)
    entry, outputs = Input("x", train), (Output("n", Readout.COUNT),)
    short = verify(Graph(Stage.FLOAT, (entry,), (node,), outputs, streaming=True))
    x = np.random.default_rng(2).normal(size=(5, 4, 2)).cumsum(axis=1) + 8 * (not signed)
    return of_steps(replace(short, streaming=False), 20), short, x


@pytest.mark.parametrize("signed", [False, True])
def test_delta_trains_of_reals_go_on(signed: bool) -> None:
    """In one call and in several, and as the torch module makes of a long piece."""
    long, short, x = long_and_short(signed)
    wanted = reference.run(long, x.reshape(1, 20, 2))["n"].reshape(x.shape)
    np.testing.assert_array_equal(reference.run(short, x)["n"], wanted)
    stream = Stream()
    parts = [reference.run(short, x[a:b], stream=stream)["n"] for a, b in ((0, 2), (2, 2), (2, 5))]
    np.testing.assert_array_equal(np.concatenate(parts), wanted)
    apart = reference.run(replace(short, streaming=False), x)["n"]
    assert (apart[:, 0] == 0).all()
    assert (wanted[1:, 0] != 0).any()


def test_other_encoders_start_anew_with_every_frame() -> None:
    neuron = Encode("regular", 3)
    node = Node("n", (Synapse(Identity(), "x"),), neuron, SpikeType((1,), 4, 1))
    graph = network(node, source=SpikeType((1,), 1, 3))
    sent = reference.run(graph, np.full((3, 1, 1), 3))["n"]
    assert sent[..., 0].tolist() == [[0, 0, 1, 0]] * 3


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
