"""Predicted cycles against counted ones: whole small networks, one frame and back to back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from e3ne.cost import predict
from e3ne.cost.flow import run_flow
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
    assert counted + 1 == predicted


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICK)
@given(st.data())
def test_cycles_of_feedback(data):
    """One to three loops of images: the latency of a frame, and the interval of four."""
    graph = data.draw(looped_graphs())
    starts, ends = run_frames(graph, draw_frames(data.draw, graph, 4))
    assert ends[0] - starts[0] + 1 == predict(graph).latency_cycles
    check_ends(graph, starts, ends)


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
    assert ends[0] - starts[0] + 1 == predicted.latency_cycles
    assert (ends[-1] - ends[3]) / 4 == pytest.approx(predicted.interval_cycles, abs=1)
    check_ends(graph, starts, ends)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICK)
@given(st.data())
def test_interval_of_frames_back_to_back(data):
    graph = data.draw(mapped_graphs(recurrent=False))
    starts, ends = run_frames(graph, draw_frames(data.draw, graph, 8))
    check_ends(graph, starts, ends)
    apart = np.diff(ends)
    if len(set(apart[2:])) == 1:  # not every network settles, some not so soon
        assert predict(graph).interval_cycles == apart[-1]


def check_ends(graph, starts, ends):
    """Every frame of a row of frames ends when the models say so."""
    run = run_flow(graph, [0] * len(ends))
    assert [end - run.starts[0] for end in run.ends] == [end - starts[0] for end in ends]
