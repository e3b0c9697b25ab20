"""What stands between the units of a network: regrouping, queues, forks, delays.

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


class Delay(wiring.Component):
    """The same trains `delay_steps` later within a frame; silence first, the rest is dropped.

    Words carry one step. The queue inside holds `delay_steps` steps, so a loop through it can
    always be closed: the first words of a frame come out before any goes in, and what goes in
    never waits for what comes out.
    """

    def __init__(self, word: Word, words_per_step: int, steps: int, delay_steps: int) -> None:
        self.word = word
        self.frame_words = words_per_step * steps
        self.silent_words = words_per_step * min(delay_steps, steps)
        super().__init__({"i": In(word.signature), "o": Out(word.signature)})

    def elaborate(self, platform):
        m = Module()
        kept_words = self.frame_words - self.silent_words
        m.submodules.queue = queue = Queue(self.word, self.silent_words + 1)
        written = Signal(range(self.frame_words))
        keep = Signal()
        m.d.comb += [
            keep.eq(written < kept_words),
            queue.i.payload.eq(self.i.payload),
            queue.i.valid.eq(self.i.valid & keep),
            self.i.ready.eq(queue.i.ready | ~keep),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += written.eq(Mux(written == self.frame_words - 1, 0, written + 1))
        read = Signal(range(self.frame_words))
        silent = Signal()
        m.d.comb += [
            silent.eq(read < self.silent_words),
            self.o.valid.eq(silent | queue.o.valid),
            self.o.payload.last.eq(read == self.frame_words - 1),
            queue.o.ready.eq(self.o.ready & ~silent),
        ]
        with m.If(~silent):
            m.d.comb += self.o.payload.values.eq(queue.o.payload.values)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += read.eq(Mux(read == self.frame_words - 1, 0, read + 1))
        return m
