"""Networks behind encoders: every node equals the reference; cycles are those predicted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from e3ne.cost import predict
from e3ne.ir import (
    Encode,
    Graph,
    Identity,
    Input,
    Mapping,
    Node,
    Output,
    Readout,
    SpikeType,
    Stage,
    Synapse,
    SynapseMapping,
    op_shape,
    verify,
)
from e3ne.ir.frames import input_format
from tests.random_frames import frames_of
from tests.strategies import (
    divisors,
    draw_frames,
    draw_mapping,
    draw_neuron,
    draw_op,
    finished,
    with_feedback,
)

from .core_runs import check_core
from .test_network_ports import run_frames as run_good_and_bad
from .test_schedule import run_frames

QUICK = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
KINDS = ["radix", "regular", "bernoulli", "latency", "delta"]


def encoder(kind: str, bits: int, signed: bool = False, seed: int = 1) -> Encode:
    threshold = max(1, (1 << bits) // 5) if kind == "delta" else 0
    return Encode(kind, bits, 1.0, seed, threshold, signed and kind == "delta")  # type: ignore[arg-type]


def input_of(name: str, neuron: Encode, shape: tuple[int, ...], steps: int) -> tuple[Input, Node]:
    """An input and its encoder."""
    delta = neuron.kind == "delta"
    source = SpikeType(shape, steps if delta else 1, neuron.bits, neuron.signed)
    sent = SpikeType(shape, steps, 2 if delta else 1, delta)
    node = Node(f"{name}.encoder", (Synapse(Identity(), name),), neuron, sent)
    return Input(name, source), node


@st.composite
def encoded_graphs(draw) -> Graph:
    """One or two encoded inputs, up to two layers with feedback, any lanes and windows.

    Half of them are streaming: membranes and the levels of delta encoders go on.
    """
    shape = draw(st.sampled_from([(1,), (4,), (6,), (1, 4, 4), (2, 3, 4), (3, 4, 3)]))
    steps = draw(st.sampled_from([2, 3, 4, 6]))
    inputs, nodes = [], []
    for name in ("x", "y")[: draw(st.sampled_from([1, 1, 2]))]:
        kind = draw(st.sampled_from(KINDS))
        bits = steps if kind == "radix" else draw(st.integers(2, 8))
        neuron = encoder(kind, bits, draw(st.booleans()), draw(st.integers(1, 65535)))
        source, node = input_of(name, neuron, shape, steps)
        inputs.append(source)
        nodes.append(node)
    graph = Graph(Stage.INTEGER, tuple(inputs), tuple(nodes), ())
    last = [node.name for node in nodes]
    for index in range(draw(st.integers(0, 2)) or len(last) - 1):
        op = draw_op(draw, graph.edge(last[0]))
        out = op_shape(op, graph.edge(last[0]).shape)
        neuron = draw_neuron(draw, out, steps)
        synapses = tuple(Synapse(op, name) for name in last)
        node = Node(f"layer{index}", synapses, neuron, SpikeType(out, steps))
        graph = graph.with_nodes([*graph.nodes, node])
        graph = graph.with_nodes([*graph.nodes[:-1], finished(draw, graph, node)])
        last = [node.name]
    outputs = (Output(last[0], draw(st.sampled_from(list(Readout)))),)
    graph = replace(graph, outputs=outputs, streaming=draw(st.booleans()))
    loops = len(graph.nodes) > len(inputs) and draw(st.booleans())
    graph = verify(with_feedback(draw, late(draw, graph)) if loops else graph)
    window = 1 if loops else draw(st.sampled_from(divisors(steps)))
    nodes = [replace(n, mapping=draw_mapping(draw, graph, n, window)) for n in graph.nodes]
    lanes = [draw(st.sampled_from(divisors(source.type.neurons))) for source in graph.inputs]
    inputs = [replace(s, lanes=count) for s, count in zip(graph.inputs, lanes, strict=True)]
    return verify(
        replace(graph, stage=Stage.MAPPED, inputs=tuple(inputs), steps_in_window=window).with_nodes(
            nodes
        )
    )


def late(draw, graph: Graph) -> Graph:
    """The layers read their trains some steps late."""
    nodes = list(graph.nodes[: len(graph.inputs)])
    for node in graph.nodes[len(graph.inputs) :]:
        synapses = [replace(s, delay=draw(st.sampled_from([0, 0, 1, 2]))) for s in node.synapses]
        nodes.append(replace(node, synapses=tuple(synapses)))
    return graph.with_nodes(nodes)


@settings(QUICK, max_examples=40)
@given(st.data())
def test_every_node_equals_the_reference(data):
    graph = data.draw(encoded_graphs())
    x = draw_frames(data.draw, graph, 3)
    pauses = data.draw(st.sampled_from([(0.0, 0.0), (0.5, 0.0), (0.0, 0.6), (0.3, 0.3)]))
    check_core(graph, x, pauses, data.draw(st.integers(0, 1000)))


def alone(kind: str, window: int, lanes: int, input_lanes: int) -> Graph:
    """An encoder of 12 samples and 6 steps, and nothing else."""
    source, node = input_of("x", encoder(kind, 6), (12,), 6)
    mapping = Mapping(out_lanes=lanes, synapses=(SynapseMapping(),))
    inputs = (replace(source, lanes=input_lanes),)
    outputs = (Output(node.name, Readout.COUNT),)
    return verify(Graph(Stage.MAPPED, inputs, (replace(node, mapping=mapping),), outputs, window))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("window", [1, 2, 6])
@pytest.mark.parametrize(("lanes", "input_lanes"), [(1, 1), (3, 12), (12, 2)])
def test_cycles_of_an_encoder_alone(kind, window, lanes, input_lanes):
    """Latency and interval to the cycle."""
    graph = alone(kind, window, lanes, input_lanes)
    starts, ends = run_frames(graph, frames_of(graph, 6, 0))
    predicted = predict(graph)
    assert ends[0] - starts[0] + 1 == predicted.latency_cycles
    assert (ends[-1] - ends[3]) / 2 == predicted.interval_cycles


@settings(QUICK, max_examples=15)
@given(st.data())
def test_latency_of_networks_behind_encoders(data):
    graph = data.draw(encoded_graphs().filter(lambda graph: len(graph.inputs) == 1))
    starts, ends = run_frames(graph, draw_frames(data.draw, graph, 1))
    counted = ends[0] - starts[0]
    assert counted + 1 == predict(graph).latency_cycles


@settings(QUICK, max_examples=12)
@given(st.sampled_from(KINDS), st.sampled_from([1, 2, 6]), st.data())
def test_bad_frames_leave_encoders_as_they_were(kind, window, data):
    """Too short and too long frames leave no output; trains of the next one begin anew."""
    graph = alone(kind, window, 3, 4)
    beats = input_format(graph, graph.inputs[0]).beats_per_frame
    lengths = [data.draw(st.one_of(st.just(beats), st.integers(1, 2 * beats))) for _ in range(5)]
    run_good_and_bad(graph, [[*lengths, beats]], (0.3, 0.3), seed=data.draw(st.integers(0, 999)))
