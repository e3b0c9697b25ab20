"""Upsampling: every pixel becomes a block of pixels, word by word in wire order."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..ir.geometry import upsample_held_words
from ..ir.ops import Upsample2d
from .streams import Word


class UpsampleUnit(wiring.Component):
    """`i`: words of a small image, `lanes` channels of a pixel each; `o`: those of the large one.

    A word of `o` is one of `i` with a sign bit, or zero. Fill "zero" needs no memory: a word passes
    in the cycle in which it comes, zeros are made between and behind. Fill "repeat" keeps
    `ir.geometry.upsample_held_words` words: a row of the small image where rows are repeated, one
    pixel where only columns are; the next ones are taken while these are sent for the last time.
    One word a cycle in either way (`ir.engine_cycles.upsample_cycles`); latency
    `ir.engine_cycles.upsample_latency`. The first word of an image is always one of `i`, so
    nothing starts a frame that may not come. `last` is on the last word of each `windows` windows.
    Reset forgets the frame.
    """

    def __init__(
        self, word: Word, op: Upsample2d, source: tuple[int, ...], windows: int = 1
    ) -> None:
        self.word, self.op, self.windows = word, op, windows
        channels, self.rows, self.columns = source
        self.groups = channels // word.lanes
        self.held_words = upsample_held_words(op, source, word.lanes)
        self.out = Word(word.lanes, word.steps, word.bits + (not word.signed), True)
        super().__init__({"i": In(word.signature), "o": Out(self.out.signature)})

    def elaborate(self, platform):
        m = Module()
        moves = Signal()  # the walk over the large image goes on by one word
        walk = _Walk(m, self, moves)
        if self.op.fill == "zero":
            self._insert_zeros(m, walk, moves)
        elif self.held_words == 1:
            self._repeat_one(m, walk, moves)
        else:
            self._repeat(m, walk, moves)
        return m

    def _show(self, m: Module, packed) -> None:
        """The packed values of a small word on the port, each with a sign bit."""
        values = Signal(self.word.layout["values"].shape)
        m.d.comb += values.as_value().eq(packed)
        for lane in range(self.out.lanes):
            for step in range(self.out.steps):
                m.d.comb += self.o.payload.values[lane][step].eq(values[lane][step])

    def _insert_zeros(self, m: Module, walk: _Walk, moves) -> None:
        shown = (walk.row_copy == 0) & (walk.column_copy == 0)
        m.d.comb += [
            self.o.valid.eq(~shown | self.i.valid),
            self.i.ready.eq(shown & self.o.ready),
            self.o.payload.last.eq(walk.ends),
            moves.eq(self.o.valid & self.o.ready),
        ]
        self._show(m, Mux(shown, self.i.payload.values.as_value(), 0))

    def _repeat_one(self, m: Module, walk: _Walk, moves) -> None:
        """One word in a register: a pixel of one word, repeated before the next one comes."""
        held = Signal(self.word.value_bits)
        full = Signal()
        m.d.comb += [
            self.o.valid.eq(full),
            self.o.payload.last.eq(walk.ends),
            moves.eq(full & self.o.ready),
            self.i.ready.eq(~full | (moves & walk.last_use)),
        ]
        self._show(m, held)
        with m.If(self.i.ready):
            m.d.sync += full.eq(self.i.valid)
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += held.eq(self.i.payload.values)

    def _repeat(self, m: Module, walk: _Walk, moves) -> None:
        """A ring of `held_words` words; the walk waits for the word that it needs."""
        size = self.held_words
        words = memory.Memory(shape=unsigned(self.word.value_bits), depth=size, init=[])
        m.submodules.words = words
        write, read = words.write_port(), words.read_port()
        filled = Signal(range(size + 1))  # words there, counted from the oldest one still needed
        slot, oldest = Signal(range(size)), Signal(range(size))
        taken, frees, free_place = Signal(), Signal(), Signal()
        at = walk.place if self.op.factor[0] > 1 else walk.group
        m.d.comb += [
            self.i.ready.eq(filled != size),
            taken.eq(self.i.valid & self.i.ready),
            write.addr.eq(slot),
            write.data.eq(self.i.payload.values),
            write.en.eq(taken),
            free_place.eq(~self.o.valid | self.o.ready),
            moves.eq(free_place & (filled > (at - oldest).as_unsigned()[: len(filled)])),
            frees.eq(moves & walk.last_use),
            read.addr.eq(at),
            read.en.eq(moves),
        ]
        m.d.sync += filled.eq(filled + taken - frees)
        for pointer, steps_on in ((slot, taken), (oldest, frees)):
            with m.If(steps_on):
                m.d.sync += pointer.eq(Mux(pointer == size - 1, 0, pointer + 1))
        with m.If(free_place):
            m.d.sync += [self.o.valid.eq(moves), self.o.payload.last.eq(walk.ends)]
        self._show(m, read.data)


class _Walk:
    """Counters over the words of the large image: group, column, its copy, row, its copy, window.

    `place` is the word's place in its row of the small image. `last_use`: no later word of the
    large image carries the same small word. `ends`: the last word of a frame.
    """

    def __init__(self, m: Module, unit: UpsampleUnit, moves) -> None:
        op = unit.op
        self.group = Signal(range(unit.groups))
        self.place = Signal(range(unit.columns * unit.groups))
        group_ends = self.group == unit.groups - 1
        column_starts = Signal(range(unit.columns * unit.groups))
        m.d.comb += self.place.eq(column_starts + self.group)
        with m.If(moves):
            m.d.sync += self.group.eq(Mux(group_ends, 0, self.group + 1))

        self.column_copy, column_copied, column_ends = self._axis(
            m, "column", unit.columns, op.factor[1], op.crop[1], moves & group_ends
        )
        carry = moves & group_ends & column_copied
        with m.If(carry):
            m.d.sync += column_starts.eq(Mux(column_ends, 0, column_starts + unit.groups))
        carry = carry & column_ends
        self.row_copy, row_copied, row_ends = self._axis(
            m, "row", unit.rows, op.factor[0], op.crop[0], carry
        )
        window = Signal(range(unit.windows))
        last_window = window == unit.windows - 1
        with m.If(carry & row_copied & row_ends):
            m.d.sync += window.eq(Mux(last_window, 0, window + 1))
        self.last_use = column_copied & row_copied
        self.ends = group_ends & column_copied & column_ends & row_copied & row_ends & last_window

    def _axis(self, m: Module, name: str, size: int, factor: int, crop: int, moves):
        """(copy, whether it is the last of this row or column, whether that one is the last)."""
        index, copy = Signal(range(size), name=name), Signal(range(factor), name=f"{name}_copy")
        ends = index == size - 1
        copied = Signal(name=f"{name}_copied")
        m.d.comb += copied.eq(copy == Mux(ends, factor - 1 - crop, factor - 1))
        with m.If(moves):
            m.d.sync += copy.eq(Mux(copied, 0, copy + 1))
            with m.If(copied):
                m.d.sync += index.eq(Mux(ends, 0, index + 1))
        return copy, copied, ends
