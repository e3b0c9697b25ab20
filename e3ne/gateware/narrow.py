"""Words of 32 bits as narrower beats, for ports of few pins."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ir.graph import WORD_BITS
from .frame_input import beat_signature


class Narrow(wiring.Component):
    """`i`: 32-bit beats; `o`: each as 32 / `beat_bits` beats, the low bits first.

    `last` on the last beat of the last word. No latency; a beat a cycle. Reset: a new word.
    """

    def __init__(self, beat_bits: int) -> None:
        self.beat_bits = beat_bits
        super().__init__(
            {
                "i": In(beat_signature(signed(WORD_BITS))),
                "o": Out(beat_signature(beat_bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        parts = WORD_BITS // self.beat_bits
        part = Signal(range(parts))
        final = part == parts - 1
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.o.p.data.eq(self.i.p.data.word_select(part, self.beat_bits)),
            self.o.p.last.eq(self.i.p.last & final),
            self.i.ready.eq(self.o.ready & final),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += part.eq(part + 1)
        return m
