"""Queues, forks, delays, splits and collects."""

from __future__ import annotations

import random
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from e3ne.gateware.delays import Delay, FrameStart
from e3ne.gateware.plumbing import (
    Collect,
    Fork,
    Hold,
    Queue,
    Regroup,
    Replay,
    Skid,
    Split,
)
from e3ne.gateware.streams import Word

from .bench import Sink, Source, from_payloads, simulate, to_payloads

WORD = Word(2, 1, 3)
short_run = partial(simulate, limit_cycles=2_000)
PAUSES = [(0.0, 0.0), (0.6, 0.0), (0.0, 0.6), (0.9, 0.5), (0.5, 0.9), (0.5, 0.5)]


def some_payloads(word: Word, frames: int, words: int, seed: int = 0) -> list[int]:
    values = np.random.default_rng(seed).integers(
        0, 1 << word.bits, (frames, words, word.lanes, word.steps)
    )
    return to_payloads(word, values)


# -------------------------------------------------------------------------------------- queue


@pytest.mark.parametrize("pauses", PAUSES)
@pytest.mark.parametrize("depth", [1, 2, 3, 7])
def test_a_queue_keeps_order_and_values(depth, pauses):
    unit = Queue(WORD, depth)
    payloads = some_payloads(WORD, 8, 5, depth)
    run = short_run(
        unit, [Source(unit.i, payloads, pauses[0])], [Sink(unit.o, 40, pauses[1])], seed=depth
    )
    assert run.sinks[0].payloads == payloads


@pytest.mark.parametrize("depth", [1, 2, 3, 8, 13])
def test_a_queue_holds_its_depth(depth):
    """Nobody takes anything: the queue takes `depth` words all the same."""
    unit = Queue(WORD, depth)
    payloads = some_payloads(WORD, 1, depth)
    run = short_run(unit, [Source(unit.i, payloads)], [Sink(unit.o, None, pause=1.0)])
    assert len(run.sources[0].payloads) == depth
    assert run.sinks[0].payloads == []


def test_a_queue_is_not_endless():
    unit = Queue(WORD, 4)
    with pytest.raises(AssertionError, match="of 9 sent"):
        short_run(
            unit,
            [Source(unit.i, some_payloads(WORD, 1, 9))],
            [Sink(unit.o, None, pause=1.0)],
            limit_cycles=60,
        )


def test_a_queue_passes_a_word_a_cycle_after_two():
    unit = Queue(WORD, 4)
    payloads = some_payloads(WORD, 2, 10)
    run = short_run(unit, [Source(unit.i, payloads)], [Sink(unit.o, 20)])
    assert run.sources[0].cycles == list(range(20))
    assert run.sinks[0].cycles == list(range(2, 22))


# --------------------------------------------------------------------------------------- skid


@pytest.mark.parametrize("pauses", PAUSES)
def test_a_skid_keeps_order_and_values(pauses):
    unit = Skid(WORD)
    payloads = some_payloads(WORD, 8, 5)
    run = short_run(unit, [Source(unit.i, payloads, pauses[0])], [Sink(unit.o, 40, pauses[1])])
    assert run.sinks[0].payloads == payloads


def test_a_skid_passes_a_word_a_cycle_at_once():
    unit = Skid(WORD)
    payloads = some_payloads(WORD, 2, 10)
    run = short_run(unit, [Source(unit.i, payloads)], [Sink(unit.o, 20)])
    assert run.sources[0].cycles == run.sinks[0].cycles == list(range(20))


def test_a_skid_holds_one_word():
    """Nobody takes anything: `ready` falls behind the word that came."""
    unit = Skid(WORD)
    sink = Sink(unit.o, None, pause=1.0)
    run = short_run(unit, [Source(unit.i, some_payloads(WORD, 1, 1))], [sink])
    assert run.sources[0].cycles == [0]
    with pytest.raises(AssertionError, match="1 of 2 sent"):
        short_run(unit, [Source(unit.i, some_payloads(WORD, 1, 2))], [sink], limit_cycles=40)


# ------------------------------------------------------------------------------------- replay


def replayed(word: Word, payloads: list[int], words: int, times: int) -> list[int]:
    """Every frame so many times, `last` (the top bit) on its last word of the last time only."""
    values = (1 << word.value_bits) - 1
    found = []
    for start in range(0, len(payloads), words):
        frame = [payload & values for payload in payloads[start : start + words]]
        found += frame * times
        found[-1] |= 1 << word.value_bits
    return found


