"""Words and their single steps: sums over the steps, splitting and joining."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...ir.cycles import SUM_WAYS, step_sum_stages
from ..select import selected
from ..streams import Word
from .pipeline import Pipeline


@dataclass(frozen=True)
class StepItem:
    """One time step of a word: one integer a lane."""

    lanes: int
    bits: int
    signed: bool = True

    @property
    def element(self) -> Shape:
        """The shape of one integer."""
        return signed(self.bits) if self.signed else unsigned(self.bits)

    @property
    def signature(self) -> stream.Signature:
        """`values[lane]`, `ends_word` on a word's last step, `last` through a frame's last word."""
        values = data.ArrayLayout(self.element, self.lanes)
        return stream.Signature(data.StructLayout({"values": values, "ends_word": 1, "last": 1}))


class StepSum(wiring.Component):
    """The sum over the steps of a word, for a train that ends in one value.

    Members `i`: `Word(lanes, steps, bits)`, `o`: `Word(lanes, 1, bits + growth)`, wide enough for
    every sum: `steps` terms of `bits` bits need at most (steps - 1).bit_length() bits more.
    One word a cycle; latency `step_sum_stages` cycles. Reset empties it.
    """

    def __init__(self, word: Word) -> None:
        self.word = word
        bits = word.bits + (word.steps - 1).bit_length()
        self.sum_word = Word(word.lanes, 1, bits, word.signed)
        super().__init__({"i": In(word.signature), "o": Out(self.sum_word.signature)})

    def elaborate(self, platform):
        m = Module()
        pipeline = Pipeline(m, self.i, self.o)
        lanes: list[list[Value]] = [
            [self.i.p.values[lane][step] for step in range(self.word.steps)]
            for lane in range(self.word.lanes)
        ]
        last: list[Value] = [self.i.p.last]
        for _ in range(step_sum_stages(self.word.steps, 1)):
            groups = [
                [sum(terms[k : k + SUM_WAYS]) for k in range(0, len(terms), SUM_WAYS)]
                for terms in lanes
            ]
            lanes = [pipeline.keep(sums, f"sum_{lane}") for lane, sums in enumerate(groups)]
            last = pipeline.keep(last, "last")
            pipeline.stage()
        values = [self.o.p.values[lane][0].eq(terms[0]) for lane, terms in enumerate(lanes)]
        pipeline.finish([*values, self.o.p.last.eq(last[0])])
        return m


class StepSplit(wiring.Component):
    """A word becomes its steps, one after the other; one step in stays for all `steps_out`.

    Members `i`: `Word(lanes, steps_in, bits)`, steps_in == steps_out or 1; `o`: the steps, step 0
    first. A step a cycle; `i` is taken with its last step. Latency 1 cycle; 0 (wires) where
    steps_out == 1. Reset starts at step 0 of the next word.
    """

    def __init__(self, word: Word, steps_out: int) -> None:
        self.word, self.steps_out = word, steps_out
        self.item = StepItem(word.lanes, word.bits, word.signed)
        super().__init__({"i": In(word.signature), "o": Out(self.item.signature)})

    def elaborate(self, platform):
        m = Module()
        if self.steps_out == 1:
            for lane in range(self.word.lanes):
                m.d.comb += self.o.p.values[lane].eq(self.i.p.values[lane][0])
            m.d.comb += [
                self.o.p.ends_word.eq(1),
                self.o.p.last.eq(self.i.p.last),
                self.o.valid.eq(self.i.valid),
                self.i.ready.eq(self.o.ready),
            ]
            return m
        step = Signal(range(self.steps_out))
        ends = step == self.steps_out - 1
        free = ~self.o.valid | self.o.ready
        m.d.comb += self.i.ready.eq(free & ends)
        with m.If(free):
            m.d.sync += [
                self.o.valid.eq(self.i.valid),
                self.o.p.ends_word.eq(ends),
                self.o.p.last.eq(self.i.p.last),
            ]
            for lane in range(self.word.lanes):
                steps = [self.i.p.values[lane][k] for k in range(self.word.steps)]
                value = selected(steps, step) if self.word.steps > 1 else steps[0]
                m.d.sync += self.o.p.values[lane].eq(value)
            with m.If(self.i.valid):
                m.d.sync += step.eq(step + 1)
                with m.If(ends):
                    m.d.sync += step.eq(0)
        return m


class StepJoin(wiring.Component):
    """The steps of a word become the word.

    Members `i`: the steps, `o`: `Word(lanes, steps, bits)`. A step a cycle; a word is
    offered in the cycle after its last step was taken; 0 cycles (wires) where steps == 1.
    Reset forgets the steps that came so far.
    """

    def __init__(self, word: Word) -> None:
        self.word = word
        self.item = StepItem(word.lanes, word.bits, word.signed)
        super().__init__({"i": In(self.item.signature), "o": Out(word.signature)})

    def elaborate(self, platform):
        m = Module()
        if self.word.steps == 1:
            for lane in range(self.word.lanes):
                m.d.comb += self.o.p.values[lane][0].eq(self.i.p.values[lane])
            m.d.comb += [
                self.o.p.last.eq(self.i.p.last),
                self.o.valid.eq(self.i.valid),
                self.i.ready.eq(self.o.ready),
            ]
            return m
        free = ~self.o.valid | self.o.ready
        m.d.comb += self.i.ready.eq(free | ~self.i.p.ends_word)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        earlier_bits = (self.word.steps - 1) * self.word.bits
        earlier = [Signal(earlier_bits, name=f"earlier_{k}") for k in range(self.word.lanes)]
        with m.If(self.i.valid & self.i.ready):
            for lane in range(self.word.lanes):
                joined = Cat(earlier[lane], self.i.p.values[lane])
                m.d.sync += earlier[lane].eq(joined[self.word.bits :])
                with m.If(self.i.p.ends_word):
                    m.d.sync += Value.cast(self.o.p.values[lane]).eq(joined)
            with m.If(self.i.p.ends_word):
                m.d.sync += [self.o.valid.eq(1), self.o.p.last.eq(self.i.p.last)]
        return m
