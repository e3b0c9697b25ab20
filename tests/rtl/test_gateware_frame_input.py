"""The input port: beats to words, frames of a wrong length, error and verdicts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e3ne.gateware.frame_input import FrameInput
from e3ne.ir import Graph, Input, Output, Readout, SpikeType, Stage
from e3ne.ir.frames import input_format, to_beats
from e3ne.ir.order import to_words

from .bench import Sink, Source, from_payloads, simulate


def beat_payloads(beats: np.ndarray, tlast: list[bool]) -> list[int]:
    """(beats, bytes) of uint8 and the last of each as payloads."""
    bits = 8 * beats.shape[1]
    return [
        int.from_bytes(beat.tobytes(), "little") | last << bits
        for beat, last in zip(beats, tlast, strict=True)
    ]


@st.composite
def inputs(draw):
    """A graph's input, its format, frames (frames, steps, *shape), and how many beats are sent."""
    lanes = draw(st.integers(1, 3))
    shape = (lanes * draw(st.integers(1, 2)), draw(st.integers(1, 2)), 1)
    window, windows = draw(st.integers(1, 4)), draw(st.integers(1, 2))
    type = SpikeType(shape, window * windows, draw(st.integers(1, 9)), draw(st.booleans()))
    source = Input("x", type, lanes=lanes)
    graph = Graph(Stage.MAPPED, (source,), (), (Output("x", Readout.LAST),), window)
    form = input_format(graph, source)
    frames = draw(st.integers(1, 5))
    values = np.random.default_rng(draw(st.integers(0, 2**32))).integers(
        type.low, type.high + 1, (frames, type.steps, *shape)
    )
    beats = form.beats_per_frame
    counts = st.one_of(st.just(beats), st.integers(1, 2 * beats + 1))
    lengths = draw(st.lists(counts, min_size=frames, max_size=frames))
    return graph, source, form, values, lengths


def send(found, pauses=(0.0, 0.0, 0.0), depth=4, **options):
    """(run, words that came, words expected, verdicts expected)."""
    graph, source, form, values, lengths = found
    design = FrameInput(form, source.type.signed, depth)
    beats, words = to_beats(graph, source, values), to_words(
        values, source.type.shape, form.lanes, form.steps_in_window
    )  # fmt: skip
    payloads, expected = [], words.copy()
    for frame, length in enumerate(lengths):
        repeated = beats[frame][np.arange(length) % len(beats[frame])]
        payloads += beat_payloads(repeated, [k == length - 1 for k in range(length)])
        expected[frame, length:] = 0
    verdicts = [int(length == form.beats_per_frame) for length in lengths]
    result = simulate(
        design,
        [Source(design.i, payloads, pauses[0])],
        [Sink(design.o, expected.shape[0] * expected.shape[1], pauses[1]),
         Sink(design.verdict, len(verdicts), pauses[2])],
        **options,
    )  # fmt: skip
    found_words = from_payloads(design.word, result.sinks[0].payloads, form.beats_per_frame)
    return result, found_words, expected, verdicts


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(inputs(), st.sampled_from([(0.0, 0.0, 0.0), (0.4, 0.4, 0.4), (0.0, 0.0, 0.9)]))
def test_words_and_verdicts_of_frames_of_any_length(found, pauses):
    result, words, expected, verdicts = send(found, pauses, depth=1)
    np.testing.assert_array_equal(words, expected)
    assert result.sinks[1].payloads == verdicts
