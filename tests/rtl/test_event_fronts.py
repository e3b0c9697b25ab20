"""The front ends of the EVENT engine: exactly the slices that matter, in order, on time."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from e3ne.gateware.event_lanes import EventLanes
from e3ne.gateware.event_list import EventList
from e3ne.gateware.event_rows import EventRows
from e3ne.gateware.streams import Word
from e3ne.ir.event_lanes import LanePlan
from e3ne.ir.geometry import Fold, Window

from .bench import Sink, Source, simulate, to_payloads
from .event_models import (
    decoded,
    events_of,
    lane_events,
    list_slices,
    row_slices,
    with_last,
)

NONE, SLOW_SOURCE, SLOW_SINK, BOTH = (0.0, 0.0), (0.6, 0.0), (0.0, 0.6), (0.4, 0.4)
SHARES = (0.0, 0.15, 0.5, 1.0)
PAUSES = (NONE, BOTH, SLOW_SINK, SLOW_SOURCE)


def sparse(random, shape, word, share):
    """Integers of a word's edge, about `share` of the slices not zero."""
    low = -(1 << (word.bits - 1)) if word.signed else 0
    high = (1 << (word.bits - word.signed)) - 1
    values = random.integers(low, high + 1, shape)
    return values * (random.random(shape[:-2])[..., None, None] < share)


LISTS = [  # slices, in_lanes, slices a word, steps, bits, signed, outs, windows
    (6, 1, 1, 1, 1, False, 1, 1),
    (6, 2, 1, 4, 1, False, 3, 2),
    (8, 1, 4, 2, 3, True, 2, 1),
    (1, 3, 1, 1, 4, True, 4, 3),
    (12, 1, 3, 1, 1, False, 1, 2),
]


def check_list(case, share, pauses, seed, dropped=0.3):
    slices, in_lanes, parts, steps, bits, is_signed, outs, windows = case
    random = np.random.default_rng(seed)
    keep = random.random(slices) >= dropped
    keep[random.integers(slices)] = True
    word = Word(in_lanes * parts, steps, bits, is_signed)
    unit = EventList(word, in_lanes, keep.tolist(), outs, windows)
    frames = 4
    values = sparse(random, (frames * windows, slices, in_lanes, steps), word, share)
    sums = list_slices(values, keep.tolist(), outs)
    wanted = with_last(
        [list(chain(*sums[at : at + windows])) for at in range(0, frames * windows, windows)]
    )
    words = values.reshape(frames, -1, in_lanes * parts, steps)
    run = simulate(
        unit,
        [Source(unit.i, to_payloads(word, words), pauses[0])],
        [Sink(unit.o, len(wanted), pauses[1])],
        seed=seed,
    )
    assert decoded(unit.out, run.sinks[0].payloads) == wanted
    return run


@pytest.mark.parametrize("case", LISTS)
def test_a_list_sends_the_slices_that_matter(case):
    for seed, (share, pauses) in enumerate(
        zip(SHARES, (NONE, BOTH, SLOW_SINK, SLOW_SOURCE), strict=True)
    ):
        check_list(case, share, pauses, seed)


LANES = [  # words, elements a word, in_lanes, steps, bits, signed, outs, windows
    (3, 5, 3, 1, 1, False, 1, 2),
    (2, 4, 2, 2, 3, True, 3, 1),
    (1, 3, 3, 1, 2, False, 2, 3),
    (5, 2, 2, 4, 1, False, 1, 1),
]


