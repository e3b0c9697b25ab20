"""Walks over the flags of a ring of rows: one patch of flags for each output position."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..ir.geometry import Window


def patch_signature(window: Window, pixel_words: int) -> stream.Signature:
    """Patches of flags.

    `flags`: kernel row, kernel column, word of the pixel; `slots`: the ring's row under each
    kernel row; `column`: the word of a row under the first kernel column (modulo 2**bits, as it
    may lie in the padding); `frees`: rows that nobody needs once the patch is done; `ends`: the
    patch is the last one of the frame.
    """
    area = window.kernel[0] * window.kernel[1]
    return stream.Signature(
        data.StructLayout(
            {
                "flags": area * pixel_words,
                "slots": data.ArrayLayout(range(window.ring_rows), window.kernel[0]),
                "column": column_bits(window, pixel_words),
                "frees": range(window.rows + 1),
                "ends": 1,
            }
        )
    )


def column_bits(window: Window, pixel_words: int) -> int:
    """Bits of an address of the ring."""
    return max(1, (window.ring_rows * window.columns * pixel_words - 1).bit_length())


class FlagScan(wiring.Component):
    """`column` of an image row goes out, the `flags` of all ring rows there come back at once.

    `row_written` is up where a row of the image is whole. For each row of positions, once the rows
    under its kernel are there, the flags shift in column by column, one a cycle; `o` offers each
    patch until it is taken. Ring rows that nobody needs any more are told with the last patch of
    a row of positions.
    """

    def __init__(self, window: Window, pixel_words: int, windows: int) -> None:
        self.window, self.pixel_words, self.windows = window, pixel_words, windows
        self.start_column = min(window.padding[1], window.span[1] - 1)
        super().__init__(
            {
                "row_written": In(1),
                "column": Out(range(window.columns)),
                "flags": In(window.ring_rows * pixel_words),
                "o": Out(patch_signature(window, pixel_words)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        walking, row_ends, starts = Signal(), Signal(), Signal()
        inside = Signal(self.window.kernel[0])  # which kernel rows lie inside of the image
        slots = [Signal(range(self.window.ring_rows), name=f"slot_{r}") for r in range(len(inside))]
        frees, last_row = Signal(range(self.window.rows + 1)), Signal()
        self._rows(m, walking, row_ends, starts, inside, slots, frees, last_row)
        self._columns(m, walking, row_ends, starts, inside, slots, frees, last_row)
        return m

    def _rows(self, m, walking, row_ends, starts, inside, slots, frees, last_row):
        """Waits for the rows under the kernel; what holds for a whole row of positions."""
        window = self.window
        ring, out_rows = window.ring_rows, window.out_shape[0]
        first_top = -window.padding[0]
        last_top = first_top + (out_rows - 1) * window.stride[0]
        top = Signal(range(min(first_top, 0), max(last_top, 0) + 1), init=first_top)
        top_slot = Signal(range(ring), init=first_top % ring)
        out_row, window_index = Signal(range(out_rows)), Signal(range(self.windows))
        tops = [row * window.stride[0] - window.padding[0] for row in range(out_rows)]
        # At least one row, so that padding alone never starts a frame that may not come.
        bottoms = [min(max(top + window.span[0], 1), window.rows) for top in tops]
        needed = Signal(range(window.rows + 1), init=bottoms[0])  # for the next row of positions
        # Whole rows since this window began; those that are still missing once it is done.
        seen = Signal(range(-window.rows, window.rows + ring + 1))
        final = Signal()
        m.d.comb += [
            final.eq(out_row == out_rows - 1),
            starts.eq(~walking & (~self.o.valid | self.o.ready) & (seen >= needed)),
        ]
        window_rows = Mux(starts & final, window.rows, 0)
        m.d.sync += seen.eq(seen + self.row_written - window_rows)
        with m.If(row_ends):
            m.d.sync += walking.eq(0)
        with m.If(starts):
            m.d.sync += [
                walking.eq(1),
                frees.eq(Array([Const(gone) for _, gone in window.ring_steps])[out_row]),
                needed.eq(Array([Const(rows) for rows in (*bottoms[1:], bottoms[0])])[out_row]),
                last_row.eq(final & (window_index == self.windows - 1)),
            ]
            for row, (flag, slot) in enumerate(zip(inside, slots, strict=True)):
                image_row = top + row * window.dilation[0]
                ahead = Array([Const((k + row * window.dilation[0]) % ring) for k in range(ring)])
                m.d.sync += [
                    flag.eq((image_row >= 0) & (image_row < window.rows)),
                    slot.eq(ahead[top_slot]),
                ]
            following = Array([Const((k + window.stride[0]) % ring) for k in range(ring)])
            # The next window begins below this one's last image row.
            again = window.rows - out_rows * window.stride[0] + window.stride[0]
            below = Array([Const((k + again) % ring) for k in range(ring)])
            m.d.sync += [
                out_row.eq(Mux(final, 0, out_row + 1)),
                top.eq(Mux(final, first_top, top + window.stride[0])),
                top_slot.eq(Mux(final, below[top_slot], following[top_slot])),
            ]
            with m.If(final):
                at_end = window_index == self.windows - 1
                m.d.sync += window_index.eq(Mux(at_end, 0, window_index + 1))

    def _columns(self, m, walking, row_ends, starts, inside, slots, frees, last_row):
        """Shifts the flags of one column a cycle under the kernel; offers every stride-th patch."""
        window, words = self.window, self.pixel_words
        span, stride, padding = window.span[1], window.stride[1], window.padding[1]
        count = window.out_shape[1]
        walk = (count - 1) * stride + span
        at = Signal(range(walk), init=self.start_column)
        phase, left = Signal(range(max(span, stride))), Signal(range(count + 1))
        step, hit, there = Signal(), Signal(), Signal()
        patch = self.o.payload
        m.d.comb += [
            step.eq(walking & (~self.o.valid | self.o.ready)),
            row_ends.eq(step & (at == walk - 1)),
            hit.eq(phase == 0),
            there.eq((at >= padding) & (at < padding + window.columns)),
            self.column.eq(at - padding),
            Cat(patch.slots).eq(Cat(slots)),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(step):
            m.d.sync += [
                at.eq(at + 1),
                phase.eq(Mux(hit, stride - 1, phase - 1)),
                self.o.valid.eq(hit),
            ]
        with m.If(step & hit):
            m.d.sync += [
                left.eq(left - 1),
                patch.column.eq(patch.column + stride * words),
                patch.frees.eq(Mux(left == 1, frees, 0)),
                patch.ends.eq(last_row & (left == 1)),
            ]
        with m.If(starts):
            m.d.sync += [
                at.eq(self.start_column),
                phase.eq(span - 1 - self.start_column),
                left.eq(count),
                patch.column.eq((-padding - stride) * words),
            ]
        m.d.comb += patch.flags.eq(Cat(*self._shifted(m, step, starts, there, inside, slots)))

    def _shifted(self, m, step, starts, there, inside, slots):
        """The flags under the kernel, row by row, from registers that move on with `step`."""
        window, words = self.window, self.pixel_words
        stored = [self.flags.word_select(slot, words) for slot in range(window.ring_rows)]
        taps = []
        for row, slot in enumerate(slots):
            held = [Signal(words, name=f"flags_{row}_{k}") for k in range(window.span[1])]
            newest = Mux(inside[row] & there, Array(stored)[slot], 0)
            with m.If(step):
                m.d.sync += [a.eq(b) for a, b in zip(held, [*held[1:], newest], strict=True)]
            with m.If(starts):
                m.d.sync += [register.eq(0) for register in held]
            taps += held[:: window.dilation[1]]
        return taps
