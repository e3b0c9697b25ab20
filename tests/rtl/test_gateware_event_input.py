"""The port of address events: counting, frames, errors, and its exact cycles."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.hdl import Fragment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e3ne.gateware.event_input import EventInput
from e3ne.ir import SpikeType
from e3ne.ir.cycles import EVENT_LATENCY_CYCLES, event_input_cycles
from e3ne.ir.events import NO_EVENT

from .event_cases import Events, any_events, regular

QUIET = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
PAUSES = st.sampled_from([(0.0, 0.0, 0.0), (0.4, 0.4, 0.4), (0.0, 0.0, 0.9), (0.0, 0.8, 0.0)])
BINARY = SpikeType((8,), 3, 1)


@QUIET
@given(any_events(), PAUSES, st.integers(1, 4), st.integers(0, 2**32))
def test_words_and_verdicts_of_any_frames(events, pauses, depth, seed):
    events.check(pauses, depth, seed=seed)


@QUIET
@given(any_events(), PAUSES, st.integers(0, 2**32), st.integers(1, 60))
def test_reset_in_the_middle_of_a_frame(events, pauses, seed, cycle):
    events.check(pauses, seed=seed, reset_at=cycle)


def test_events_of_one_place_and_step():
    """Neighbours in time, neighbours with a bubble, in one word and across frames."""
    for bits in (1, 2):
        again = (0, 0, 0, 1, 0, 1, 1 << 20, 0 << 20 | NO_EVENT, 1 << 20, 1 << 20)
        Events(SpikeType((4,), 2, bits), 4, 1, (again, (0,), again)).check()
        Events(SpikeType((4,), 2, bits), 4, 2, (again, (0,), again)).check()


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        ((3 << 20,), "a step that the edge does not have"),
        ((8,), "a place that the edge does not have"),
        ((1 << 20, 0), "a time before the last one"),
        ((4 << 20, NO_EVENT), "found long before the frame's end"),
    ],
)
def test_a_bad_frame_raises_error_and_the_next_is_right(spoilt, why):
    run = Events(BINARY, 1, 1, ((0, 1), spoilt, (1 << 20, 2 << 20 | 7), (NO_EVENT,))).check()
    assert run.sinks[1].payloads == [1, 0, 1, 1], why


def test_times_start_again_with_each_frame():
    run = Events(BINARY, 1, 1, ((2 << 20,), (0,), (2 << 20, 1), (1,))).check()
    assert run.sinks[1].payloads == [1, 1, 0, 1]


def test_a_frame_without_events_is_one_beat():
    run = Events(BINARY, 2, 3, ((NO_EVENT,), (0,), (NO_EVENT, NO_EVENT))).check()
    assert run.sinks[1].payloads == [1, 1, 1]


@pytest.mark.parametrize("beats", [1, 5, 9])
@pytest.mark.parametrize(("lanes", "window"), [(1, 1), (2, 3), (8, 1)])
def test_cycles_of_a_frame(beats, lanes, window):
    events = regular(BINARY, [beats], lanes, window)
    run = events.check()
    taken = run.sources[0].cycles
    assert taken == list(range(events.words, events.words + beats))  # first both banks are cleared
    first = taken[-1] + EVENT_LATENCY_CYCLES
    assert run.sinks[0].cycles == list(range(first, first + events.words))


@pytest.mark.parametrize("beats", [1, 2, 3, 5, 8, 12, 30])
@pytest.mark.parametrize(("lanes", "window"), [(1, 1), (2, 1), (8, 3), (8, 1)])
def test_cycles_between_frames(beats, lanes, window):
    events = regular(BINARY, [beats] * 13, lanes, window)
    ends = events.check().sinks[0].cycles[events.words - 1 :: events.words]
    counted = (ends[12] - ends[4]) / 8
    assert event_input_cycles(events.words, beats) == int(np.ceil(counted))


def test_the_least_frame_and_a_large_one():
    """One word of one element; a thousand words, whose steps come from a ROM."""
    Events(SpikeType((1,), 1, 1), 1, 1, ((0,), (NO_EVENT,), (0, 0))).check()
    large = SpikeType((2, 10, 10), 10, 2)
    regular(large, [300, 0, 700], lanes=2, window=1).check()
    for window, roms in ((1, ["x.times"]), (5, ["x.times"]), (10, [])):
        port = EventInput("x", regular(large, [1], 2, window).form, large, 4, "file")
        assert [image.name for image in port.roms] == roms
        Fragment.get(port, None)
