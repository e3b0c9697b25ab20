"""Sliding windows that leave out zeros: rows in a ring of memory, and a flag for each slice."""

from __future__ import annotations

from amaranth.hdl import Array, Const, Module, Mux, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..ir.geometry import Fold, Window
from .event_pick import EventPick
from .event_scan import FlagScan
from .slices import AddressedSlice
from .streams import Word


class EventRows(wiring.Component):
    """Words of `fold.in_lanes` channels in, the slices under the kernel that are not zero out.

    `i` carries the image in wire order, `word.lanes` channels a word. `o`: for each output
    position, for each group, for each of `fold.outs` output words, the slices of the group's
    channels under the kernel that are not zero at all steps: kernel row, kernel column, channels;
    one `empty` slice where there is none. Padding has no slices. `last` ends the last of `windows`
    windows. A ring of rows is filled while it is read, so frames follow each other without a gap.

    Cycles: max(1, slices left) for an output word; a position takes at least stride columns, and
    between two rows of positions the flags under the next kernel are fetched
    (`ir.event_cycles.event_rows_cycles`). Latency from the last word of the rows under the first
    kernel to the first slice: 2 + `row_start_cycles` + `PICK_LATENCY`. Reset: a new frame.
    """

    def __init__(self, word: Word, window: Window, fold: Fold, windows: int = 1) -> None:
        assert word.lanes == fold.in_lanes
        assert fold.in_memory
        self.word, self.window, self.fold, self.windows = word, window, fold, windows
        self.pixel_words = window.channels // fold.in_lanes
        self.row_words = window.columns * self.pixel_words
        self.out = AddressedSlice(word, fold.words)
        super().__init__({"i": In(word.signature), "o": Out(self.out.signature)})

    def elaborate(self, platform):
        m = Module()
        ring = self.window.ring_rows
        m.submodules.rows = rows = memory.Memory(
            shape=unsigned(self.word.value_bits), depth=ring * self.row_words, init=[]
        )
        m.submodules.flags = flags = memory.Memory(
            shape=unsigned(ring * self.pixel_words), depth=self.window.columns, init=[]
        )
        m.submodules.scan = scan = FlagScan(self.window, self.pixel_words, self.windows)
        m.submodules.pick = pick = EventPick(self.out, self.window, self.fold)
        self._write(m, rows.write_port(), flags, scan.row_written, pick.frees)
        seen = flags.read_port(domain="comb")
        m.d.comb += [seen.addr.eq(scan.column), scan.flags.eq(seen.data)]
        wiring.connect(m, scan.o, pick.i)
        read = rows.read_port()
        m.d.comb += [
            read.addr.eq(pick.address),
            read.en.eq(pick.reads),
            pick.data.eq(read.data),
        ]
        wiring.connect(m, pick.o, wiring.flipped(self.o))
        return m

    def _write(self, m, port, flags, row_written, frees):
        """Words into the ring; a cycle later their flags, a pixel at a time, and whole rows."""
        ring, pixel_words = self.window.ring_rows, self.pixel_words
        # Whole rows in the ring; below 0 where rows that nobody needs were freed before they came.
        filled = Signal(range(-ring, ring + 1))
        slot, column = Signal(range(ring)), Signal(range(self.window.columns))
        channel = Signal(range(pixel_words))
        pixel_ends, row_ends, taken = Signal(), Signal(), Signal()
        at = Signal(range(ring * self.row_words))
        starts = Array([Const(k * self.row_words) for k in range(ring)])
        m.d.comb += [
            self.i.ready.eq(filled != ring),
            taken.eq(self.i.valid & self.i.ready),
            pixel_ends.eq(channel == pixel_words - 1),
            row_ends.eq(pixel_ends & (column == self.window.columns - 1)),
            port.addr.eq(at),
            port.data.eq(self.i.payload.values.as_value()),
            port.en.eq(taken),
        ]
        next_slot = Mux(slot == ring - 1, 0, slot + 1)
        with m.If(taken):
            m.d.sync += [channel.eq(Mux(pixel_ends, 0, channel + 1)), at.eq(at + 1)]
            with m.If(pixel_ends):
                m.d.sync += column.eq(Mux(row_ends, 0, column + 1))
            with m.If(row_ends):
                m.d.sync += [slot.eq(next_slot), at.eq(starts[next_slot])]
        m.d.sync += filled.eq(filled + (taken & row_ends) - frees)

        pixel = Signal(pixel_words)  # the flags of the newest words, channel 0 lowest
        whole, whole_slot = Signal(), Signal.like(slot)
        whole_column, whole_row = Signal.like(column), Signal()
        newest = self.i.payload.values.as_value().any()
        m.d.sync += [
            whole.eq(taken & pixel_ends),
            whole_row.eq(taken & row_ends),
        ]
        with m.If(taken):
            shifted = newest if pixel_words == 1 else (pixel >> 1) | (newest << (pixel_words - 1))
            m.d.sync += [pixel.eq(shifted), whole_slot.eq(slot), whole_column.eq(column)]
        write = flags.write_port(granularity=pixel_words)
        m.d.comb += [
            write.addr.eq(whole_column),
            write.data.eq(pixel.replicate(ring)),
            write.en.eq(whole << whole_slot),
            row_written.eq(whole_row),
        ]
