"""Sliding windows in registers: rows in a line memory, the patch under the kernel in flip-flops."""

from __future__ import annotations

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..ir import Storage
from ..ir.geometry import Axis, Window, window_walk
from .memory_kinds import memory_attributes
from .streams import Word


class SlidingWindow(wiring.Component):
    """Pixels in, patches out: for each output position all elements under the kernel.

    `i` carries `in_columns` pixels a word (all channels of each), `o` the patches of `pixel_lanes`
    neighbouring output columns side by side; a patch lists its elements kernel row by kernel row,
    column by column, channel by channel; `last` is on the last patch of each `windows` windows.
    The unit walks over the padded image, one word a cycle, and takes one where the walk is inside
    of the image (`ir.geometry.window_walk`). A finished patch stays until it is taken, and the
    walk waits for that. Cycles: `ir.engine_cycles.folded_window_cycles`. Latency: one cycle after
    the last pixel under the kernel. Reset forgets the frame; the line memory (in memory of the
    kind `storage`) needs none, because every row under a kernel was walked in the same frame.
    """

    def __init__(
        self,
        word: Word,
        window: Window,
        pixel_lanes: int = 1,
        windows: int = 1,
        in_columns: int = 1,
        storage: Storage = Storage.AUTO,
    ) -> None:
        assert word.lanes == window.channels * in_columns
        self.word = word
        self.window = window
        self.pixel_lanes = pixel_lanes
        self.windows = windows
        self.walk = window_walk(window, pixel_lanes, in_columns)
        self.storage = storage
        elements = window.kernel[0] * window.kernel[1] * window.channels
        self.out = Word(elements * pixel_lanes, word.steps, word.bits, word.signed)
        super().__init__({"i": In(word.signature), "o": Out(self.out.signature)})

    def elaborate(self, platform):
        m = Module()
        window, walk = self.window, self.walk
        span_rows = window.span[0]
        row = _Counter(m, "row", walk.rows)
        column = _Counter(m, "column", walk.columns)
        step = Signal()  # the walk moves on by one position
        inside = Signal()
        pending = Signal()  # the registers hold a patch that was not taken yet
        waits = inside
        if walk.begins_in_padding:
            # Padding alone must not start a frame that may not come.
            waits = inside | ((row.index == 0) & (column.index == 0))
        m.d.comb += [
            inside.eq(row.inside & column.inside),
            step.eq((~waits | self.i.valid) & (~pending | self.o.ready)),
            self.i.ready.eq(inside & (~pending | self.o.ready)),
            self.o.valid.eq(pending),
        ]
        with m.If(step):
            column.advance(m)
            with m.If(column.at_end):
                row.advance(m)

        word = Signal(self.word.value_bits)
        m.d.comb += word.eq(Mux(inside, self.i.payload.values.as_value(), 0))
        above = self._lines(m, column, step, word, span_rows - 1)
        held = self._registers(m, step, [*above, word])  # top row of the kernel first
        row_hit, row_final = row.patch_ends(m, step & column.at_end)
        column_hit, column_final = column.patch_ends(m, step)
        window_index = Signal(range(self.windows))
        last_window = window_index == self.windows - 1
        last = Signal()
        with m.If(step):
            m.d.sync += [
                pending.eq(row_hit & column_hit),
                last.eq(row_final & column_final & last_window),
            ]
            with m.If(row.at_end & column.at_end):
                m.d.sync += window_index.eq(Mux(last_window, 0, window_index + 1))
        with m.Elif(self.o.ready):
            m.d.sync += pending.eq(0)

        taps = [
            held[r * window.dilation[0]][p * window.stride[1] + c * window.dilation[1]]
            for p in range(self.pixel_lanes)
            for r in range(window.kernel[0])
            for c in range(window.kernel[1])
        ]
        m.d.comb += [self.o.payload.values.eq(Cat(*taps)), self.o.payload.last.eq(last)]
        return m

    def _registers(self, m, step, newest):
        """For each row of the kernel its held columns; each step shifts in the `newest` words.

        Registers that no patch looks at have no reader, and synthesis leaves them out.
        """
        words, columns = self.walk.columns.first + 1, self.walk.in_columns
        pixel_bits = self.word.value_bits // columns
        held = []
        for r, word in enumerate(newest):
            kept = [Signal(len(word), name=f"patch_{r}_{c}") for c in range(words)]
            with m.If(step):
                for here, following in pairwise([*kept, word]):
                    m.d.sync += here.eq(following)
            pixels = [w.word_select(c, pixel_bits) for w in kept for c in range(columns)]
            held.append(pixels[self.walk.offset :])
        return held

    def _lines(self, m, column, step, word, rows):
        """The `rows` words above the current one, top first; shifts them down at each step."""
        if rows == 0:
            return []
        bits = len(word)
        above = Signal(rows * bits)
        moved = Cat(above[bits:], word)
        if column.axis.size == 1:
            with m.If(step):
                m.d.sync += above.eq(moved)
        else:
            lines = memory.Memory(
                shape=unsigned(rows * bits),
                depth=column.axis.size,
                init=[],
                attrs=memory_attributes(self.storage),
            )
            m.submodules.lines = lines
            write, read = lines.write_port(), lines.read_port()
            m.d.comb += [
                write.addr.eq(column.index),
                write.data.eq(moved),
                write.en.eq(step),
                read.addr.eq(column.next),
                read.en.eq(step),
                above.eq(read.data),
            ]
            # The port has read nothing at the first position after reset; nor is it needed:
            # rows above the first one are never under a kernel.
        return [above.word_select(r, bits) for r in range(rows)]


class _Counter:
    """One coordinate of the walk: a counter over the positions of `axis`."""

    def __init__(self, m: Module, name: str, axis: Axis) -> None:
        self.name = name
        self.axis = axis
        self.index = Signal(range(axis.size), name=name)
        self.at_end = Signal(name=f"{name}_at_end")
        self.next = Signal(range(axis.size), name=f"{name}_next")
        m.d.comb += [
            self.at_end.eq(self.index == axis.size - 1),
            self.next.eq(Mux(self.at_end, 0, self.index + 1)),
        ]

    def advance(self, m: Module) -> None:
        m.d.sync += self.index.eq(self.next)

    @property
    def inside(self):
        """Whether the position lies in the image."""
        start, end = self.axis.start, self.axis.start + self.axis.count
        low = self.index >= start if start else 1
        high = self.index < end if end < self.axis.size else 1
        return low & high

    def patch_ends(self, m: Module, moves):
        """(a patch ends at this position, and it is the last).

        `phase` counts down to the next one. One more than there are would end behind the walk: it
        would lie within the padded image otherwise.
        """
        first, advance, count = self.axis.first, self.axis.advance, self.axis.patches
        phase = Signal(range(max(first + 1, advance)), init=first, name=f"{self.name}_phase")
        left = Signal(range(count + 1), init=count, name=f"{self.name}_left")
        hit = Signal(name=f"{self.name}_hit")
        m.d.comb += hit.eq(phase == 0)
        with m.If(moves):
            with m.If(self.at_end):
                m.d.sync += [phase.eq(first), left.eq(count)]
            with m.Elif(phase != 0):
                m.d.sync += phase.eq(phase - 1)
            with m.Else():
                m.d.sync += [phase.eq(advance - 1), left.eq(left - 1)]
        return hit, left == 1
