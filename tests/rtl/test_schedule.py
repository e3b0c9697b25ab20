"""Predicted cycles against counted ones: whole small networks, one frame and back to back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from e3ne.cost import predict
from e3ne.gateware.network import Network
from e3ne.ir import (
    ONE,
    Dyadic,
    Graph,
    Identity,
    Input,
    IntegrateFire,
    Linear,
    Mapping,
    Node,
    Output,
    Readout,
    SpikeType,
    Stage,
    Synapse,
    SynapseMapping,
    Upsample2d,
    frozen,
    verify,
)
from e3ne.ir.frames import output_format, to_beats
from tests.strategies import draw_frames, draw_ports, mapped_graphs

from .bench import Sink, Source, simulate
from .test_deadlock_loops import looped_graphs

QUICK = (Phase.explicit, Phase.reuse, Phase.generate)


class Ports:
    """An AXI4-Stream port as a stream for the bench."""

    def __init__(self, network: Network, side: str) -> None:
        from amaranth.hdl import Cat

        self.valid = getattr(network, f"{side}_axis_tvalid")
        self.ready = getattr(network, f"{side}_axis_tready")
        data, last = getattr(network, f"{side}_axis_tdata"), getattr(network, f"{side}_axis_tlast")
        self.payload = Cat(data, last)


def run_frames(graph, x):
    network = Network(graph, "memory")
    beats = to_beats(graph, graph.inputs[0], x)
    payloads = []
    for frame in beats:
        for position, beat in enumerate(frame):
            last = position == len(frame) - 1
            payloads.append(int.from_bytes(beat.tobytes(), "little") | last << 8 * len(beat))
    beats_out = output_format(graph, graph.outputs[0]).beats
    run = simulate(
        network,
        [Source(Ports(network, "s"), payloads)],
        [Sink(Ports(network, "m"), beats_out * len(x))],
        limit_cycles=60_000,
    )
    return run.sources[0].cycles, run.sinks[0].cycles[beats_out - 1 :: beats_out]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICK)
@given(st.data())
def test_latency_of_a_single_frame(data):
    graph = draw_ports(data.draw, data.draw(mapped_graphs()))
    x = draw_frames(data.draw, graph, 1)
    starts, ends = run_frames(graph, x)
    predicted = predict(graph).latency_cycles
    counted = ends[0] - starts[0]
    # Short stalls between neighbours are not in the model: a few cycles, more in long frames.
    assert abs(counted - predicted) <= 4 + 0.12 * counted


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICK)
@given(st.data())
def test_cycles_of_feedback(data):
    """One to three loops of images: the latency of a frame, and the interval of four."""
    graph = data.draw(looped_graphs())
    starts, ends = run_frames(graph, draw_frames(data.draw, graph, 4))
    predicted = predict(graph)
    counted = ends[0] - starts[0]
    assert abs(counted - predicted.latency_cycles) <= 6 + 0.1 * counted
    interval = (ends[-1] - ends[1]) / 2
    # Exact where a loop is all that waits. The branches of residual joins wait for each other, too
    # (see below), which nothing predicts.
    assert predicted.interval_cycles - 6 <= interval <= 1.35 * predicted.interval_cycles + 6


@pytest.mark.parametrize(("delay", "steps"), [(1, 4), (1, 20), (2, 9), (3, 5)])
@pytest.mark.parametrize("lanes", [1, 4])
def test_cycles_of_a_plain_loop(delay, steps, lanes):
    """Two populations that drive each other: a loop and nothing else, in windows of one step."""
    type = SpikeType((4,), steps, 1)
    fires = IntegrateFire(3, Dyadic(7, 3), ONE, membrane_bits=10)
    op = Linear(frozen(np.arange(16).reshape(4, 4) % 5 - 2, np.int64))
    layout = SynapseMapping(in_lanes=lanes)
    nodes = (
        Node(
            "first",
            (Synapse(Identity(), "x"), Synapse(op, "second", delay)),
            fires,
            type,
            Mapping(out_lanes=lanes, synapses=(layout, layout)),
        ),
        Node("second", (Synapse(op, "first"),), fires, type, Mapping(synapses=(layout,))),
    )
    source = Input("x", type, lanes=4)
    graph = verify(Graph(Stage.MAPPED, (source,), nodes, (Output("second", Readout.COUNT),), 1))
    x = np.random.default_rng(0).integers(0, 2, (8, steps, 4))
    starts, ends = run_frames(graph, x)
    predicted = predict(graph)
    assert abs(ends[0] - starts[0] - predicted.latency_cycles) <= 2
    assert (ends[-1] - ends[3]) / 4 == pytest.approx(predicted.interval_cycles, rel=0.07)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICK)
@given(st.data())
def test_interval_of_frames_back_to_back(data):
    # The queue of a join holds one window; branches of more frames in flight wait for each other.
    graph = data.draw(mapped_graphs(recurrent=False, joins=False))
    x = draw_frames(data.draw, graph, 8)
    _, ends = run_frames(graph, x)
    predicted = predict(graph).interval_cycles
    counted = (ends[-1] - ends[4]) / 3
    assert predicted - 1 <= counted <= 1.25 * (predicted + repeated_words(graph)) + 6


def repeated_words(graph):
    """Words of repeated rows, in which an upsampling of one row memory takes nothing in.

    The prediction counts the slowest unit alone; the one before an upsampling waits that long.
    """
    return sum(
        node.type.neurons // node.mapping.lanes * (op.factor[0] - 1) // op.factor[0]
        for node in graph.nodes
        for op in (synapse.op for synapse in node.synapses)
        if isinstance(op, Upsample2d) and op.fill == "repeat"
    )