def check_lanes(case, share, pauses, seed):
    """Every lane's events in order, sums in order; without pauses as quickly as promised."""
    words, word_lanes, in_lanes, steps, bits, is_signed, outs, windows = case
    plan, frames = LanePlan(words, word_lanes, in_lanes), 4
    word = Word(word_lanes, steps, bits, is_signed)
    unit = EventLanes(word, plan, outs, windows)
    shape = (frames, windows, words * word_lanes, steps)
    random = np.random.default_rng(seed)
    values = sparse(random, (frames * windows, words * word_lanes, 1, steps), word, share)
    values = values.reshape(shape)
    wanted = [
        [[(row + out * plan.rows, *v) for row, *v in events] for events in lane_events(w, plan)]
        for frame in values
        for w in frame
        for out in range(outs)
    ]
    payloads = to_payloads(word, values.reshape(frames, -1, word_lanes, steps))
    run = simulate(
        unit,
        [Source(unit.i, payloads, pauses[0])],
        [Sink(unit.o, None, pauses[1])],
        seed=seed,
        settle_cycles=8 * outs * words * word_lanes + 30,
        limit_cycles=3_000,
    )
    found = run.sinks[0].payloads
    assert events_of(unit.out, found) == wanted
    lasts = [payload >> (unit.out.layout.size - 1) & 1 for payload in found]
    assert sum(lasts) == frames
    assert lasts[-1]
    return run


@pytest.mark.parametrize("case", LANES)
def test_lanes_follow_their_own_events(case):
    for seed, (share, pauses) in enumerate(zip(SHARES, PAUSES, strict=True)):
        check_lanes(case, share, pauses, seed)


ROWS = [  # window, groups, outs, in_lanes, steps, bits, signed, windows
    (Window(1, 4, 4, (3, 3), (1, 1), (1, 1)), 1, 1, 1, 1, 1, False, 1),
    (Window(4, 5, 4, (2, 3), (2, 1), (0, 1)), 1, 2, 2, 2, 1, False, 2),
    (Window(4, 4, 5, (2, 2), (1, 2), (1, 0), (2, 1)), 2, 2, 1, 1, 3, True, 1),
    (Window(2, 7, 5, (1, 1), (3, 2)), 1, 1, 2, 1, 1, False, 2),
    (Window(1, 3, 3, (2, 2), (1, 1), (2, 2), (1, 2)), 1, 1, 1, 1, 2, False, 1),
    (Window(3, 6, 4, (3, 1), (1, 3), (2, 1), (2, 1)), 3, 1, 1, 3, 1, False, 1),
    (Window(2, 1, 6, (1, 3), (1, 1), (0, 1)), 1, 2, 1, 1, 1, False, 3),
]


def check_rows(case, share, pauses, seed):
    window, groups, outs, in_lanes, steps, bits, is_signed, windows = case
    random = np.random.default_rng(seed)
    slices = window.kernel[0] * window.kernel[1] * window.channels // groups // in_lanes
    fold = Fold(groups, outs, slices, in_lanes, in_memory=True)
    word = Word(in_lanes, steps, bits, is_signed)
    unit = EventRows(word, window, fold, windows)
    frames = 3
    shape = (frames, windows, window.rows, window.columns, -1, in_lanes, steps)
    count = window.rows * window.columns * window.channels // in_lanes
    values = sparse(random, (frames * windows * count, in_lanes, steps), word, share)
    images = values.reshape(shape).reshape(frames, windows, *shape[2:4], window.channels, steps)
    wanted = with_last(
        [list(chain(*(row_slices(image, window, fold) for image in frame))) for frame in images]
    )
    run = simulate(
        unit,
        [Source(unit.i, to_payloads(word, values.reshape(frames, -1, in_lanes, steps)), pauses[0])],
        [Sink(unit.o, len(wanted), pauses[1])],
        seed=seed,
        settle_cycles=30,
    )
    assert decoded(unit.out, run.sinks[0].payloads) == wanted
    return run


@pytest.mark.parametrize("case", ROWS)
def test_rows_send_the_slices_that_matter(case):
    for seed, (share, pauses) in enumerate(
        zip(SHARES, (NONE, BOTH, SLOW_SINK, SLOW_SOURCE), strict=True)
    ):
        check_rows(case, share, pauses, seed)
