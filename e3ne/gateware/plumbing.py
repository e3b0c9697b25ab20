"""What stands between the units of a network: regrouping, queues, forks, replays.

Every component has stream members `i` and `o` (a fork has `o0`, `o1`, ...), keeps the order of
words and changes no value.
"""

from __future__ import annotations

import math

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import fifo, wiring
from amaranth.lib.wiring import In, Out

from .streams import Word


class Regroup(wiring.Component):
    """Changes the number of lanes; the sequence of elements stays.

    Cycles for a window of N elements: N / min(lanes) words, where one number of lanes divides the
    other, else N / gcd of the two. Latency: one cycle after the word is complete.
    """

    def __init__(self, word: Word, lanes: int) -> None:
        self.word = word
        self.lanes = lanes
        out = Word(lanes, word.steps, word.bits, word.signed)
        super().__init__({"i": In(word.signature), "o": Out(out.signature)})

    def elaborate(self, platform):
        m = Module()
        common = math.gcd(self.word.lanes, self.lanes)
        source = wiring.flipped(self.i)
        if self.word.lanes > common:
            m.submodules.split = split = Split(self.word, common)
            wiring.connect(m, source, split.i)
            source = split.o
        if self.lanes > common:
            narrow = Word(common, self.word.steps, self.word.bits, self.word.signed)
            m.submodules.collect = collect = Collect(narrow, self.lanes)
            wiring.connect(m, source, collect.i)
            source = collect.o
        wiring.connect(m, source, wiring.flipped(self.o))
        return m


