"""An input port for address events: AXI4-Stream beats of events become words of dense frames."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import fifo, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..ir import SpikeType
from ..ir.events import ADDRESS_BITS, EVENT_BYTES, NO_EVENT
from ..ir.frames import InputFormat
from .event_memory import EventMemory
from .frame_input import VERDICT, RegisterSlice, beat_signature
from .rom import Rom, RomForm, RomImage
from .streams import Word


class EventInput(wiring.Component):
    """Beats of address events (`ir/events.py`) become the words of the input's edge.

    Members `i`: beats ({data, last}), `o`: `Word(lanes, steps_in_window, bits)` in wire order,
    `verdict`: one bit for each frame that is sent to `o`, `error`: high from the first bad frame
    until reset. A beat a cycle, whatever it holds; a frame is received while the one before is
    sent, a word a cycle (`EventMemory`), and its first word leaves
    `ir.cycles.EVENT_LATENCY_CYCLES` after its last beat was taken.

    A frame with a time that decreases, or with a time or an address that the edge does not have,
    is bad: these events are left out, its verdict is 0, and the next frame is right. A verdict
    enters a queue of `verdict_depth` with the frame's last beat, which waits while it is full: as
    in `FrameInput`, that cannot lock. Reset: a new frame; no beat is taken until the memory is
    clear. The ROM `<name>.times` knows where in a frame a time step begins (`roms`).
    """

    def __init__(
        self, name: str, form: InputFormat, type: SpikeType, verdict_depth: int, rom_form: RomForm
    ) -> None:
        self.form, self.type = form, type
        self.verdict_depth, self.rom_form = verdict_depth, rom_form
        self.word = Word(form.lanes, form.steps_in_window, form.bits)
        self.windows = type.steps // form.steps_in_window
        self.window_words = type.neurons // form.lanes
        self.lane_bits = (form.lanes - 1).bit_length()
        self.step_bits = (form.steps_in_window - 1).bit_length()
        self.roms = (self._image(name),) if self.windows > 1 else ()
        self.memory = EventMemory(self.word, self.windows * self.window_words)
        self.beat = beat_signature(8 * EVENT_BYTES)
        super().__init__(
            {
                "i": In(self.beat),
                "o": Out(self.word.signature),
                "verdict": Out(VERDICT),
                "error": Out(1),
            }
        )

    def _image(self, name: str) -> RomImage:
        """For each time the first word of its window and, in the low bits, its step in there."""
        per_window = self.form.steps_in_window
        words = tuple(
            (time // per_window * self.window_words) << self.step_bits | time % per_window
            for time in range(self.type.steps)
        )
        return RomImage(f"{name}.times", max(words).bit_length(), words)

    def elaborate(self, platform):
        m = Module()
        m.submodules.slice = register = RegisterSlice(self.beat)
        m.submodules.memory = counted = self.memory
        m.d.comb += [
            register.i.payload.eq(self.i.payload),
            register.i.valid.eq(self.i.valid & counted.clear),
            self.i.ready.eq(register.i.ready & counted.clear),
        ]
        beat = register.o
        counts, closes = self._judged(m, beat, counted.room)
        time, address = beat.p.data[ADDRESS_BITS:], beat.p.data[:ADDRESS_BITS]
        word, step = self._located(m, time, address[self.lane_bits :])
        m.d.sync += [
            counted.counts.eq(counts),
            counted.closes.eq(closes),
            counted.lane.eq(address[: self.lane_bits]),
        ]
        m.d.comb += [counted.place.eq(word), counted.step.eq(step)]
        connect(m, counted.o, flipped(self.o))
        return m

    def _judged(self, m: Module, beat: Any, room: Value) -> tuple[Value, Value]:
        """(the beat of this cycle is a good event, it ends a frame)."""
        m.submodules.verdicts = verdicts = fifo.SyncFIFOBuffered(width=1, depth=self.verdict_depth)
        time, address = beat.p.data[ADDRESS_BITS:], beat.p.data[:ADDRESS_BITS]
        is_event, wrong, bad_before, takes = Signal(), Signal(), Signal(), Signal()
        earliest = Signal.like(time)
        beyond = (time >= self.type.steps) | (address >= self.type.neurons)
        m.d.comb += [
            is_event.eq(beat.p.data != NO_EVENT),
            wrong.eq(is_event & (beyond | (time < earliest))),
            beat.ready.eq(room & (~beat.p.last | verdicts.w_rdy)),
            takes.eq(beat.valid & beat.ready),
            verdicts.w_en.eq(takes & beat.p.last),
            verdicts.w_data.eq(~(bad_before | wrong)),
            self.verdict.valid.eq(verdicts.r_rdy),
            self.verdict.payload.eq(verdicts.r_data),
            verdicts.r_en.eq(self.verdict.ready),
        ]
        with m.If(takes):
            m.d.sync += bad_before.eq((bad_before | wrong) & ~beat.p.last)
            with m.If(wrong):
                m.d.sync += self.error.eq(1)
            with m.If(is_event):
                m.d.sync += earliest.eq(time)
            with m.If(beat.p.last):
                m.d.sync += earliest.eq(0)
        return takes & is_event & ~wrong, takes & beat.p.last

    def _located(self, m: Module, time: Value, word: Value) -> tuple[Value, Value]:
        """One cycle later: (the word of the frame, the step of its window)."""
        offset = Signal(range(self.window_words))
        m.d.sync += offset.eq(word)
        if not self.roms:
            step = Signal(self.step_bits)
            m.d.sync += step.eq(time)
            return offset, step
        m.submodules.times = times = Rom(self.roms[0], self.rom_form)
        m.d.comb += [times.address.eq(time), times.enable.eq(1)]
        return times.data[self.step_bits :] + offset, times.data[: self.step_bits]
