"""Good or bad: one verdict a frame from every input port to every output port."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .frame_input import VERDICT


class Verdicts(wiring.Component):
    """`i0`, `i1`, ...: a verdict a frame from each input; `o0`, `o1`, ...: one for each readout.

    Frame k of the network is frame k of each input, so its verdict is the conjunction of their
    k-th verdicts: a frame that is bad on one input is dropped on every output. Why the next frame
    is right: a `FrameInput` sends exactly the words of a frame and one verdict for each frame that
    begins on it, whatever its length. So the core sees whole frames on every input, which it pairs
    by counting words, and here the k-th verdicts meet; nothing is shifted by a bad frame.

    Why nothing locks: a verdict waits here until all inputs have theirs. An input may be frames
    ahead, until its queue of verdicts is full and its next frame's last word waits. The inputs
    behind still move, because whatever their words meet in the core depends only on frames up to
    theirs, which the input ahead has sent. Each readout takes a copy when it ends its frame (an
    eager fork), so outputs may be read one after the other, frame by frame.

    No latency.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        self.inputs, self.outputs = inputs, outputs
        super().__init__(
            {
                **{f"i{k}": In(VERDICT) for k in range(inputs)},
                **{f"o{k}": Out(VERDICT) for k in range(outputs)},
            }
        )

    def elaborate(self, platform):
        m = Module()
        ins = [getattr(self, f"i{k}") for k in range(self.inputs)]
        outs = [getattr(self, f"o{k}") for k in range(self.outputs)]
        known = Cat(verdict.valid for verdict in ins).all()
        good = Cat(verdict.payload for verdict in ins).all()
        taken, done = Signal(self.outputs), Signal(self.outputs)
        for index, out in enumerate(outs):
            m.d.comb += [
                out.valid.eq(known & ~taken[index]),
                out.payload.eq(good),
                done[index].eq(taken[index] | out.ready),
            ]
        m.d.comb += [verdict.ready.eq(known & done.all()) for verdict in ins]
        with m.If(known):
            m.d.sync += taken.eq(Mux(done.all(), 0, done))
        return m
