"""Streaming and events at the ports: what a bad frame leaves, on any input: nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from e3ne.cost import predict
from e3ne.emit.vectors import beats_of, output_words
from e3ne.gateware.frame_gate import FrameGate
from e3ne.gateware.network import Network
from e3ne.gateware.streams import Word
from e3ne.ir import Graph, verify
from e3ne.ir.frames import input_format, input_ports, output_ports
from e3ne.reference import run as reference_run
from tests.random_frames import inputs_of
from tests.small_networks import feedback, spiking, two_inputs, two_outputs
from tests.strategies import draw_frames, mapped_graphs
from tests.streaming_networks import NETWORKS, mapped, of_steps, train

from .bench import Run, Sink, Source, always, simulate
from .mutations import Mutation, label, survives
from .test_deadlock_loops import looped_graphs
from .test_network_ports import Port

QUICK = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate,),
)
WRONG_EVENT = 0xFFF << 20 | 0xFFFFE  # a step and a place that nobody has


def with_events(graph: Graph) -> Graph:
    """Unsigned inputs take events."""
    inputs = tuple(
        replace(i, events=not i.type.signed, lanes=i.lanes & -i.lanes) for i in graph.inputs
    )
    return verify(replace(graph, inputs=inputs))


def frames_of(graph: Graph, x: tuple[Any, ...]) -> list[list[list[tuple[int, bool]]]]:
    """For each input the beats (tdata, tlast) of each frame."""
    found = []
    for beats in beats_of(graph, x).values():
        frames: list[list[tuple[int, bool]]] = [[]]
        for beat in beats:
            frames[-1].append(beat)
            if beat[1]:
                frames.append([])
        found.append(frames[:-1])
    return found


def spoilt(graph: Graph, place: int, beats: list[tuple[int, bool]], how: int) -> Any:
    """The frame with a wrong event or of a wrong length."""
    if graph.inputs[place].events:
        at = how % len(beats)
        return [*beats[:at], (WRONG_EVENT, False), *beats[at:]]
    length = how if how != len(beats) else len(beats) + 1
    rows = [beats[k % len(beats)][0] for k in range(length)]
    return [(row, k == length - 1) for k, row in enumerate(rows)]


def check_ports(
    graph: Graph,
    x: tuple[Any, ...],
    bad: dict[tuple[int, int], int] | None = None,
    pauses: tuple[float, float] = (0.0, 0.0),
    awake: dict[str, Any] | None = None,
    limit_cycles: int = 60_000,
    **options: Any,
) -> Run:
    """Frames x through the ports, but `bad` (input, frame): the others are answered rightly.

    As if the bad ones had not come, where the graph is streaming. `awake`: of ports, by name.
    """
    sent = frames_of(graph, x)
    for (place, number), how in (bad or {}).items():
        sent[place][number] = spoilt(graph, place, sent[place][number], how)
    good = [k for k in range(len(x[0])) if k not in {number for _, number in bad or {}}]
    kept = tuple(array[good] for array in x)
    values = reference_run(graph, *kept) if good else {}
    network = Network(graph, "memory")
    sinks = []
    for port, output in zip(output_ports(graph), graph.outputs, strict=True):
        words = output_words(graph, output, values) & 0xFFFFFFFF if good else np.zeros((0, 1), int)
        words[:, -1] |= 1 << 32
        sinks.append((port, words.reshape(-1).tolist()))
    widths = [8 * input_format(graph, source).beat_bytes for source in graph.inputs]
    run = simulate(
        network,
        [
            Source(
                Port(network, port),
                [data | last << width for frame in frames for data, last in frame],
                pauses[0],
                awake=(awake or {}).get(port, always),
            )
            for port, frames, width in zip(input_ports(graph), sent, widths, strict=True)
        ],
        [
            Sink(Port(network, port), len(words), pauses[1], (awake or {}).get(port, always))
            for port, words in sinks
        ],
        limit_cycles=limit_cycles,
        settle_cycles=40,
        **options,
    )
    assert [seen.payloads for seen in run.sinks] == [words for _, words in sinks]
    return run


GRAPHS = {
    "spiking": spiking,
    "feedback": feedback,
    "two_inputs": two_inputs,
    "delayed": lambda: mapped(NETWORKS["delayed"], 2),
    "synaptic": lambda: mapped(NETWORKS["synaptic"], 2),
    "delta": lambda: mapped(NETWORKS["signed_delta"], 2),
}


@QUICK
@given(st.data())
def test_bad_frames_leave_no_trace(data):
    graph = GRAPHS[data.draw(st.sampled_from(sorted(GRAPHS)))]()
    graph = replace(graph, streaming=data.draw(st.sampled_from([True, True, False])))
    if data.draw(st.booleans()):
        graph = with_events(graph)
    places = st.tuples(st.integers(0, len(graph.inputs) - 1), st.integers(0, 4))
    bad = data.draw(st.dictionaries(places, st.integers(1, 40), max_size=3))
    pauses = data.draw(st.sampled_from([(0.0, 0.0), (0.5, 0.0), (0.0, 0.6), (0.3, 0.3)]))
    x = inputs_of(graph, 5, seed=data.draw(st.integers(0, 99)))
    check_ports(graph, x, bad, pauses, seed=data.draw(st.integers(0, 99)))


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("name", ["recurrent", "signed_delta"])
def test_a_stream_goes_on_behind_a_bad_frame(name, events):
    graph = mapped(NETWORKS[name], 2)
    graph = with_events(graph) if events else graph
    x = train(graph, 6)
    check_ports(graph, (x,), {(0, 0): 3, (0, 2): 30, (0, 3): 1})
    check_ports(graph, (x,), {(0, number): 2 for number in range(6)})


@pytest.mark.parametrize("events", [False, True])
def test_reset_in_the_middle_of_a_stream(events):
    graph = mapped(NETWORKS["delayed"], 2)
    graph = with_events(graph) if events else graph
    for cycle in (11, 40, 90):
        check_ports(graph, (train(graph, 4),), {(0, 1): 3}, reset_at=cycle)


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("late", [0, 1])
def test_one_input_may_be_a_frame_ahead(events, late):
    """It is taken whole, and whatever the other one brings then, the stream goes on."""
    graph = replace(two_inputs(), streaming=True)
    graph = with_events(graph) if events else graph
    port = input_ports(graph)[late]
    awake = {port: lambda cycle: cycle > 1500 and cycle // 300 % 2 == 0}
    run = check_ports(graph, inputs_of(graph, 4), {(1 - late, 1): 3, (late, 2): 2}, awake=awake)
    ahead, behind = run.sources[1 - late].cycles, run.sources[late].cycles
    whole = len(frames_of(graph, inputs_of(graph, 4))[1 - late][0])
    assert ahead[whole - 1] < 1500 < behind[0]


@pytest.mark.parametrize("port", [0, 1])
def test_outputs_may_be_read_in_turn(port):
    graph = replace(two_outputs(), streaming=True)
    awake = {output_ports(graph)[port]: lambda cycle: cycle > 6000}
    check_ports(graph, inputs_of(graph, 3), {(0, 1): 4}, awake=awake)


def test_the_gate_drops_a_bad_frame_whatever_the_network_does():
    """It passes the words of good frames, drops the others at once, and takes a decision each."""
    word = Word(1, 1, 4)
    frames = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]]
    words = [value | (k == 2) << 4 for frame in frames for k, value in enumerate(frame)]
    for pauses in ((0.0, 0.0), (0.5, 0.3)):
        gate = FrameGate(word)
        sources = [Source(gate.i, words, pauses[0]), Source(gate.decision, [1, 0, 0, 1], pauses[1])]
        run = simulate(gate, sources, [Sink(gate.o, 6, pauses[1])])
        assert run.sinks[0].payloads == [*words[:3], *words[9:]]
    gate = FrameGate(word)
    stuck = Sink(gate.o, 0, awake=lambda cycle: False)
    sources = [Source(gate.i, words[:6]), Source(gate.decision, [0, 0], start_cycle=5)]
    run = simulate(gate, sources, [stuck], limit_cycles=100)
    assert run.sources[0].cycles == list(range(5, 11))
    assert run.sources[1].cycles == [7, 10]


# ------------------------------------------------------------------------------- predictions


def counted_cycles(graph: Graph, x: tuple[Any, ...]) -> tuple[int, list[int], int]:
    """(latency of the first frame, cycles of each frame's end, most beats of a first frame)."""
    run = check_ports(graph, x)
    words = len(run.sinks[0].cycles) // len(x[0])
    ends = run.sinks[0].cycles[words - 1 :: words]
    beats = max(len(frames[0]) for frames in frames_of(graph, x))
    return ends[0] - min(source.cycles[0] for source in run.sources), ends, beats


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("events", [False, True])
def test_predicted_cycles_are_the_counted_ones(name, events):
    """Of a stream; where frames arrive as events each one behind the first costs a cycle."""
    graph = replace(GRAPHS[name](), streaming=True)
    graph = with_events(graph) if events else graph
    x = inputs_of(graph, 7)
    if events:
        x = tuple(array & (np.arange(array.size).reshape(array.shape) % 9 == 0) for array in x)
    latency, ends, beats = counted_cycles(graph, x)
    predicted = predict(graph)
    if not any(source.events for source in graph.inputs):
        assert latency + 1 == predicted.latency_cycles
    elif not graph.inputs[1:]:
        assert latency + 1 == predicted.latency_cycles + beats - 1
    assert (ends[-1] - ends[3]) / 3 == pytest.approx(max(predicted.interval_cycles, beats), abs=1)


@pytest.mark.parametrize("name", ["lif", "delayed", "recurrent"])
@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("events", [False, True])
def test_frames_of_one_step(name, lanes, events):
    """The shortest frames, of one word with all lanes: to the cycle, and with pauses."""
    graph = mapped(of_steps(NETWORKS[name], 1), lanes)
    graph = with_events(graph) if events else graph
    x = train(graph, 30) & 1
    for pauses in ((0.4, 0.4), (0.0, 0.9), (0.9, 0.0)):
        check_ports(graph, (x,), {(0, 3): 2, (0, 4): 3, (0, 20): 2}, pauses)
    x[:] = [0, 1, 0, 0]
    latency, ends, beats = counted_cycles(graph, (x,))
    assert beats == (1 if events or lanes == 4 else 4)
    assert latency + 1 == predict(graph).latency_cycles
    assert (ends[-1] - ends[5]) / 24 == predict(graph).interval_cycles


@QUICK
@given(st.data())
def test_latency_of_any_stream(data):
    drawn = mapped_graphs() if data.draw(st.booleans()) else looped_graphs()
    graph = replace(data.draw(drawn), streaming=True)
    x = draw_frames(data.draw, graph, 1)
    counted, _, _ = counted_cycles(graph, x if isinstance(x, tuple) else (x,))
    assert counted + 1 == predict(graph).latency_cycles


# --------------------------------------------------------------------------------- mutations


def bad_frames():
    test_the_gate_drops_a_bad_frame_whatever_the_network_does()
    for name in ("delayed", "synaptic", "two_inputs"):
        graph = replace(GRAPHS[name](), streaming=True)
        x = inputs_of(graph, 5)
        last = len(graph.inputs) - 1
        bad = {(0, 1): 3, (last, 3): 40}
        check_ports(graph, x, bad, limit_cycles=10_000)
        check_ports(with_events(graph), x, bad, (0.3, 0.3), limit_cycles=10_000)


MUTATIONS: list[Any] = [
    Mutation("frame_gate", "self.i.valid & known & good", "self.i.valid & known"),
    Mutation("frame_gate", "self.i.valid & known & good", "self.i.valid & good"),
    Mutation("frame_gate", "known & (self.o.ready | ~good)", "self.o.ready | ~good"),
    Mutation("frame_gate", "known & (self.o.ready | ~good)", "known & self.o.ready"),
    Mutation("frame_gate", "self.i.ready & self.i.payload.last", "self.i.ready"),
    Mutation("network", "head.form.beats_per_frame + GATE_QUEUE_SPARE", "1"),
    Mutation("network", "self.heads if self.graph.streaming else self.tails", "self.tails"),
    Mutation("network", "tail.verdict.valid.eq(1)", "tail.verdict.valid.eq(0)"),
]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=label)
def test_mutation_is_caught(mutation):
    assert not survives(mutation, [bad_frames])


def test_the_checks_pass_as_it_is():
    bad_frames()
