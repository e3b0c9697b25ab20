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

from e3ne.gateware.plumbing import Collect, Delay, Fork, Hold, Queue, Regroup, Split
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


@pytest.mark.parametrize("pauses", PAUSES)
@pytest.mark.parametrize(
    ("words", "steps", "delay"), [(1, 5, 1), (3, 4, 1), (2, 5, 2), (2, 3, 3), (3, 2, 5), (1, 1, 1)]
)
def test_a_delay_is_silent_first_and_drops_the_rest(words, steps, delay, pauses):
    """Three frames back to back: each starts with silence and forgets the one before."""
    unit = Delay(WORD, words, steps, delay)
    trains = np.random.default_rng(words).integers(1, 8, (3, words * steps, 2, 1))
    run = short_run(
        unit,
        [Source(unit.i, to_payloads(WORD, trains), pauses[0])],
        [Sink(unit.o, None, pauses[1])],
        seed=steps,
        settle_cycles=300,
    )
    wanted = shifted(WORD, trains, words, delay)
    assert run.sinks[0].payloads[: len(wanted)] == wanted
    # The silence of the next frame waits for nobody; no more than that comes.
    ahead = run.sinks[0].payloads[len(wanted) :]
    assert {payload & 0b111111 for payload in ahead} <= {0}
    assert delay >= steps or len(ahead) == words * delay


@pytest.mark.parametrize(("words", "steps", "delay"), [(1, 4, 1), (3, 4, 2), (2, 4, 3)])
def test_a_delay_speaks_first(words, steps, delay):
    """The silence of the first frame comes out before any word goes in, a word a cycle."""
    unit = Delay(WORD, words, steps, delay)
    run = short_run(unit, [], [Sink(unit.o, None)], settle_cycles=40)
    assert run.sinks[0].cycles == list(range(words * delay))
    assert {payload & 0b111111 for payload in run.sinks[0].payloads} == {0}


@pytest.mark.parametrize(("words", "steps", "delay"), [(1, 4, 1), (3, 4, 2), (2, 3, 3)])
def test_a_delay_never_makes_the_loop_wait(words, steps, delay):
    """Nobody listens: what goes in within the first `delay` steps is taken at once."""
    unit = Delay(WORD, words, steps, delay)
    payloads = some_payloads(WORD, 1, words * min(delay, steps))
    run = short_run(unit, [Source(unit.i, payloads)], [Sink(unit.o, None, pause=1.0)])
    assert run.sources[0].cycles == list(range(len(payloads)))


def test_words_that_a_delay_drops_wait_for_nobody():
    """The queue is full of the steps that are kept; the last step goes in all the same."""
    unit = Delay(WORD, 1, 4, 1)
    run = short_run(
        unit, [Source(unit.i, some_payloads(WORD, 1, 4))], [Sink(unit.o, None, pause=1.0)]
    )
    assert run.sources[0].cycles == [0, 1, 2, 3]


class Loop(wiring.Component):
    """A delay whose words come back to it, each value one larger; `o` shows what goes in."""

    def __init__(self, words_per_step: int, steps: int, delay: int) -> None:
        self.delay = Delay(WORD, words_per_step, steps, delay)
        super().__init__({"go": In(WORD.signature), "o": Out(WORD.signature)})

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
        [Source(unit.go, some_payloads(WORD, 3, words * steps), pauses[0])],
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