class Split(wiring.Component):
    """One wide word becomes several narrow ones, lane 0 first; one narrow word a cycle."""

    def __init__(self, word: Word, lanes: int) -> None:
        self.word = word
        self.parts = word.lanes // lanes
        out = Word(lanes, word.steps, word.bits, word.signed)
        self.out = out
        super().__init__({"i": In(word.signature), "o": Out(out.signature)})

    def elaborate(self, platform):
        m = Module()
        held = Signal(self.word.value_bits)
        last = Signal()
        left = Signal(range(self.parts + 1))
        m.d.comb += [
            self.o.valid.eq(left != 0),
            self.o.payload.values.eq(held[: self.out.value_bits]),
            self.o.payload.last.eq(last & (left == 1)),
            self.i.ready.eq((left == 0) | ((left == 1) & self.o.ready)),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [left.eq(left - 1), held.eq(held >> self.out.value_bits)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                left.eq(self.parts),
                held.eq(self.i.payload.values),
                last.eq(self.i.payload.last),
            ]
        return m


class Collect(wiring.Component):
    """Several narrow words become one wide word, the first in lane 0; one narrow word a cycle."""

    def __init__(self, word: Word, lanes: int) -> None:
        self.word = word
        self.parts = lanes // word.lanes
        self.out = Word(lanes, word.steps, word.bits, word.signed)
        super().__init__({"i": In(word.signature), "o": Out(self.out.signature)})

    def elaborate(self, platform):
        m = Module()
        held = Signal(self.out.value_bits)
        last = Signal()
        full = Signal()
        count = Signal(range(self.parts))
        m.d.comb += [
            self.o.valid.eq(full),
            self.o.payload.values.eq(held),
            self.o.payload.last.eq(last),
            self.i.ready.eq(~full | self.o.ready),
        ]
        with m.If(self.o.ready):
            m.d.sync += full.eq(0)
        with m.If(self.i.valid & self.i.ready):
            incoming = self.i.payload.values.as_value()
            m.d.sync += [
                held.eq(Cat(held[self.word.value_bits :], incoming)),
                last.eq(self.i.payload.last),
                count.eq(Mux(count == self.parts - 1, 0, count + 1)),
                full.eq(count == self.parts - 1),
            ]
        return m


class Hold(wiring.Component):
    """One word of storage, so that whoever made the word can go on while it waits.

    A word a cycle; latency one cycle. Reset empties it.
    """

    def __init__(self, word: Word) -> None:
        super().__init__({"i": In(word.signature), "o": Out(word.signature)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += [self.o.valid.eq(self.i.valid), self.o.payload.eq(self.i.payload)]
        return m


class Skid(wiring.Component):
    """One word of storage beside the stream, for the word that comes as the consumer stops.

    `i.ready` is a register; a word passes without latency, through a multiplexer. A word a cycle.
    Reset empties it.
    """

    def __init__(self, word: Word) -> None:
        super().__init__({"i": In(word.signature), "o": Out(word.signature)})

    def elaborate(self, platform):
        m = Module()
        spare = Signal(self.i.payload.shape(), reset_less=True)
        full = Signal()
        m.d.comb += [
            self.i.ready.eq(~full),
            self.o.valid.eq(self.i.valid | full),
            self.o.payload.eq(Mux(full, spare.as_value(), self.i.payload.as_value())),
        ]
        m.d.sync += full.eq(self.o.valid & ~self.o.ready)
        with m.If(~full):  # whatever is offered, so that the enable comes from a register
            m.d.sync += spare.eq(self.i.payload)
        return m


class Queue(wiring.Component):
    """A first-in first-out queue of at least `depth_words` words; latency 2 cycles when empty."""

    def __init__(self, word: Word, depth_words: int) -> None:
        self.word = word
        self.depth_words = depth_words
        super().__init__({"i": In(word.signature), "o": Out(word.signature)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = fifo.SyncFIFOBuffered(
            width=self.word.value_bits + 1, depth=self.depth_words + 1
        )
        m.d.comb += [
            words.w_data.eq(self.i.payload.as_value()),
            words.w_en.eq(self.i.valid),
            self.i.ready.eq(words.w_rdy),
            self.o.payload.as_value().eq(words.r_data),
            self.o.valid.eq(words.r_rdy),
            words.r_en.eq(self.o.ready),
        ]
        return m


class Fork(wiring.Component):
    """Every consumer gets every word, each when it is ready (eager): members `o0`, `o1`, ...

    A word leaves the source once all consumers have taken it. No latency.
    """

    def __init__(self, word: Word, consumers: int) -> None:
        self.consumers = consumers
        outs = {f"o{index}": Out(word.signature) for index in range(consumers)}
        super().__init__({"i": In(word.signature), **outs})

    def elaborate(self, platform):
        m = Module()
        outs = [getattr(self, f"o{index}") for index in range(self.consumers)]
        taken = Signal(self.consumers)
        done = Signal(self.consumers)
        for index, out in enumerate(outs):
            m.d.comb += [
                out.payload.eq(self.i.payload),
                out.valid.eq(self.i.valid & ~taken[index]),
                done[index].eq(taken[index] | out.ready),
            ]
        m.d.comb += self.i.ready.eq(done.all())
        with m.If(self.i.valid):
            m.d.sync += taken.eq(Mux(done.all(), 0, done))
        return m


class Replay(wiring.Component):
    """Sends the `words` of every frame `times` times, for consumers with that many windows.

    The first time they pass without latency, and are kept; then they come again, a word a cycle,
    and `last` is up on the last word of the last time only. The words of the next frame wait.
    Reset: the next word is the first of a frame.

    The queue inside has room for a whole frame, and gets a word only when one leaves, or passes
    for the first time: so it never holds more than `words`, and its `ready` needs no look. A word
    is back at its head two cycles later; a frame of one word is a register instead.
    """

    def __init__(self, word: Word, words: int, times: int) -> None:
        self.word = word
        self.words = words
        self.times = times
        super().__init__({"i": In(word.signature), "o": Out(word.signature)})

    def elaborate(self, platform):
        m = Module()
        place, time = Signal(range(self.words)), Signal(range(self.times))
        ends, first, final, goes = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            ends.eq(place == self.words - 1),
            first.eq(time == 0),
            final.eq(time == self.times - 1),
            goes.eq(self.o.valid & self.o.ready),
            self.i.ready.eq(first & self.o.ready),
            self.o.payload.last.eq(final & ends),
        ]
        kept, there = self._kept(m, goes, first, final)
        with m.If(first):
            m.d.comb += self.o.payload.values.eq(self.i.payload.values)
            m.d.comb += self.o.valid.eq(self.i.valid)
        with m.Else():
            m.d.comb += self.o.payload.values.eq(kept)
            m.d.comb += self.o.valid.eq(there)
        with m.If(goes):
            m.d.sync += place.eq(Mux(ends, 0, place + 1))
            with m.If(ends):
                m.d.sync += time.eq(Mux(final, 0, time + 1))
        return m

    def _kept(self, m, goes, first, final):
        """(the next word that was kept, whether it is there)."""
        if self.words == 1:
            held = Signal(self.word.value_bits)
            with m.If(goes & first):
                m.d.sync += held.eq(self.i.payload.values)
            return held, 1
        m.submodules.queue = queue = Queue(self.word, self.words)
        m.d.comb += [
            queue.i.payload.values.eq(self.o.payload.values),
            queue.i.valid.eq(goes & ~final),
            queue.o.ready.eq(goes & ~first),
        ]
        return queue.o.payload.values, queue.o.valid
