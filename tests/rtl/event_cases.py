"""Frames of address events, good and bad, and what an input port must make of them."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from amaranth.hdl import Const, Signal
from hypothesis import strategies as st

from e3ne.gateware.event_input import EventInput
from e3ne.gateware.streams import Word
from e3ne.ir import Graph, Input, Output, SpikeType, Stage
from e3ne.ir import Readout as Rule
from e3ne.ir.events import NO_EVENT
from e3ne.ir.frames import InputFormat, input_format, input_words
from e3ne.ir.order import from_wire, to_words

from .bench import Run, Sink, Source, from_payloads, simulate


@dataclass(frozen=True)
class Events:
    """Frames of beats for an input of `type`, in words of `lanes` elements and `window` steps."""

    type: SpikeType
    lanes: int
    window: int
    frames: tuple[tuple[int, ...], ...]

    @property
    def source(self) -> Input:
        return Input("x", self.type, lanes=self.lanes, events=True)

    @property
    def graph(self) -> Graph:
        return Graph(Stage.MAPPED, (self.source,), (), (Output("x", Rule.LAST),), self.window)

    @property
    def form(self) -> InputFormat:
        return input_format(self.graph, self.source)

    @property
    def words(self) -> int:
        return input_words(self.graph, self.source)

    def counted(self) -> tuple[np.ndarray, list[int]]:
        """(words (frames, words, lanes, steps), verdicts), event by event."""
        wire = np.zeros((len(self.frames), self.type.steps, self.type.neurons), np.int64)
        verdicts = []
        for number, beats in enumerate(self.frames):
            earliest, good = 0, True
            for beat in beats:
                time, address = beat >> 20, beat & 0xFFFFF
                if beat == NO_EVENT:
                    continue
                if time < earliest or time >= self.type.steps or address >= self.type.neurons:
                    good = False
                elif wire[number, time, address] < self.type.high:
                    wire[number, time, address] += 1
                earliest = time
            verdicts.append(int(good))
        values = from_wire(wire, self.type.shape)
        return to_words(values, self.type.shape, self.lanes, self.window), verdicts

    def payloads(self) -> list[int]:
        return [
            beat | (place == len(beats) - 1) << 32
            for beats in self.frames
            for place, beat in enumerate(beats)
        ]

    def send(self, pauses: Any = (0.0, 0.0, 0.0), depth: int = 4, **options: Any) -> Run:
        """The run: words, verdicts, `error` in every cycle."""
        design = EventInput("x", self.form, self.type, depth, "memory")
        error = SimpleNamespace(valid=Const(1), payload=design.error, ready=Signal())
        return simulate(
            design,
            [Source(design.i, self.payloads(), pauses[0])],
            [
                Sink(design.o, len(self.frames) * self.words, pauses[1]),
                Sink(design.verdict, len(self.frames), pauses[2]),
                Sink(error, None),
            ],
            **options,
        )

    def check(self, pauses: Any = (0.0, 0.0, 0.0), depth: int = 4, **options: Any) -> Run:
        """Every word and verdict is right, and so is `error`."""
        run = self.send(pauses, depth, **options)
        words, verdicts = self.counted()
        word = Word(self.lanes, self.window, self.type.bits)
        got = from_payloads(word, run.sinks[0].payloads, self.words)
        np.testing.assert_array_equal(got, words)
        assert run.sinks[1].payloads == verdicts
        assert run.sinks[2].payloads[-1] == (0 in verdicts)
        return run


def regular(type: SpikeType, counts: list[int], lanes: int = 1, window: int = 1) -> Events:
    """Good frames of so many events each, spread over places and steps."""
    frames = []
    for number, count in enumerate(counts):
        times = sorted(k % type.steps for k in range(count))
        frames.append(
            tuple(time << 20 | (k * 7 + number) % type.neurons for k, time in enumerate(times))
            or (NO_EVENT,)
        )
    return Events(type, lanes, window, tuple(frames))


@st.composite
def any_events(draw: Any, bad: bool = True) -> Events:
    """Few places, so that neighbours meet; some frames are bad where `bad`."""
    lanes = draw(st.sampled_from([1, 1, 2, 4]))
    shape = (lanes * draw(st.integers(1, 2)), draw(st.integers(1, 2)), 1)
    window, windows = draw(st.sampled_from([1, 1, 2, 3])), draw(st.integers(1, 3))
    type = SpikeType(shape, window * windows, draw(st.sampled_from([1, 1, 2, 3])))
    wrong = st.tuples(st.integers(0, type.steps + 2), st.integers(0, type.neurons + 3))
    beats = st.one_of(
        st.tuples(st.integers(0, type.steps - 1), st.integers(0, type.neurons - 1)),
        wrong if bad else st.nothing(),
    ).map(lambda event: event[0] << 20 | event[1])
    spoilt = st.lists(st.one_of(beats, st.just(NO_EVENT)), min_size=1, max_size=12)
    good = st.lists(
        st.tuples(st.integers(0, type.steps - 1), st.integers(0, type.neurons - 1)), max_size=12
    ).map(lambda events: [t << 20 | a for t, a in sorted(events, key=lambda e: e[0])] or [NO_EVENT])
    frame = st.one_of(good, good, spoilt) if bad else good
    frames = draw(st.lists(frame, min_size=1, max_size=6))
    return Events(type, lanes, window, tuple(map(tuple, frames)))
