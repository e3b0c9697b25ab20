"""The readout equals the reference's `read_out`; bad frames leave nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e3ne.gateware.readout import Readout, readout_range
from e3ne.gateware.streams import Word
from e3ne.ir import DoesNotFit, Output
from e3ne.ir import Readout as Rule
from e3ne.ir.cycles import readout_cycles, readout_latency_cycles
from e3ne.ir.order import to_words
from e3ne.reference import read_out

from .bench import Sink, Source, simulate, to_payloads

RULES = list(Rule)


def expected_beats(rule: Rule, trains: np.ndarray, verdicts: list[int]) -> list[int]:
    """Payloads of all good frames: numbers, then the class with last on it."""
    numbers, winners = read_out(Output("node", rule), {"node": trains})
    beats = []
    for row, winner, good in zip(numbers.tolist(), winners.tolist(), verdicts, strict=True):
        if good:
            beats += [number & 0xFFFFFFFF for number in row] + [winner | 1 << 32]
    return beats


def run(design: Readout, trains: np.ndarray, verdicts: list[int], pause=0.0, **options):
    """trains (frames, steps, classes) of integers through `design`."""
    words = to_words(trains, (design.classes,), design.word.lanes, design.word.steps)
    count = (design.classes + 1) * sum(verdicts)
    return simulate(
        design,
        [
            Source(design.i, to_payloads(design.word, words), pause),
            Source(design.verdict, verdicts, pause),
        ],
        [Sink(design.o, count, pause)],
        **options,
    )


@st.composite
def readouts(draw):
    lanes, groups = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    word = Word(lanes, draw(st.integers(1, 6)), draw(st.integers(1, 5)), draw(st.booleans()))
    rule, windows = draw(st.sampled_from(RULES)), draw(st.integers(1, 3))
    frames, seed = draw(st.integers(1, 4)), draw(st.integers(0, 2**32))
    low = -(1 << (word.bits - 1)) if word.signed else 0
    trains = np.random.default_rng(seed).integers(
        low, low + (1 << word.bits), (frames, word.steps * windows, lanes * groups)
    )
    verdicts = draw(st.lists(st.sampled_from([1, 1, 1, 0]), min_size=frames, max_size=frames))
    return word, lanes * groups, windows, rule, trains, verdicts


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(readouts(), st.sampled_from([0.0, 0.4]), st.integers(0, 2**32))
def test_readout_equals_the_reference(found, pause, seed):
    word, classes, windows, rule, trains, verdicts = found
    result = run(Readout(word, classes, windows, rule), trains, verdicts, pause, seed=seed)
    assert result.sinks[0].payloads == expected_beats(rule, trains, verdicts)
