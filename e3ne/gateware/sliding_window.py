"""Sliding windows in registers: rows in a line memory, the patch under the kernel in flip-flops."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..ir.geometry import Window
from .streams import Word


class SlidingWindow(wiring.Component):
    """Pixels in, patches out: for each output position all elements under the kernel.

    `i` carries one pixel a word (all channels), `o` the patches of `pixel_lanes` neighbouring
    output columns side by side; a patch lists its elements kernel row by kernel row, column by
    column, channel by channel; `last` is on the last patch of each `windows` windows. The unit
    walks over the padded image, one position a cycle, and takes a pixel where the walk is inside
    of the image. A finished patch stays until it is taken, and the walk waits for that. Cycles:
    `ir.engine_cycles.folded_window_cycles`. Latency: one cycle after the last pixel under the
    kernel. Reset forgets the frame; the line memory needs none, because every row under a kernel
    was walked in the same frame.
    """

    def __init__(self, word: Word, window: Window, pixel_lanes: int = 1, windows: int = 1) -> None:
        self.word = word
        self.window = window
        self.pixel_lanes = pixel_lanes
        self.windows = windows
        elements = window.kernel[0] * window.kernel[1] * window.channels
        self.out = Word(elements * pixel_lanes, word.steps, word.bits, word.signed)
        super().__init__({"i": In(word.signature), "o": Out(self.out.signature)})

    def elaborate(self, platform):
        m = Module()
        window, pixel_bits = self.window, self.word.value_bits
        span_rows, span_columns = window.span
        walk_rows, walk_columns = window.walk
        held_columns = span_columns + (self.pixel_lanes - 1) * window.stride[1]

        row = _Axis(m, "row", walk_rows)
        column = _Axis(m, "column", walk_columns)
        step = Signal()  # the walk moves on by one position
        inside = Signal()
        pending = Signal()  # the registers hold a patch that was not taken yet
        waits = inside
        if any(pad >= span for pad, span in zip(window.padding, window.span, strict=True)):
            # Padding alone must not start a frame that may not come.
            waits = inside | ((row.index == 0) & (column.index == 0))
        m.d.comb += [
            inside.eq(
                row.within(window.padding[0], window.rows)
                & column.within(window.padding[1], window.columns)
            ),
            step.eq((~waits | self.i.valid) & (~pending | self.o.ready)),
            self.i.ready.eq(inside & (~pending | self.o.ready)),
            self.o.valid.eq(pending),
        ]
        with m.If(step):
            column.advance(m)
            with m.If(column.at_end):
                row.advance(m)

        pixel = Signal(pixel_bits)
        m.d.comb += pixel.eq(Mux(inside, self.i.payload.values.as_value(), 0))
        above = self._lines(m, column, step, pixel, span_rows - 1)
        newest = [*above, pixel]  # top row of the kernel first
        registers = [
            [Signal(pixel_bits, name=f"patch_{r}_{c}") for c in range(held_columns)]
            for r in range(span_rows)
        ]
        with m.If(step):
            for r in range(span_rows):
                for c in range(held_columns):
                    shifted = newest[r] if c == held_columns - 1 else registers[r][c + 1]
                    m.d.sync += registers[r][c].eq(shifted)

        row_hit, row_final = row.patch_ends(
            m, span_rows, window.stride[0], window.out_shape[0], step & column.at_end
        )
        column_hit, column_final = column.patch_ends(
            m,
            held_columns,
            window.stride[1] * self.pixel_lanes,
            window.out_shape[1] // self.pixel_lanes,
            step,
        )
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
            registers[r * window.dilation[0]][p * window.stride[1] + c * window.dilation[1]]
            for p in range(self.pixel_lanes)
            for r in range(window.kernel[0])
            for c in range(window.kernel[1])
        ]
        m.d.comb += [self.o.payload.values.eq(Cat(*taps)), self.o.payload.last.eq(last)]
        return m

    def _lines(self, m, column, step, pixel, rows):
        """The `rows` pixels above the current one, top first; shifts them down at each step."""
        if rows == 0:
            return []
        bits = len(pixel)
        above = Signal(rows * bits)
        moved = Cat(above[bits:], pixel)
        if column.size == 1:
            with m.If(step):
                m.d.sync += above.eq(moved)
        else:
            lines = memory.Memory(shape=unsigned(rows * bits), depth=column.size, init=[])
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


class _Axis:
    """One coordinate of the walk: a counter over `size` positions of the padded image."""

    def __init__(self, m: Module, name: str, size: int) -> None:
        self.name = name
        self.size = size
        self.index = Signal(range(size), name=name)
        self.at_end = Signal(name=f"{name}_at_end")
        self.next = Signal(range(size), name=f"{name}_next")
        m.d.comb += [
            self.at_end.eq(self.index == size - 1),
            self.next.eq(Mux(self.at_end, 0, self.index + 1)),
        ]

    def advance(self, m: Module) -> None:
        m.d.sync += self.index.eq(self.next)

    def within(self, start: int, count: int):
        """Whether the position lies in start .. start + count - 1."""
        low = self.index >= start if start else 1
        high = self.index < start + count if start + count < self.size else 1
        return low & high

    def patch_ends(self, m: Module, span: int, stride: int, count: int, moves):
        """(a patch ends at this position, and it is the last of `count`).

        Patch k ends at position span - 1 + k * stride; `phase` counts down to the next one. Patch
        `count` would end behind the walk: it would lie within the padded image otherwise.
        """
        phase = Signal(range(max(span, stride)), init=span - 1, name=f"{self.name}_phase")
        left = Signal(range(count + 1), init=count, name=f"{self.name}_left")
        hit = Signal(name=f"{self.name}_hit")
        m.d.comb += hit.eq(phase == 0)
        with m.If(moves):
            with m.If(self.at_end):
                m.d.sync += [phase.eq(span - 1), left.eq(count)]
            with m.Elif(phase != 0):
                m.d.sync += phase.eq(phase - 1)
            with m.Else():
                m.d.sync += [phase.eq(stride - 1), left.eq(left - 1)]
        return hit, left == 1
