"""Sliding windows from memory: rows in a ring of block RAM, one slice of a patch read a cycle."""

from __future__ import annotations

from amaranth.hdl import Array, Const, Module, Mux, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..ir import Storage
from ..ir.geometry import Fold, Window
from .memory_kinds import memory_attributes
from .streams import Word


class RowMemory(wiring.Component):
    """Words of `fold.in_lanes` channels in, slices out, in the order of the weight ROM.

    `i` carries the image in wire order, `word.lanes` channels a word. `o` repeats, for each output
    position, for each group, for each of `fold.outs` output words, the words under the kernel:
    kernel row, kernel column, channels of the group; padding reads as zero; `last` on the last
    slice of each `windows` windows. A ring of rows (memory of the kind `storage`) is filled while
    it is read, so output rows and frames follow each other without a gap.

    Cycles a window without stalls: `ir.row_cycles.row_memory_cycles`. Latency: three cycles
    after the last word of the rows under the first patch.
    """

    def __init__(
        self,
        word: Word,
        window: Window,
        fold: Fold,
        windows: int = 1,
        storage: Storage = Storage.AUTO,
    ) -> None:
        assert word.lanes == fold.in_lanes
        self.word = word
        self.window = window
        self.fold = fold
        self.windows = windows
        self.storage = storage
        self.out = word
        self.ring_rows = window.ring_rows
        self.pixel_words = window.channels // fold.in_lanes
        self.row_words = window.columns * self.pixel_words
        super().__init__({"i": In(word.signature), "o": Out(word.signature)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.rows = rows = memory.Memory(
            shape=unsigned(self.word.value_bits),
            depth=self.ring_rows * self.row_words,
            init=[],
            attrs=memory_attributes(self.storage),
        )
        filled = Signal(range(self.ring_rows + 1))  # whole rows in the ring, from `oldest` on
        row_written = Signal()
        freed = Signal.like(filled)
        m.d.sync += filled.eq(filled + row_written - freed)
        self._write(m, rows.write_port(), filled, row_written)
        self._read(m, rows.read_port(), filled + row_written, freed)
        return m

    def _row_start(self, slot):
        return Array([Const(row * self.row_words) for row in range(self.ring_rows)])[slot]

    def _next_slot(self, slot):
        return Mux(slot == self.ring_rows - 1, 0, slot + 1)

    def _write(self, m, port, filled, row_written):
        slot = Signal(range(self.ring_rows), name="write_slot")
        position = Signal(range(self.row_words), name="write_position")
        row_ends = position == self.row_words - 1
        taken = self.i.valid & self.i.ready
        m.d.comb += [
            self.i.ready.eq(filled != self.ring_rows),
            port.addr.eq(self._row_start(slot) + position),
            port.data.eq(self.i.payload.values.as_value()),
            port.en.eq(taken),
            row_written.eq(taken & row_ends),
        ]
        with m.If(taken):
            m.d.sync += position.eq(Mux(row_ends, 0, position + 1))
        with m.If(row_written):
            m.d.sync += slot.eq(self._next_slot(slot))

    def _read(self, m, port, there, freed):
        """Walks over one output row after the other, each when the rows under the kernel are there.

        With the last slice of a row those that left the kernel are freed; where not all of them
        have come yet they are `owed`, and the next row waits.
        """
        window = self.window
        out_rows = window.out_shape[0]
        first_top = -window.padding[0]
        # `top`: the image row under the first kernel row. `oldest`: the first that is not freed.
        last_top = first_top + (out_rows - 1) * window.stride[0]
        top = Signal(range(min(first_top, 0), max(last_top, 0) + 1), init=first_top)
        oldest = Signal(range(window.rows + 1))
        oldest_slot = Signal(range(self.ring_rows))
        out_row, next_row = Signal(range(out_rows)), Signal(range(out_rows))
        last_row, window_index = Signal(), Signal(range(self.windows))
        walking, row_ends = Signal(), Signal()
        owed, leaves = Signal.like(freed), Signal.like(freed)
        released, goes_on, starts = Signal(), Signal(), Signal()
        needs = Array([Const(rows) for rows, _ in window.ring_steps])
        m.d.comb += [
            last_row.eq(out_row == out_rows - 1),
            next_row.eq(Mux(last_row, 0, out_row + 1)),
            leaves.eq(Array([Const(gone) for _, gone in window.ring_steps])[out_row]),
            # What happens if the row ends in this cycle, and if none is walked over.
            goes_on.eq(there >= leaves + needs[next_row]),
            starts.eq(~walking & (there >= owed + needs[out_row])),
            released.eq(Mux(row_ends, there >= leaves, ~walking & (there >= owed))),
        ]
        with m.If(row_ends):
            m.d.sync += [out_row.eq(next_row), top.eq(top + window.stride[0]), owed.eq(leaves)]
            with m.If(last_row):
                last_window = window_index == self.windows - 1
                m.d.sync += [
                    top.eq(first_top),
                    window_index.eq(Mux(last_window, 0, window_index + 1)),
                ]
        with m.If(row_ends | ~walking):
            m.d.sync += walking.eq(Mux(row_ends, goes_on, starts))
        with m.If(released):
            gone = Mux(row_ends, leaves, owed)
            slot = oldest_slot + gone
            ends_image = Mux(row_ends, last_row, out_row == 0)
            m.d.comb += freed.eq(gone)
            m.d.sync += [
                owed.eq(0),
                oldest.eq(Mux(ends_image, 0, oldest + gone)),
                oldest_slot.eq(Mux(slot >= self.ring_rows, slot - self.ring_rows, slot)),
            ]

        ends_frame = last_row & (window_index == self.windows - 1)
        self._walk(m, walking, row_ends, top, oldest, oldest_slot, ends_frame, port)

    def _walk(self, m, walking, row_ends, top, oldest, oldest_slot, ends_frame, port):
        """The nest of counters over one output row, and the two stages behind it."""
        window, fold = self.window, self.fold
        group_words = self.pixel_words // fold.groups
        moves = Signal()  # both stages move together
        m.d.comb += moves.eq(~self.o.valid | self.o.ready)
        names = ("channel", "kernel_column", "kernel_row", "out", "group", "out_column")
        counts = (
            group_words,
            window.kernel[1],
            window.kernel[0],
            fold.outs,
            fold.groups,
            window.out_shape[1],
        )
        index = {n: Signal(range(c), name=f"{n}_index") for n, c in zip(names, counts, strict=True)}
        carry = walking & moves
        for name, count in zip(names, counts, strict=True):  # innermost first
            at_end = index[name] == count - 1
            with m.If(carry):
                m.d.sync += index[name].eq(Mux(at_end, 0, index[name] + 1))
            carry = carry & at_end
        m.d.comb += row_ends.eq(carry)

        image_row = top + index["kernel_row"] * window.dilation[0]
        image_column = (
            index["out_column"] * window.stride[1]
            + index["kernel_column"] * window.dilation[1]
            - window.padding[1]
        )
        inside = Signal()
        column = Signal(range(window.columns))
        ahead = Signal(range(2 * self.ring_rows))
        slot = Signal(range(self.ring_rows))
        m.d.comb += [
            inside.eq(
                (image_row >= 0)
                & (image_row < window.rows)
                & (image_column >= 0)
                & (image_column < window.columns)
            ),
            column.eq(image_column),
            ahead.eq(oldest_slot + (image_row - oldest)),
            slot.eq(Mux(ahead >= self.ring_rows, ahead - self.ring_rows, ahead)),
            port.addr.eq(
                self._row_start(slot)
                + column * self.pixel_words
                + index["group"] * group_words
                + index["channel"]
            ),
            port.en.eq(walking & moves),
        ]
        read = Signal()
        padded = Signal()
        last = Signal()
        with m.If(moves):
            m.d.sync += [
                read.eq(walking),
                padded.eq(~inside if any(window.padding) else 0),
                last.eq(row_ends & ends_frame),
                self.o.valid.eq(read),
                self.o.payload.values.eq(
                    Mux(padded, 0, port.data) if any(window.padding) else port.data
                ),
                self.o.payload.last.eq(last),
            ]
