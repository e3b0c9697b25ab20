"""The input port: beats to words, frames of a wrong length, error and verdicts."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from amaranth.hdl import Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e3ne.gateware.frame_input import FrameInput, RegisterSlice, beat_signature
from e3ne.gateware.readout import Readout
from e3ne.ir import Graph, Input, Output, SpikeType, Stage
from e3ne.ir import Readout as Rule
from e3ne.ir.frames import InputFormat, input_format, to_beats
from e3ne.ir.order import to_words
from e3ne.reference import read_out

from .bench import Run, Sink, Source, from_payloads, simulate

QUIET = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
PAUSES = st.sampled_from([(0.0, 0.0, 0.0), (0.4, 0.4, 0.4), (0.0, 0.0, 0.9)])
FLAG = SpikeType((4,), 2, 3, False)


class Frames:
    """Frames of an input edge, some sent with another number of beats than they have."""

    def __init__(
        self, type: SpikeType, lanes: int, window: int, lengths: list[int], seed=0, packed=False
    ) -> None:
        source = Input("x", type, lanes=lanes, packed=packed)
        graph = Graph(Stage.MAPPED, (source,), (), (Output("x", Rule.LAST),), window)
        self.type, self.lengths = type, lengths
        self.form = input_format(graph, source)
        self.values = np.random.default_rng(seed).integers(
            type.low, type.high + 1, (len(lengths), type.steps, *type.shape)
        )
        self.beats = to_beats(graph, source, self.values)

    @property
    def verdicts(self) -> list[int]:
        return [int(length == self.form.beats_per_frame) for length in self.lengths]

    def payloads(self) -> list[int]:
        """Beats as they are sent: a long frame starts again, `last` on the last beat sent."""
        bits, sent = 8 * self.form.beat_bytes, []
        for beats, length in zip(self.beats, self.lengths, strict=True):
            rows = [int.from_bytes(beat.tobytes(), "little") for beat in beats]
            rows = [rows[k % len(rows)] for k in range(length)]
            rows[-1] |= 1 << bits
            sent += rows
        return sent

    def expected(self) -> np.ndarray:
        """The words that must come: zeros where beats are missing."""
        words = to_words(
            self.values, self.type.shape, self.form.lanes, self.form.steps_in_window
        ).copy()
        for frame, length in enumerate(self.lengths):
            words[frame, length:] = 0
        return words

    def send(self, pauses=(0.0, 0.0, 0.0), depth=4, **options) -> tuple[Run, np.ndarray]:
        """The run and the words that came."""
        design = FrameInput(self.form, self.type.signed, depth)
        words = self.form.beats_per_frame
        error = SimpleNamespace(valid=Const(1), payload=design.error, ready=Signal())
        run = simulate(
            design,
            [Source(design.i, self.payloads(), pauses[0])],
            [
                Sink(design.o, len(self.lengths) * words, pauses[1]),
                Sink(design.verdict, len(self.lengths), pauses[2]),
                Sink(error, None),
            ],
            **options,
        )
        return run, from_payloads(design.word, run.sinks[0].payloads, words)


@st.composite
def any_frames(draw):
    lanes = draw(st.integers(1, 3))
    shape = (lanes * draw(st.integers(1, 2)), draw(st.integers(1, 2)), 1)
    window, windows = draw(st.integers(1, 4)), draw(st.integers(1, 2))
    type = SpikeType(shape, window * windows, draw(st.integers(1, 9)), draw(st.booleans()))
    beats = type.neurons // lanes * windows
    counts = st.one_of(st.just(beats), st.integers(1, 2 * beats + 1))
    lengths = draw(st.lists(counts, min_size=1, max_size=5))
    return Frames(type, lanes, window, lengths, draw(st.integers(0, 2**32)), draw(st.booleans()))


@QUIET
@given(any_frames(), PAUSES, st.integers(1, 4), st.integers(0, 2**32))
def test_words_and_verdicts_of_frames_of_any_length(frames, pauses, depth, seed):
    run, words = frames.send(pauses, depth, seed=seed)
    np.testing.assert_array_equal(words, frames.expected())
    assert run.sinks[1].payloads == frames.verdicts


@QUIET
@given(any_frames(), PAUSES, st.integers(0, 2**32), st.integers(1, 60))
def test_reset_in_the_middle_of_a_frame(frames, pauses, seed, cycle):
    run, words = frames.send(pauses, seed=seed, reset_at=cycle)
    np.testing.assert_array_equal(words, frames.expected())
    assert run.sinks[1].payloads == frames.verdicts


def test_a_beat_a_cycle_with_one_cycle_of_latency():
    run, _ = Frames(FLAG, 1, 2, [4, 4, 4]).send()
    assert run.sources[0].cycles == list(range(12))
    assert run.sinks[0].cycles == list(range(1, 13))


@pytest.mark.parametrize("length", [1, 2, 3, 5, 6, 9])
def test_error_stays_after_a_bad_frame_until_reset(length):
    frames = Frames(FLAG, 1, 2, [4, length, 4])
    run, _ = frames.send()
    errors = run.sinks[2].payloads
    seen = errors.index(1)
    deciding = run.sources[0].cycles[4 + min(length, 4) - 1]
    assert seen == deciding + 2
    assert errors[seen:] == [1] * (len(errors) - seen)
    cleared, _ = frames.send(reset_at=seen + 2)
    errors = cleared.sinks[2].payloads
    assert errors[0] == 0
    assert errors.index(1) == seen


def test_good_frames_raise_no_error():
    run, _ = Frames(FLAG, 1, 2, [4] * 5).send((0.3, 0.3, 0.3))
    assert set(run.sinks[2].payloads) == {0}


def test_a_full_verdict_queue_holds_the_last_word_of_a_frame():
    frames = Frames(FLAG, 1, 2, [4] * 6)
    design = FrameInput(frames.form, False, verdict_depth=2)
    run = simulate(
        design,
        [Source(design.i, frames.payloads()[:12], 0.0)],
        [Sink(design.o, 11, 0.0), Sink(design.verdict, None, 1.0)],
        settle_cycles=20,
    )
    assert run.sinks[1].payloads == []


class Port(wiring.Component):
    """Input port, a register and readout: the shortest network there is."""

    def __init__(self, form: InputFormat, type: SpikeType, depth: int) -> None:
        self.source = FrameInput(form, type.signed, depth)
        self.middle = RegisterSlice(self.source.word.signature)
        windows = type.steps // form.steps_in_window
        self.sink = Readout(self.source.word, type.neurons, windows, Rule.COUNT)
        super().__init__(
            {"i": In(self.source.beat), "o": Out(beat_signature(self.sink.o.p.data.shape()))}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules += [self.source, self.middle, self.sink]
        connect(m, flipped(self.i), self.source.i)
        connect(m, self.source.o, self.middle.i)
        connect(m, self.middle.o, self.sink.i)
        connect(m, self.source.verdict, self.sink.verdict)
        connect(m, self.sink.o, flipped(self.o))
        return m


def check_port(frames: Frames, pause: float, depth: int, seed: int = 0) -> None:
    """Only good frames leave the port, and each is right."""
    numbers, winners = read_out(Output("x", Rule.COUNT), {"x": frames.values})
    expected = []
    for row, winner, good in zip(numbers.tolist(), winners, frames.verdicts, strict=True):
        expected += [*(n & 0xFFFFFFFF for n in row), int(winner) | 1 << 32] if good else []
    port = Port(frames.form, frames.type, depth)
    source = Source(port.i, frames.payloads(), pause)
    run = simulate(port, [source], [Sink(port.o, len(expected), pause)], seed=seed)
    assert run.sinks[0].payloads == expected


@pytest.mark.parametrize("length", range(1, 14))
@pytest.mark.parametrize("pause", [0.0, 0.4])
def test_a_bad_frame_leaves_nothing_and_the_next_is_right(length, pause):
    """Six beats are right; frames of every other length up to twice that are not."""
    frames = Frames(SpikeType((6,), 4, 2, True), 2, 2, [6, length, 6, length, length, 6])
    check_port(frames, pause, depth=1, seed=length)


@QUIET
@given(
    st.lists(st.one_of(st.just(4), st.integers(1, 9)), min_size=1, max_size=6),
    st.sampled_from([0.0, 0.4]),
    st.integers(1, 3),
    st.integers(0, 2**32),
)
def test_only_good_frames_leave_the_port(lengths, pause, depth, seed):
    check_port(Frames(SpikeType((4,), 2, 3), 1, 2, lengths, seed), pause, depth, seed)


@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_register_slice_passes_a_word_a_cycle(pause):
    design = RegisterSlice(beat_signature(8))
    payloads = list(range(100))
    run = simulate(design, [Source(design.i, payloads, pause)], [Sink(design.o, 100, pause)])
    assert run.sinks[0].payloads == payloads
    if pause == 0.0:
        assert run.sinks[0].cycles == list(range(1, 101))


def test_register_slice_holds_two_words():
    design = RegisterSlice(beat_signature(8))
    run = simulate(design, [Source(design.i, [7, 8], 0.0)], [Sink(design.o, None, 1.0)])
    assert run.sources[0].cycles == [0, 1]
