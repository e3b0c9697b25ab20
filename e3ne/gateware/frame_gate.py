"""Lets whole frames into a streaming network: those that are good on every input."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .frame_input import VERDICT
from .streams import Word


class FrameGate(wiring.Component):
    """Passes the words of a frame from when its `decision` is 1; drops them where it is 0.

    Members `i`, `o`: words of whole frames, `decision`: one bit a frame (`Verdicts`), taken with
    the frame's last word. What stands before it holds a frame until the decision is known, so a
    bad frame leaves no trace in a network whose state goes on. No latency, no state.
    """

    def __init__(self, word: Word) -> None:
        super().__init__(
            {"i": In(word.signature), "o": Out(word.signature), "decision": In(VERDICT)}
        )

    def elaborate(self, platform):
        m = Module()
        known, good = self.decision.valid, self.decision.payload
        m.d.comb += [
            self.o.payload.eq(self.i.payload),
            self.o.valid.eq(self.i.valid & known & good),
            self.i.ready.eq(known & (self.o.ready | ~good)),
            self.decision.ready.eq(self.i.valid & self.i.ready & self.i.payload.last),
        ]
        return m