@pytest.mark.parametrize("pauses", PAUSES)
@pytest.mark.parametrize("words", [1, 2, 3, 7])
@pytest.mark.parametrize("times", [2, 5])
def test_a_replay_sends_every_frame_again(words, times, pauses):
    unit = Replay(WORD, words, times)
    payloads = some_payloads(WORD, 4, words, words)
    wanted = replayed(WORD, payloads, words, times)
    run = short_run(
        unit,
        [Source(unit.i, payloads, pauses[0])],
        [Sink(unit.o, len(wanted), pauses[1])],
        seed=times,
    )
    assert run.sinks[0].payloads == wanted


@pytest.mark.parametrize("words", [1, 2, 3, 8])
def test_a_replay_sends_a_word_a_cycle(words):
    """Without latency, and without a gap between the times and the frames."""
    unit = Replay(WORD, words, 3)
    run = short_run(
        unit, [Source(unit.i, some_payloads(WORD, 2, words))], [Sink(unit.o, 6 * words)]
    )
    first, second = range(words), range(3 * words, 4 * words)
    assert run.sources[0].cycles == [*first, *second]
    assert run.sinks[0].cycles == list(range(6 * words))


@pytest.mark.parametrize("words", [1, 3])
def test_a_replay_takes_nothing_that_is_not_taken_from_it(words):
    unit = Replay(WORD, words, 2)
    sink = Sink(unit.o, None, pause=1.0)
    with pytest.raises(AssertionError, match=f"0 of {words} sent"):
        short_run(unit, [Source(unit.i, some_payloads(WORD, 1, words))], [sink], limit_cycles=40)


@pytest.mark.parametrize("words", [1, 3])
def test_reset_begins_a_replay_anew(words):
    unit = Replay(WORD, words, 3)
    payloads = some_payloads(WORD, 1, words)
    wanted = replayed(WORD, payloads, words, 3)
    sink = Sink(unit.o, len(wanted))
    run = short_run(unit, [Source(unit.i, payloads)], [sink], reset_at=words + 1)
    assert run.sinks[0].payloads[-len(wanted) :] == wanted


# --------------------------------------------------------------------------------------- hold


@pytest.mark.parametrize("pauses", PAUSES)
@pytest.mark.parametrize("word", [WORD, Word(1, 1, 1), Word(3, 2, 4, True)], ids=str)
def test_a_hold_keeps_order_and_values(word, pauses):
    unit = Hold(word)
    payloads = some_payloads(word, 8, 5)
    run = short_run(unit, [Source(unit.i, payloads, pauses[0])], [Sink(unit.o, 40, pauses[1])])
    assert run.sinks[0].payloads == payloads


def test_a_hold_passes_a_word_a_cycle_after_one():
    unit = Hold(WORD)
    run = short_run(unit, [Source(unit.i, some_payloads(WORD, 2, 10))], [Sink(unit.o, 20)])
    assert run.sources[0].cycles == list(range(20))
    assert run.sinks[0].cycles == list(range(1, 21))


def test_a_hold_holds_one_word():
    """Nobody takes anything: one word goes in, and no second one."""
    unit = Hold(WORD)
    payloads = some_payloads(WORD, 1, 2)
    run = short_run(unit, [Source(unit.i, payloads[:1])], [Sink(unit.o, None, pause=1.0)])
    assert (run.sources[0].cycles, run.sinks[0].payloads) == ([0], [])
    again = Hold(WORD)
    sink = Sink(again.o, None, pause=1.0)
    with pytest.raises(AssertionError, match="1 of 2 sent"):
        short_run(again, [Source(again.i, payloads)], [sink], limit_cycles=40)


def test_reset_empties_a_hold():
    """The word that waits when reset comes is gone; the source starts anew and all is in order."""
    unit = Hold(WORD)
    payloads = some_payloads(WORD, 1, 5)
    sink = Sink(unit.o, 5, awake=lambda cycle: cycle > 12)
    run = short_run(unit, [Source(unit.i, payloads)], [sink], reset_at=8)
    assert run.sinks[0].payloads == payloads
    assert run.sources[0].cycles == [9, 13, 14, 15, 16]


# --------------------------------------------------------------------------------------- fork


