"""Two frames of counted events: one is being received while the other leaves."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .streams import Word


class EventMemory(wiring.Component):
    """Counts events in a bank of `words` words; sends it as a frame when it is closed.

    Members: `counts` (an event of this cycle: lane `lane` and step `step` of word `place` get one
    more, up to the largest value), `closes` (the frame ends with this cycle, perhaps without an
    event), `room` (the frame of the next cycle has a bank), `clear` (no longer at work on the
    contents from before a reset: `words` cycles), `o`: the frames' words, `last` on the last.

    Banks have one read and one write port each. An event reads its word in its cycle and writes it
    in the next one; an event for the same word right behind it gets what was written. A frame
    that leaves reads a word and writes zero in one cycle, so no time goes into clearing. The first
    word is offered 3 cycles after `closes`; a bank has room again when its last word is taken.
    """

    def __init__(self, word: Word, words: int) -> None:
        self.word, self.words = word, words
        super().__init__(
            {
                "counts": In(1),
                "closes": In(1),
                "place": In(range(words)),
                "lane": In(range(word.lanes)),
                "step": In(range(word.steps)),
                "room": Out(1),
                "clear": Out(1),
                "o": Out(word.signature),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bank, closed, full = Signal(), Signal(2), Signal(2)
        m.d.comb += self.room.eq(~closed.bit_select(bank ^ self.closes, 1))
        with m.If(self.closes):
            m.d.sync += [closed.bit_select(bank, 1).eq(1), bank.eq(~bank)]

        # One cycle later: the event's word is there, and is written back.
        counted, closing, counted_bank = Signal(), Signal(), Signal()
        address, lane, step = (Signal.like(x) for x in (self.place, self.lane, self.step))
        same, written = Signal(), Signal(self.word.value_bits)
        old, new = Signal(self.word.value_bits), Signal(self.word.value_bits)
        m.d.comb += new.eq(self._counted(old, lane, step))
        repeats = counted & (counted_bank == bank) & (address == self.place)
        m.d.sync += [
            *(counted.eq(self.counts), closing.eq(self.closes), counted_bank.eq(bank)),
            *(address.eq(self.place), lane.eq(self.lane), step.eq(self.step)),
            *(same.eq(repeats), written.eq(new)),
        ]
        with m.If(closing):
            m.d.sync += full.bit_select(counted_bank, 1).eq(1)

        sends, out_bank, position, shown = self._send(m, closed, full)
        rows = []
        for index in range(2):
            m.submodules[f"bank{index}"] = contents = memory.Memory(
                shape=self.word.value_bits, depth=self.words, init=[]
            )
            read, write = contents.read_port(), contents.write_port()
            looks_up = self.counts & (bank == index)
            clears = (sends & (out_bank == index)) | ~self.clear
            m.d.comb += [
                read.addr.eq(Mux(looks_up, self.place, position)),
                read.en.eq(looks_up | clears),
                write.addr.eq(Mux(clears, position, address)),
                write.data.eq(Mux(clears, 0, new)),
                write.en.eq(clears | (counted & (counted_bank == index))),
            ]
            rows.append(read.data)
        m.d.comb += [
            old.eq(Mux(same, written, Mux(counted_bank, rows[1], rows[0]))),
            self.o.payload.values.eq(Mux(shown, rows[1], rows[0])),
        ]
        return m

    def _send(
        self, m: Module, closed: Signal, full: Signal
    ) -> tuple[Value, Signal, Signal, Signal]:
        """(a word is read, of this bank, at this position; the bank of the word in `o`)."""
        out_bank, shown, position = Signal(), Signal(), Signal(range(self.words))
        sends, free, ends = Signal(), Signal(), Signal()
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            sends.eq(full.bit_select(out_bank, 1) & free),
            ends.eq(position == self.words - 1),
        ]
        with m.If(sends | ~self.clear):
            m.d.sync += position.eq(Mux(ends, 0, position + 1))
        with m.If(ends):
            m.d.sync += self.clear.eq(1)
        with m.If(free):
            m.d.sync += self.o.valid.eq(sends)
        with m.If(sends):
            m.d.sync += [self.o.payload.last.eq(ends), shown.eq(out_bank)]
            with m.If(ends):
                m.d.sync += [full.bit_select(out_bank, 1).eq(0), out_bank.eq(~out_bank)]
        with m.If(self.o.valid & self.o.ready & self.o.payload.last):
            m.d.sync += closed.bit_select(shown, 1).eq(0)
        return sends, out_bank, position, shown

    def _counted(self, word: Value, lane: Value, step: Value) -> Value:
        """`word` with one more at its lane and step."""
        bits, largest = self.word.bits, (1 << self.word.bits) - 1
        counts = []
        for k in range(self.word.lanes * self.word.steps):
            here = (lane == k // self.word.steps) & (step == k % self.word.steps)
            count = word[k * bits : (k + 1) * bits]
            counts.append((count + (here & (count != largest)))[:bits])
        return Cat(counts)
