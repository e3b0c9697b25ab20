"""From patches of flags to slices: the next flag that is up, its words in two memories."""

from __future__ import annotations

from itertools import pairwise

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ir.geometry import Fold, Window
from .event_scan import column_bits, patch_signature
from .picking import encoded_by, lowest, many, selected_by, several
from .slices import AddressedSlice


class EventPick(wiring.Component):
    """`i`: patches of flags (`patch_signature`); `o`: for each sum the slices whose flag is up.

    `address` of the ring of rows goes out with `reads`, its word comes back as `data` a cycle
    later; `frees` rows are not needed any more in this cycle. For each group, for each of
    `fold.outs` output words, the flags of the group's channels; one `empty` slice where none is up.
    A slice a cycle, four cycles after its patch was taken, no gap between patches.
    """

    def __init__(self, slices: AddressedSlice, window: Window, fold: Fold) -> None:
        self.out, self.window, self.fold = slices, window, fold
        self.pixel_words = window.channels // fold.in_lanes
        self.group_words = self.pixel_words // fold.groups
        self.bits = column_bits(window, self.pixel_words)
        super().__init__(
            {
                "i": In(patch_signature(window, self.pixel_words)),
                "o": Out(slices.signature),
                "address": Out(self.bits),
                "reads": Out(1),
                "data": In(slices.value_bits),
                "frees": Out(range(window.rows + 1)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        moves, busy, first = Signal(), Signal(), Signal(init=1)
        left = Signal(self.fold.slices)  # flags of the sum that were not sent yet
        groups = [Signal(self.fold.slices, name=f"group_{g}") for g in range(self.fold.groups)]
        group, out = Signal(range(self.fold.groups)), Signal(range(self.fold.outs))
        base = Signal(range(self.fold.words))  # the ROM row of the sum's first slice
        starts = [Signal(self.bits, name=f"start_{r}") for r in range(self.window.kernel[0])]
        column = Signal(self.bits)
        frees, ends = Signal(range(self.window.rows + 1)), Signal()
        # Whether `left` has one flag or none; known a cycle ahead, as much depends on it.
        final, group_ends, done = Signal(), Signal(), Signal()
        few = [Signal(name=f"few_{g}") for g in range(self.fold.groups)]  # the same of `groups`
        m.d.comb += [
            moves.eq(~self.o.valid | self.o.ready),
            group_ends.eq(final & (out == self.fold.outs - 1)),
            done.eq(group_ends & (group == self.fold.groups - 1)),
            self.i.ready.eq(~busy | (moves & done)),
        ]
        with m.If(moves & busy):
            m.d.sync += [
                first.eq(final),
                left.eq(left & ~lowest(left)),
                final.eq(~many(left)),
                busy.eq(~done),
            ]
            with m.If(final):
                m.d.sync += [
                    left.eq(groups[0]),
                    final.eq(few[0]),
                    out.eq(Mux(group_ends, 0, out + 1)),
                    base.eq(Mux(done, 0, base + self.fold.slices)),
                ]
            with m.If(group_ends):
                m.d.sync += [group.eq(group + 1), column.eq(column + self.group_words)]
                if self.fold.groups > 1:
                    m.d.sync += [left.eq(groups[1]), final.eq(few[1])]
                m.d.sync += [a.eq(b) for row in (groups, few) for a, b in pairwise(row)]
        with m.If(self.i.valid & self.i.ready):
            patches = self._by_group(self.i.payload.flags)
            rows = [Const(slot * self._row_words) for slot in range(self.window.ring_rows)]
            m.d.sync += [
                busy.eq(1),
                group.eq(0),
                left.eq(patches[0]),
                final.eq(~several(patches[0])),
                column.eq(self.i.payload.column),
                frees.eq(self.i.payload.frees),
                ends.eq(self.i.payload.ends),
            ]
            m.d.sync += [here.eq(patch) for here, patch in zip(groups, patches, strict=True)]
            m.d.sync += [flag.eq(~several(patch)) for flag, patch in zip(few, patches, strict=True)]
            m.d.sync += [
                start.eq(Array(rows)[slot])
                for start, slot in zip(starts, self.i.payload.slots, strict=True)
            ]
        marks = {"first": first, "final": final, "empty": ~left.any(), "last": ends & done}
        counted = Mux(done, frees, 0)
        self._read(m, moves, busy, lowest(left), starts, column, base, counted, marks)
        return m

    @property
    def _row_words(self) -> int:
        return self.window.columns * self.pixel_words

    def _by_group(self, flags):
        """The flags of each group: kernel row, kernel column, word of the group."""
        words, area = self.group_words, self.window.kernel[0] * self.window.kernel[1]
        return [
            Cat(
                flags[position * self.pixel_words + g * words :][:words] for position in range(area)
            )
            for g in range(self.fold.groups)
        ]

    def _read(self, m, moves, valid, picked, starts, column, base, frees, marks):
        """Stages: the flag, its address, the memory, `o`."""
        keep = _Stages(m, moves)
        picked, column, base, frees = keep([picked, column, base, frees], "picked")
        starts, (valid,) = keep(starts, "starts"), keep([valid], "picked_valid")
        marks = dict(zip(marks, keep(list(marks.values()), "picked_mark"), strict=True))

        window, words = self.window, self.group_words
        places = [(r, c, k) for r in range(window.kernel[0]) for c in range(window.kernel[1])
                  for k in range(words)]  # fmt: skip
        offsets = [c * window.dilation[1] * self.pixel_words + k for _, c, k in places]
        row_flags = [
            picked[r * window.kernel[1] * words :][: window.kernel[1] * words].any()
            for r in range(window.kernel[0])
        ]
        row_start = selected_by(Cat(row_flags), starts)
        offset, index = encoded_by(picked, offsets), encoded_by(picked, range(len(places)))
        row_start, offset, index, column, base, frees = keep(
            [row_start, offset, index, column, base, frees], "found"
        )
        (valid,) = keep([valid], "found_valid")
        marks = dict(zip(marks, keep(list(marks.values()), "found_mark"), strict=True))
        m.d.comb += [
            self.address.eq(row_start + offset + column),
            self.reads.eq(moves & valid),
            self.frees.eq(Mux(self.reads, frees, 0)),
        ]
        row, valid = keep([base + index, valid], "read")
        marks = dict(zip(marks, keep(list(marks.values()), "read_mark"), strict=True))
        with m.If(moves):
            m.d.sync += [
                self.o.valid.eq(valid),
                self.o.payload.values.eq(self.data),
                self.o.payload.row.eq(row),
            ]
            m.d.sync += [self.o.payload[name].eq(mark) for name, mark in marks.items()]


class _Stages:
    """Registers that move together."""

    def __init__(self, m: Module, moves: Signal) -> None:
        self.m, self.moves = m, moves

    def __call__(self, values, name):
        """The values one stage later."""
        kept = [Signal(value.shape(), name=f"{name}_{k}") for k, value in enumerate(values)]
        with self.m.If(self.moves):
            self.m.d.sync += [register.eq(v) for register, v in zip(kept, values, strict=True)]
        return kept