@pytest.mark.parametrize("consumers", [2, 3, 4])
@pytest.mark.parametrize("seed", range(6))
def test_every_consumer_gets_every_word_once(consumers, seed):
    unit = Fork(WORD, consumers)
    chance = random.Random(seed)
    payloads = some_payloads(WORD, 5, 6, seed)
    sinks = [
        Sink(getattr(unit, f"o{index}"), 30, chance.choice([0.0, 0.3, 0.9]))
        for index in range(consumers)
    ]
    pause = chance.choice([0.0, 0.5])
    run = short_run(unit, [Source(unit.i, payloads, pause)], sinks, seed=seed)
    assert [sink.payloads for sink in run.sinks] == [payloads] * consumers
    # A word leaves the source in the cycle in which the last consumer takes it, in no other.
    slowest = [max(cycles) for cycles in zip(*(s.cycles for s in run.sinks), strict=True)]
    assert run.sources[0].cycles == slowest


def test_a_fork_is_eager():
    """A consumer that never waits gets a word in the cycle that offers it; nothing is lost."""
    unit = Fork(WORD, 2)
    payloads = some_payloads(WORD, 5, 6)
    run = short_run(unit, [Source(unit.i, payloads)], [Sink(unit.o0, 30), Sink(unit.o1, 30, 0.7)])
    offered = [0, *(cycle + 1 for cycle in run.sources[0].cycles[:-1])]
    assert run.sinks[0].cycles == offered
    assert run.sinks[1].cycles == run.sources[0].cycles


def test_a_fork_without_stalls_has_no_latency():
    unit = Fork(WORD, 3)
    sinks = [Sink(getattr(unit, f"o{index}"), 12) for index in range(3)]
    run = short_run(unit, [Source(unit.i, some_payloads(WORD, 2, 6))], sinks)
    assert [sink.cycles for sink in run.sinks] == [list(range(12))] * 3


# -------------------------------------------------------------------------------------- delay


def shifted(word: Word, trains: np.ndarray, words_per_step: int, delay: int) -> list[int]:
    """Payloads of (frames, words, lanes, 1) `delay` steps later."""
    silent = min(delay * words_per_step, trains.shape[1])
    late = np.zeros_like(trains)
    late[:, silent:] = trains[:, : trains.shape[1] - silent]
    return to_payloads(word, late)


FRAME = Word(1, 1, 1)


