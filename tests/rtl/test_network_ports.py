"""Networks of several ports: frames belong together, a bad one leaves nothing anywhere."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Cat
from amaranth.sim import Simulator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from e3ne.emit.vectors import output_beats, output_words
from e3ne.gateware.network import Network
from e3ne.ir import Graph
from e3ne.ir.frames import input_format, input_ports, output_ports, to_beats
from e3ne.reference import run as reference_run
from tests.random_frames import inputs_of
from tests.small_networks import segmentation, two_inputs, two_outputs
from tests.strategies import draw_ports

from .bench import Run, Sink, Source, always, simulate

QUICK = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)


class Port:
    """The AXI4-Stream port `name` of a network as a stream for the bench."""

    def __init__(self, network: Network, name: str) -> None:
        self.valid = getattr(network, f"{name}_tvalid")
        self.ready = getattr(network, f"{name}_tready")
        self.payload = Cat(getattr(network, f"{name}_tdata"), getattr(network, f"{name}_tlast"))


def sent_beats(graph: Graph, place: int, frames: Any, lengths: list[int]) -> list[int]:
    """Beats of input `place`; a frame that is too long starts again."""
    source = graph.inputs[place]
    bits, payloads = 8 * input_format(graph, source).beat_bytes, []
    for beats, length in zip(to_beats(graph, source, frames), lengths, strict=True):
        rows = [int.from_bytes(beat.tobytes(), "little") for beat in beats]
        rows = [rows[k % len(rows)] for k in range(length)]
        rows[-1] |= 1 << bits
        payloads += rows
    return payloads


def run_frames(
    graph: Graph,
    lengths: list[list[int]],
    pauses: tuple[float, float] = (0.0, 0.0),
    awake: dict[str, Any] | None = None,
    seed: int = 0,
) -> Run:
    """Frames of `lengths` beats on each input; all outputs send the good ones, as the reference."""
    frames = inputs_of(graph, len(lengths[0]), seed=seed % 1000)
    right = [input_format(graph, source).beats_per_frame for source in graph.inputs]
    good = [
        all(found[k] == wanted for found, wanted in zip(lengths, right, strict=True))
        for k in range(len(lengths[0]))
    ]
    network = Network(graph, "memory")
    values = reference_run(graph, *frames)
    expected = []
    for output in graph.outputs:
        beats = output_beats(graph, output, values)[good]
        beats[:, -1] |= 1 << output.bits
        expected.append(beats.reshape(-1).tolist())
    awake = awake or {}
    run = simulate(
        network,
        [
            Source(
                Port(network, port),
                sent_beats(graph, place, frames[place], lengths[place]),
                pauses[0],
                awake=awake.get(port, always),
            )
            for place, port in enumerate(input_ports(graph))
        ],
        [
            Sink(Port(network, port), len(beats), pauses[1], awake=awake.get(port, always))
            for port, beats in zip(output_ports(graph), expected, strict=True)
        ],
        seed=seed,
        limit_cycles=30_000,
    )
    assert [sink.payloads for sink in run.sinks] == expected
    return run


def whole(graph: Graph, frames: int) -> list[list[int]]:
    return [[input_format(graph, source).beats_per_frame] * frames for source in graph.inputs]


@QUICK
@given(st.data())
def test_a_frame_that_is_bad_on_one_input_leaves_no_output(data):
    graph = data.draw(st.sampled_from([two_inputs(), two_outputs(), segmentation()]))
    graph = draw_ports(data.draw, graph)
    lengths = [
        [
            data.draw(st.one_of(st.just(beats), st.integers(1, 2 * beats + 1)), f"beats of {k}")
            for _ in range(4)
        ]
        for k, (beats, *_) in enumerate(whole(graph, 1))
    ]
    pauses = data.draw(st.sampled_from([(0.0, 0.0), (0.5, 0.0), (0.0, 0.6), (0.3, 0.3)]))
    run_frames(graph, lengths, pauses, seed=data.draw(st.integers(0, 2**31)))


@pytest.mark.parametrize("late", ["s_axis_left", "s_axis_right_x"])
def test_an_input_may_begin_frames_later_than_the_other(late):
    run_frames(two_inputs(), whole(two_inputs(), 5), awake={late: lambda cycle: cycle > 2_000})


def talk(
    network: Network, sent: list[list[tuple[str, list[int]]]], order: list[str], frames: int
) -> Any:
    """Sends beats and reads frames from the outputs in turn, as in `order`.

    `sent` has lists of (port, beats) that are sent side by side, each from its begin to its end.
    Returns (words of each output, the error port at the end); fails after 8,000 cycles.
    """
    words: dict[str, list[int]] = {port: [] for port in order}
    errors: list[int] = []

    def source(parts: list[tuple[str, list[int]]]) -> Any:
        async def process(ctx: Any) -> None:
            for port, payloads in parts:
                stream = Port(network, port)
                for payload in payloads:
                    ctx.set(stream.payload, payload)
                    ctx.set(stream.valid, 1)
                    await ctx.tick().until(stream.ready)
                ctx.set(stream.valid, 0)

        return process

    async def read(ctx: Any) -> None:
        for _ in range(frames):
            for port in order:
                stream, last = Port(network, port), 0
                ctx.set(stream.ready, 1)
                while not last:
                    (payload,) = await ctx.tick().sample(stream.payload).until(stream.valid)
                    words[port].append(payload)
                    last = payload >> 32
                ctx.set(stream.ready, 0)
        await ctx.tick().repeat(700)
        errors.append(ctx.get(network.error))

    simulator = Simulator(network)
    simulator.add_clock(1e-6)
    for parts in sent:
        simulator.add_testbench(source(parts))
    simulator.add_testbench(read)
    simulator.run_until(8_000e-6)
    assert errors, f"not finished: {words}"
    return words, errors[0]


@pytest.mark.parametrize(
    "order", [["m_axis_head", "m_axis_shown"], ["m_axis_shown", "m_axis_head"]]
)
def test_outputs_may_be_read_one_after_the_other_frame_by_frame(order):
    graph = two_outputs()
    (frames,) = inputs_of(graph, 4)
    sent = [[("s_axis", sent_beats(graph, 0, frames, whole(graph, 4)[0]))]]
    words, error = talk(Network(graph, "memory"), sent, order, 4)
    values = reference_run(graph, frames)
    for port, output in zip(output_ports(graph), graph.outputs, strict=True):
        found = output_words(graph, output, values) & 0xFFFFFFFF
        assert [word & 0xFFFFFFFF for word in words[port]] == found.reshape(-1).tolist()
    assert not error


@pytest.mark.parametrize("bad", [None, 0, 1])
def test_error_is_raised_by_either_input(bad):
    graph = two_inputs()
    frames, lengths = inputs_of(graph, 1), whole(graph, 1)
    if bad is not None:
        lengths[bad] = [lengths[bad][0] - 1]
    sent = [
        [(port, sent_beats(graph, place, frames[place], lengths[place]))]
        for place, port in enumerate(input_ports(graph))
    ]
    words, error = talk(Network(graph, "memory"), sent, ["m_axis"], int(bad is None))
    assert len(words["m_axis"]) == (6 if bad is None else 0)
    assert error == (bad is not None)


@pytest.mark.parametrize("first", [0, 1])
def test_inputs_of_one_window_may_be_sent_one_after_the_other_frame_by_frame(first):
    graph = two_inputs()
    frames = inputs_of(graph, 4)
    parts = []
    for frame in range(4):
        for place in (first, 1 - first):
            some = frames[place][frame : frame + 1]
            beats = sent_beats(graph, place, some, whole(graph, 1)[place])
            parts.append((input_ports(graph)[place], beats))
    words, error = talk(Network(graph, "memory"), [parts], ["m_axis"], 4)
    found = output_words(graph, graph.outputs[0], reference_run(graph, *frames)) & 0xFFFFFFFF
    assert [word & 0xFFFFFFFF for word in words["m_axis"]] == found.reshape(-1).tolist()
    assert not error
