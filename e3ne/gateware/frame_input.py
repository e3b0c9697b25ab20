"""The input port: AXI4-Stream beats become words; frames of a wrong length are marked."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..ir.frames import InputFormat
from .rom import RomImage
from .streams import Word

VERDICT = stream.Signature(1)
"""One bit a frame, in order: 1 for a good frame, 0 for one that must leave no output."""


def beat_signature(data_bits: int) -> stream.Signature:
    """AXI4-Stream as a stream: tdata is `data`, tlast is `last`."""
    return stream.Signature(data.StructLayout({"data": data_bits, "last": 1}))


class RegisterSlice(wiring.Component):
    """Two words of storage between `i` and `o`, so that no signal passes through.

    `i.ready`, `o.valid` and `o.payload` are registers. A word a cycle; latency 1 cycle. Reset
    empties it; `i.ready` is high in the first cycle after it.
    """

    def __init__(self, signature: stream.Signature) -> None:
        super().__init__({"i": In(signature), "o": Out(signature)})

    def elaborate(self, platform):
        m = Module()
        spare = Signal.like(self.i.payload)
        spare_full = Signal()
        m.d.comb += self.i.ready.eq(~spare_full)
        with m.If(~spare_full):  # whatever is offered, so that the enable comes from a register
            m.d.sync += spare.eq(self.i.payload)
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [
                self.o.valid.eq(self.i.valid | spare_full),
                self.o.payload.eq(Mux(spare_full, spare.as_value(), self.i.payload.as_value())),
                spare_full.eq(0),
            ]
        with m.Elif(self.i.valid):
            m.d.sync += spare_full.eq(1)
        return m


class FrameInput(wiring.Component):
    """Beats of the input format become the words of the input's edge.

    Members `i`: beats ({data, last}), `o`: `Word(lanes, steps_in_window, bits)` in wire
    order, `verdict`: one bit for each frame that was sent to `o`, `error`: high from the first bad
    frame until reset. A beat a cycle; latency 1 cycle; `i.ready` is a register.

    `last` on the beat of a frame's last word makes a good frame. After an earlier `last` the
    missing words are sent as zeros, so that the network finishes the frame; what follows a
    missing `last` is swallowed up to and with the next `last`. Either frame is bad: its verdict is
    0 and whoever ends frames drops it (`Readout`). A verdict enters a queue of `verdict_depth` in
    the cycle of the frame's last word, which waits while the queue is full. That cannot lock: a
    full queue belongs to frames that were sent completely, units finish a frame without any word
    of the next, and the end of the first of them takes a verdict out. Reset: a new frame.
    """

    def __init__(self, form: InputFormat, signed: bool, verdict_depth: int) -> None:
        self.form = form
        self.roms: tuple[RomImage, ...] = ()
        self.verdict_depth = verdict_depth
        self.word = Word(form.lanes, form.steps_in_window, form.bits, signed)
        self.beat = beat_signature(8 * form.beat_bytes)
        super().__init__(
            {
                "i": In(self.beat),
                "o": Out(self.word.signature),
                "verdict": Out(VERDICT),
                "error": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.slice = register = RegisterSlice(self.beat)
        m.submodules.verdicts = verdicts = fifo.SyncFIFOBuffered(width=1, depth=self.verdict_depth)
        connect(m, flipped(self.i), register.i)
        beat = register.o
        beats = self.form.beats_per_frame
        position = Signal(range(beats))
        at_end = Signal(init=beats == 1)  # at the last position; a register, as much depends on it
        filling, draining, may_send = Signal(), Signal(), Signal()
        m.d.comb += [
            may_send.eq(~draining & (~at_end | verdicts.w_rdy)),
            self.o.valid.eq(may_send & (filling | beat.valid)),
            self.o.p.last.eq(at_end),
            beat.ready.eq(draining | (may_send & ~filling & self.o.ready)),
            verdicts.w_data.eq(~filling & beat.p.last),
            verdicts.w_en.eq(self.o.valid & self.o.ready & at_end),
            self.verdict.valid.eq(verdicts.r_rdy),
            self.verdict.payload.eq(verdicts.r_data),
            verdicts.r_en.eq(self.verdict.ready),
        ]
        with m.If(~filling):
            for lane in range(self.form.lanes):
                offset = lane * self.form.field_bits
                field = beat.p.data[offset : offset + self.form.bits * self.word.steps]
                m.d.comb += self.o.p.values[lane].eq(field)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += position.eq(Mux(at_end, 0, position + 1))
            m.d.sync += at_end.eq(position == (beats - 2) % beats)
            with m.If(filling):
                m.d.sync += filling.eq(~at_end)
            with m.Elif(beat.p.last != at_end):
                m.d.sync += [filling.eq(~at_end), draining.eq(at_end), self.error.eq(1)]
        with m.If(draining & beat.valid & beat.p.last):
            m.d.sync += draining.eq(0)
        return m