class Begun(wiring.Component):
    """A delay with a stream `frames`, each word of which begins one."""

    def __init__(self, words_per_step: int, steps: int, delay: int) -> None:
        self.delay = Delay(WORD, words_per_step, steps, delay)
        super().__init__(
            {"i": In(WORD.signature), "o": Out(WORD.signature), "frames": In(FRAME.signature)}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.delay = delay = self.delay
        wiring.connect(m, wiring.flipped(self.i), delay.i)
        wiring.connect(m, delay.o, wiring.flipped(self.o))
        begin_frames(m, self.frames, delay)
        return m


def begin_frames(m: Module, frames, delay: Delay) -> None:
    m.d.comb += [frames.ready.eq(delay.room), delay.begins.eq(frames.valid & delay.room)]


@pytest.mark.parametrize("pauses", PAUSES)
@pytest.mark.parametrize(
    ("words", "steps", "delay"), [(1, 5, 1), (3, 4, 1), (2, 5, 2), (2, 3, 3), (3, 2, 5), (1, 1, 1)]
)
def test_a_delay_is_silent_first_and_drops_the_rest(words, steps, delay, pauses):
    """Three frames back to back: each starts with silence and forgets the one before."""
    unit = Begun(words, steps, delay)
    trains = np.random.default_rng(words).integers(1, 8, (3, words * steps, 2, 1))
    wanted = shifted(WORD, trains, words, delay)
    run = short_run(
        unit,
        [Source(unit.i, to_payloads(WORD, trains), pauses[0]), Source(unit.frames, [0] * 3)],
        [Sink(unit.o, len(wanted), pauses[1])],
        seed=steps,
        settle_cycles=100,  # nothing more comes, not even silence: three frames, no fourth
    )
    assert run.sinks[0].payloads == wanted


@pytest.mark.parametrize(("words", "steps", "delay"), [(1, 4, 1), (3, 4, 2), (2, 4, 3)])
def test_a_delay_speaks_first(words, steps, delay):
    """The silence of a frame comes out before any word goes in, a word a cycle."""
    unit = Begun(words, steps, delay)
    begin = Source(unit.frames, [0], start_cycle=7)
    run = short_run(unit, [begin], [Sink(unit.o, None)], settle_cycles=40)
    assert run.sinks[0].cycles == list(range(8, 8 + words * delay))
    assert {payload & 0b111111 for payload in run.sinks[0].payloads} == {0}


@pytest.mark.parametrize(
    ("words", "steps", "delay", "held"),
    [(1, 4, 1, 2), (3, 4, 2, 6), (2, 3, 3, 0), (2, 9, 3, 8), (4, 8, 7, 4)],
)
def test_a_delay_holds_one_step_more_than_it_delays(words, steps, delay, held):
    """Nobody listens: so much is taken at once, and after it all that is dropped."""
    unit = Begun(words, steps, delay)
    assert unit.delay.held_words == held
    kept = words * max(steps - delay, 0)
    count = words * steps if held == kept else held
    payloads = some_payloads(WORD, 1, words * steps)[:count]
    run = short_run(unit, [Source(unit.i, payloads)], [Sink(unit.o, None, pause=1.0)])
    assert run.sources[0].cycles == list(range(count))


def test_words_that_a_delay_drops_wait_for_nobody():
    """The queue is full of the steps that are kept; the last step goes in all the same."""
    unit = Begun(1, 4, 1)
    source = Source(unit.i, some_payloads(WORD, 1, 4))
    run = short_run(unit, [source], [Sink(unit.o, None, pause=1.0)])
    assert run.sources[0].cycles == [0, 1, 2, 3]


def test_frames_that_begin_wait_where_a_delay_can_count_no_more():
    unit = Begun(1, 2, 1)
    trains = np.ones((40, 2, 2, 1), int)
    frames = Source(unit.frames, [0] * 40)
    held_up = Sink(unit.o, 80, awake=lambda cycle: cycle >= 50)
    run = short_run(unit, [Source(unit.i, to_payloads(WORD, trains)), frames], [held_up])
    begun = run.sources[1].cycles
    assert begun[: Delay.PENDING_FRAMES] == list(range(Delay.PENDING_FRAMES))
    assert begun[Delay.PENDING_FRAMES] == 51  # when the silence of the first frame has gone
    assert run.sinks[0].payloads == shifted(WORD, trains, 1, 1)


class Started(wiring.Component):
    """A FrameStart whose `begins` is a stream `begun`."""

    def __init__(self) -> None:
        self.start = FrameStart(WORD)
        super().__init__(
            {"i": In(WORD.signature), "o": Out(WORD.signature), "begun": Out(FRAME.signature)}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.start = start = self.start
        wiring.connect(m, wiring.flipped(self.i), start.i)
        wiring.connect(m, start.o, wiring.flipped(self.o))
        m.d.comb += [start.room.eq(self.begun.ready), self.begun.valid.eq(start.begins)]
        return m


@pytest.mark.parametrize("words", [1, 3])
@pytest.mark.parametrize("pauses", PAUSES)
def test_every_frame_begins_once(words, pauses):
    """Before its first word passes, and in the cycle in which it is offered where there is room."""
    unit = Started()
    payloads = some_payloads(WORD, 5, words)
    rooms = Sink(unit.begun, 5, awake=lambda cycle: cycle % 3 != 1)
    run = short_run(
        unit, [Source(unit.i, payloads, pauses[0])], [Sink(unit.o, 5 * words, pauses[1]), rooms]
    )
    assert run.sinks[0].payloads == payloads
    begun, passed = run.sinks[1].cycles, run.sinks[0].cycles[::words]
    assert all(begin <= word for begin, word in zip(begun, passed, strict=True))
    ends = run.sinks[0].cycles[words - 1 :: words]
    assert all(begin > end for begin, end in zip(begun[1:], ends, strict=False))


def test_a_frame_begins_when_it_is_offered():
    """Nobody takes its words until long after."""
    unit = Started()
    source = Source(unit.i, some_payloads(WORD, 1, 2), start_cycle=5)
    late = Sink(unit.o, 2, awake=lambda cycle: cycle >= 30)
    assert short_run(unit, [source], [late, Sink(unit.begun, 1)]).sinks[1].cycles == [5]


def test_a_frame_passes_when_it_begins():
    unit = Started()
    source = Source(unit.i, some_payloads(WORD, 3, 2), start_cycle=5)
    run = short_run(unit, [source], [Sink(unit.o, 6), Sink(unit.begun, 3)])
    assert run.sinks[0].cycles == [5, 6, 7, 8, 9, 10]
    assert run.sinks[1].cycles == [5, 7, 9]


class Loop(wiring.Component):
    """A delay whose words come back to it, each value one larger; `o` shows what goes in."""

    def __init__(self, words_per_step: int, steps: int, delay: int) -> None:
        self.delay = Delay(WORD, words_per_step, steps, delay)
        super().__init__(
            {"go": In(WORD.signature), "o": Out(WORD.signature), "frames": In(FRAME.signature)}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.delay = delay = self.delay
        m.submodules.fork = fork = Fork(WORD, 2)
        m.d.comb += [
            # `go` is the synapse from elsewhere: a word of it lets one of the loop pass.
            fork.i.valid.eq(delay.o.valid & self.go.valid),
            fork.i.payload.last.eq(delay.o.payload.last),
            delay.o.ready.eq(fork.i.ready & self.go.valid),
            self.go.ready.eq(fork.i.ready & delay.o.valid),
        ]
        for lane in range(WORD.lanes):
            value = delay.o.payload.values[lane][0]
            m.d.comb += fork.i.payload.values[lane][0].eq(value + 1)
        begin_frames(m, self.frames, delay)
        wiring.connect(m, fork.o0, delay.i)
        wiring.connect(m, fork.o1, wiring.flipped(self.o))
        return m


@pytest.mark.parametrize("pauses", PAUSES)
@pytest.mark.parametrize(("words", "steps", "delay"), [(1, 5, 1), (3, 4, 1), (2, 5, 2), (2, 2, 3)])
def test_a_delay_closes_a_loop(words, steps, delay, pauses):
    unit = Loop(words, steps, delay)
    total = 3 * words * steps
    run = short_run(
        unit,
        [
            Source(unit.go, some_payloads(WORD, 3, words * steps), pauses[0]),
            Source(unit.frames, [0] * 3),
        ],
        [Sink(unit.o, total, pauses[1])],
        seed=words,
    )
    got = from_payloads(WORD, run.sinks[0].payloads, words * steps)
    counted = np.repeat(1 + np.arange(steps) // delay, words)
    np.testing.assert_array_equal(got, np.broadcast_to(counted[None, :, None, None], got.shape))


# ---------------------------------------------------------------------- split, collect, regroup


def test_a_split_sends_a_narrow_word_a_cycle():
    unit = Split(Word(6, 1, 3), 2)
    payloads = some_payloads(unit.word, 4, 3)
    run = short_run(unit, [Source(unit.i, payloads)], [Sink(unit.o, 36)])
    assert run.sinks[0].cycles == list(range(1, 37))
    assert run.sources[0].cycles == [0, *range(3, 36, 3)]


def test_a_collect_takes_a_narrow_word_a_cycle():
    unit = Collect(Word(2, 1, 3), 6)
    payloads = some_payloads(unit.word, 4, 9)
    run = short_run(unit, [Source(unit.i, payloads)], [Sink(unit.o, 12)])
    assert run.sources[0].cycles == list(range(36))
    assert run.sinks[0].cycles == list(range(3, 37, 3))


@pytest.mark.parametrize("lanes", [1, 2, 3, 4, 6, 12])
@pytest.mark.parametrize("source_lanes", [1, 2, 3, 4, 6, 12])
def test_cycles_of_a_regroup_are_those_of_its_docstring(source_lanes, lanes):
    elements, frames = 12, 5
    unit = Regroup(Word(source_lanes, 1, 2), lanes)
    payloads = some_payloads(unit.word, frames, elements // source_lanes)
    run = short_run(
        unit, [Source(unit.i, payloads)], [Sink(unit.o, frames * elements // lanes)], seed=lanes
    )
    divides = max(lanes, source_lanes) % min(lanes, source_lanes) == 0
    common = min(lanes, source_lanes) if divides else int(np.gcd(lanes, source_lanes))
    ends = run.sinks[0].cycles[elements // lanes - 1 :: elements // lanes]
    assert {b - a for a, b in pairwise(ends)} == {elements // common}


@pytest.mark.parametrize(("source_lanes", "lanes"), [(1, 3), (6, 2), (4, 6), (6, 4), (3, 3)])
def test_a_regroup_keeps_the_sequence(source_lanes, lanes):
    """Under pauses of both sides; `last` stands on the last word of each frame."""
    unit = Regroup(Word(source_lanes, 1, 2), lanes)
    values = np.random.default_rng(lanes).integers(0, 4, (5, 12))
    payloads = to_payloads(unit.word, values.reshape(5, -1, source_lanes, 1))
    run = short_run(unit, [Source(unit.i, payloads, 0.4)], [Sink(unit.o, 60 // lanes, 0.4)])
    got = from_payloads(Word(lanes, 1, 2), run.sinks[0].payloads, 12 // lanes)
    np.testing.assert_array_equal(got.reshape(5, 12), values)
