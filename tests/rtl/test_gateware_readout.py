# amaranth: UnusedElaboratable=no
"""The readout equals the reference's `read_out`; bad frames leave nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e3ne.gateware.readout import Readout
from e3ne.gateware.readout_numbers import readout_range
from e3ne.gateware.streams import Word
from e3ne.ir import DoesNotFit, Output
from e3ne.ir import Readout as Rule
from e3ne.ir.cycles import readout_cycles, readout_latency_cycles
from e3ne.ir.order import to_words
from e3ne.ir.ranges import Range
from e3ne.reference import read_out

from .bench import Sink, Source, simulate, to_payloads

QUIET = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
RULES = list(Rule)


def expected_beats(
    rule: Rule, trains: np.ndarray, verdicts: list[int], has_class: bool = True
) -> list[int]:
    """Payloads of all good frames: numbers, then the class, with last on the last one."""
    numbers, winners = read_out(Output("node", rule), {"node": trains})
    beats = []
    for row, winner, good in zip(numbers.tolist(), winners.tolist(), verdicts, strict=True):
        if good:
            words = [*row, winner] if has_class else row
            beats += [word & 0xFFFFFFFF for word in words]
            beats[-1] |= 1 << 32
    return beats


def run(design: Readout, trains: np.ndarray, verdicts: list[int], pause=0.0, **options):
    """trains (frames, steps, classes) of integers through `design`."""
    words = to_words(trains, (design.elements,), design.word.lanes, design.word.steps)
    count = (design.elements + design.has_class) * sum(verdicts)
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


@QUIET
@given(readouts(), st.booleans(), st.sampled_from([0.0, 0.4]), st.integers(0, 2**32))
def test_readout_equals_the_reference(found, has_class, pause, seed):
    word, elements, windows, rule, trains, verdicts = found
    design = Readout(word, elements, windows, rule, has_class)
    result = run(design, trains, verdicts, pause, seed=seed)
    assert result.sinks[0].payloads == expected_beats(rule, trains, verdicts, has_class)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("signed", [False, True])
def test_the_lowest_class_wins_a_tie(rule, signed):
    low = -4 if signed else 0
    for winners in ([0, 3], [1, 2, 3], [3], [0, 1, 2, 3]):
        trains = np.full((1, 2, 4), low)
        trains[:, :, winners] = 3
        design = Readout(Word(2, 2, 3, signed), 4, 1, rule)
        beats = run(design, trains, [1]).sinks[0].payloads
        assert beats[-1] & 0xFFFFFFFF == winners[0]


@QUIET
@given(readouts(), st.sampled_from([0.0, 0.4]), st.integers(0, 2**32), st.integers(1, 50))
def test_reset_in_the_middle_of_a_frame(found, pause, seed, cycle):
    word, classes, windows, rule, trains, verdicts = found
    design = Readout(word, classes, windows, rule)
    result = run(design, trains, verdicts, pause, seed=seed, reset_at=cycle)
    assert result.sinks[0].payloads == expected_beats(rule, trains, verdicts)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("has_class", [False, True])
@pytest.mark.parametrize(("lanes", "elements", "steps", "windows"), [(1, 5, 1, 4), (3, 6, 5, 1)])
def test_cycles_equal_the_formulas(rule, has_class, lanes, elements, steps, windows):
    word = Word(lanes, steps, 4, True)
    trains = np.random.default_rng(0).integers(-8, 8, (6, steps * windows, elements))
    result = run(Readout(word, elements, windows, rule, has_class), trains, [1] * 6)
    words, beats = elements // lanes * windows, elements + has_class
    taken = result.sources[0].cycles[words - 1 :: words]
    firsts = result.sinks[0].cycles[::beats]
    assert firsts[0] - taken[0] == readout_latency_cycles(steps, rule)
    assert set(np.diff(firsts)) == {readout_cycles(words, beats)}
    assert set(np.diff(result.sinks[0].cycles[:beats])) == {1}


@pytest.mark.parametrize(
    ("rule", "word", "windows", "low", "high"),
    [
        (Rule.COUNT, Word(1, 5, 1), 5, 0, 25),
        (Rule.MEAN, Word(1, 4, 4, True), 2, -64, 56),
        (Rule.LAST, Word(1, 4, 4, True), 2, -8, 7),
        (Rule.MAX, Word(1, 4, 4), 2, 0, 15),
    ],
)
def test_readout_range(rule, word, windows, low, high):
    assert readout_range(word, windows, rule) == Range(low, high)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("end", [-(1 << 31), (1 << 31) - 1])
def test_numbers_of_32_bits_pass(rule, end):
    bits, steps = (32, 1) if rule in (Rule.LAST, Rule.MAX) else (31, 2)
    value = end // steps
    trains = np.full((1, steps, 2), value)
    design = Readout(Word(1, steps, bits, True), 2, 1, rule)
    result = run(design, trains, [1])
    assert result.sinks[0].payloads == expected_beats(rule, trains, [1])


@pytest.mark.parametrize("rule", [Rule.COUNT, Rule.MEAN])
def test_numbers_wider_than_32_bits_are_refused(rule):
    with pytest.raises(DoesNotFit) as caught:
        Readout(Word(1, 4, 31, True), 2, 1, rule)
    assert str(caught.value) == (
        "readout: found numbers -4294967296 .. 4294967292 "
        f"({rule.value}), accepted 32 bits; use fewer steps or fewer bits"
    )


def test_lanes_that_do_not_divide_the_classes_are_refused():
    with pytest.raises(ValueError, match="found 3 lanes for 10 elements"):
        Readout(Word(3, 1, 4), 10, 1, Rule.LAST)
