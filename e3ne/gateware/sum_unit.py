"""Several synapses into one population: their currents, word by word, added up."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ir.ranges import Range
from .streams import Word


class SumUnit(wiring.Component):
    """o = sum of gain * i over the inputs `i0`, `i1`, ..., each a word of the same lanes and steps.

    A word leaves when every input has one; one word a cycle, one cycle latency.
    """

    def __init__(self, words: Sequence[Word], gains: Sequence[int], currents: Range) -> None:
        self.gains = gains
        first = words[0]
        self.out = Word(first.lanes, first.steps, currents.signed_bits, True)
        ins = {f"i{index}": In(word.signature) for index, word in enumerate(words)}
        super().__init__({**ins, "o": Out(self.out.signature)})

    def elaborate(self, platform):
        m = Module()
        sources = [getattr(self, f"i{index}") for index in range(len(self.gains))]
        valid = Cat(source.valid for source in sources).all()
        moves = ~self.o.valid | self.o.ready
        m.d.comb += [source.ready.eq(moves & valid) for source in sources]
        with m.If(moves):
            m.d.sync += [
                self.o.valid.eq(valid),
                self.o.payload.last.eq(sources[0].payload.last),
            ]
            for lane in range(self.out.lanes):
                for step in range(self.out.steps):
                    terms = [
                        source.payload.values[lane][step] * gain
                        for source, gain in zip(sources, self.gains, strict=True)
                    ]
                    m.d.sync += self.o.payload.values[lane][step].eq(sum(terms))
        return m
