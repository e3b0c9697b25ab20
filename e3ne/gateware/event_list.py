"""The slices of a vector that are not all zero: collected once, replayed for every output word."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .picking import lowest, selected_by, several
from .slices import AddressedSlice
from .streams import Word


class EventList(wiring.Component):
    """Words of a vector in, its slices that matter out, for each of `outs` output words.

    `i` carries a window in wire order, `word.lanes` elements a word, which are one slice of
    `in_lanes` elements or several. A slice that is zero at all steps is dropped, and so is slice k
    where `keep[k]` is false (its weights are zero): the weight ROM has rows for kept slices only,
    row `out * kept + place among the kept ones`. `o`: the slices that are left, in order; a window
    without any sends one `empty` slice a sum. `last` ends the last of `windows` windows.

    Two banks: a window is collected while the one before is replayed; the first output word is
    worked on while its window still comes, all but the slice that is the last one so far.

    Cycles: max(1, slices left) for an output word, no gap; a word in takes max(1, slices left in
    it). Latency: `ir.event_cycles.LIST_LATENCY` from a word to its slice. Reset: a new frame.
    """

    def __init__(
        self, word: Word, in_lanes: int, keep: Sequence[bool], outs: int, windows: int = 1
    ) -> None:
        self.word, self.keep, self.outs, self.windows = word, tuple(keep), outs, windows
        self.parts = word.lanes // in_lanes
        self.words = len(self.keep) // self.parts
        self.kept = sum(self.keep)
        assert self.kept
        assert self.words * self.parts == len(self.keep)
        slice_word = Word(in_lanes, word.steps, word.bits, word.signed)
        self.out = AddressedSlice(slice_word, outs * self.kept)
        super().__init__({"i": In(word.signature), "o": Out(self.out.signature)})

    def elaborate(self, platform):
        m = Module()
        row_bits = max(1, (self.kept - 1).bit_length())
        m.submodules.slices = slices = memory.Memory(
            shape=unsigned(self.out.value_bits + row_bits), depth=2 * self.kept, init=[]
        )
        # Of each bank: it holds a whole window; it holds slices, the last of them at `tail`.
        self._whole = [Signal(name=f"whole_{bank}") for bank in range(2)]
        self._some = [Signal(name=f"some_{bank}") for bank in range(2)]
        self._tail = [Signal(range(2 * self.kept), name=f"tail_{bank}") for bank in range(2)]
        self._collect(m, slices.write_port(), row_bits)
        self._replay(m, slices.read_port())
        return m

    def _collect(self, m, port, row_bits):
        """A word in a register; its slices that matter go into the bank one by one."""
        held = Signal(self.word.value_bits)
        left = Signal(self.parts)  # slices of the word that were not written yet
        rows = [Signal(row_bits, name=f"row_{part}") for part in range(self.parts)]
        pending, ends, bank = Signal(), Signal(), Signal()
        at = Signal(range(2 * self.kept))
        place = self._arrive(m, held, left, rows, pending, ends)
        room = ~Mux(bank, *reversed(self._whole))
        pushes, finished = Signal(), Signal()
        picked = lowest(left)
        bits = self.out.value_bits
        m.d.comb += [
            finished.eq(pending & room & ~several(left)),
            pushes.eq(pending & room & left.any()),
            place.eq(~pending | finished),
            port.addr.eq(at),
            port.en.eq(pushes),
            port.data.eq(
                Cat(
                    selected_by(picked, [held.word_select(k, bits) for k in range(self.parts)]),
                    selected_by(picked, rows),
                )
            ),
        ]
        with m.If(pushes):
            m.d.sync += at.eq(at + 1)
            for number in range(2):
                with m.If(bank == number):
                    m.d.sync += [self._tail[number].eq(at), self._some[number].eq(1)]
        with m.If(finished & ends):
            m.d.sync += [bank.eq(~bank), at.eq(Mux(bank, 0, self.kept))]
            for number in range(2):
                with m.If(bank == number):
                    m.d.sync += self._whole[number].eq(1)
        with m.If(pushes & ~finished):
            m.d.sync += left.eq(left & ~picked)

    def _arrive(self, m, held, left, rows, pending, ends):
        """Takes words; returns the signal that says that there is place for one."""
        place = Signal()
        index, following = Signal(range(self.words)), Signal(range(self.words))
        row = Signal(range(self.kept + 1))  # that of the word's first kept slice
        masks = [
            sum(flag << k for k, flag in enumerate(self.keep[at : at + self.parts]))
            for at in range(0, len(self.keep), self.parts)
        ]
        kept = Signal(self.parts, init=masks[0])  # which slices of the word at `index` are kept
        # The word's kept slices in front of each of its slices, and all of them at the end.
        count_bits = self.parts.bit_length()
        packed = [
            sum((mask & ~(-1 << part)).bit_count() << part * count_bits
                for part in range(self.parts + 1))
            for mask in masks
        ]  # fmt: skip
        kept_before = Signal((self.parts + 1) * count_bits, init=packed[0])
        before = [kept_before.word_select(part, count_bits) for part in range(self.parts + 1)]
        counts = Const(
            sum(word << k * len(kept_before) for k, word in enumerate(packed)),
            len(packed) * len(kept_before),
        )
        at_end = Signal()
        every = Const(sum(mask << k * self.parts for k, mask in enumerate(masks)), len(self.keep))
        bits = self.out.value_bits
        incoming = self.i.payload.values.as_value()
        there = Cat(incoming.word_select(k, bits).any() for k in range(self.parts))
        m.d.comb += [
            self.i.ready.eq(place),
            at_end.eq(index == self.words - 1),
            following.eq(Mux(at_end, 0, index + 1)),
        ]
        with m.If(place):
            m.d.sync += pending.eq(self.i.valid)
        with m.If(place & self.i.valid):
            m.d.sync += [
                held.eq(incoming),
                left.eq(there & kept),
                ends.eq(at_end),
                index.eq(following),
            ]
            for part in range(self.parts):
                m.d.sync += rows[part].eq(row + before[part])
            m.d.sync += row.eq(Mux(at_end, 0, row + before[self.parts]))
            if self.kept < len(self.keep):
                m.d.sync += kept.eq(every.word_select(following, self.parts))
                m.d.sync += kept_before.eq(counts.word_select(following, len(kept_before)))
        return place

    def _replay(self, m, port):
        """Reads a bank once for each output word, two stages before `o`."""
        moves, issues = Signal(), Signal()
        at, bank, first = Signal(range(2 * self.kept)), Signal(), Signal(init=1)
        out, window = Signal(range(self.outs)), Signal(range(self.windows))
        base = Signal(range(self.outs * self.kept))  # the ROM row of the output word's first slice
        some, whole, tail = (
            Mux(bank, *reversed(pair)) for pair in (self._some, self._whole, self._tail)
        )
        at_tail, final, done, ends_frame = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            moves.eq(~self.o.valid | self.o.ready),
            at_tail.eq(~some | (at == tail)),
            issues.eq(moves & (whole | ~at_tail)),
            final.eq(whole & at_tail),
            done.eq(final & (out == self.outs - 1)),
            ends_frame.eq(done & (window == self.windows - 1)),
            port.addr.eq(at),
            port.en.eq(issues),
        ]
        with m.If(issues):
            m.d.sync += [at.eq(at + 1), first.eq(final)]
        with m.If(issues & final):
            m.d.sync += [
                at.eq(Mux(bank ^ done, self.kept, 0)),
                out.eq(Mux(done, 0, out + 1)),
                base.eq(Mux(done, 0, base + self.kept)),
            ]
        with m.If(issues & done):
            m.d.sync += [bank.eq(~bank), window.eq(Mux(ends_frame, 0, window + 1))]
            for number in range(2):
                with m.If(bank == number):
                    m.d.sync += [self._whole[number].eq(0), self._some[number].eq(0)]
        bits = self.out.value_bits
        read = {"first": first, "final": final, "empty": ~some, "last": ends_frame}
        marks = {name: Signal(name=f"read_{name}") for name in read}
        read_valid, read_base = Signal(), Signal.like(base)
        with m.If(moves):
            m.d.sync += [
                read_valid.eq(issues),
                read_base.eq(base),
                self.o.valid.eq(read_valid),
                self.o.payload.values.eq(port.data[:bits]),
                self.o.payload.row.eq(port.data[bits:] + read_base),
            ]
            m.d.sync += [marks[name].eq(value) for name, value in read.items()]
            m.d.sync += [self.o.payload[name].eq(mark) for name, mark in marks.items()]
