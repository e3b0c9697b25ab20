"""The output port: trains become one number an element; bad frames vanish here."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..ir import Readout as Rule
from ..ir.graph import WORD_BITS
from .frame_input import VERDICT, beat_signature
from .readout_numbers import Numbers
from .select import selected
from .streams import Word


class Readout(wiring.Component):
    """Number of each element over all steps and windows, then the class with the largest.

    Members `i`: words of the output edge, elements in wire order, window after window; `verdict`:
    one bit for each frame (`Verdicts`), taken at the frame's end; `o`: beats of 32
    bits, signed: the numbers of `elements` in the same order, then, where `has_class`, the place
    of the largest, the lowest one on a tie; `last` on the last beat. A frame with verdict 0 is
    consumed and leaves nothing.

    Numbers: sum (COUNT, MEAN), last or largest integer of an element. They lie in a memory of two
    banks: a frame is collected, a word a cycle, while the one before is sent, a beat a cycle
    (`ir.cycles.readout_cycles`); `readout_latency_cycles` from a frame's last word to its first
    beat. A frame has to be whole before it leaves, because only its end says whether it is good.
    `o` and `i.ready` come from registers. Reset forgets every frame.

    DoesNotFit where a number may need more than 32 bits; ValueError where lanes do not
    divide the elements.
    """

    def __init__(
        self, word: Word, elements: int, windows: int, rule: Rule, has_class: bool = True
    ) -> None:
        self.word, self.elements, self.windows, self.rule = word, elements, windows, rule
        self.has_class = has_class
        self.words = elements // word.lanes
        self.numbers = Numbers(word, elements, windows, rule)
        super().__init__(
            {
                "i": In(word.signature),
                "verdict": In(VERDICT),
                "o": Out(beat_signature(signed(WORD_BITS))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.numbers = numbers = memory.Memory(
            shape=self.word.lanes * self.numbers.bits, depth=2 * self.words, init=[]
        )
        filled = Signal(range(3))
        stored, released = Signal(), Signal()
        m.d.sync += filled.eq(filled + stored - released)
        m.d.comb += stored.eq(self._collect(m, numbers, filled == 2))
        m.d.comb += released.eq(self._send(m, numbers, filled != 0))
        return m

    # -------------------------------------------------------------------------- collecting

    def _collect(self, m: Module, numbers: memory.Memory, full: Value) -> Value:
        """Words into a bank; returns "a frame is complete with this cycle"."""
        advance, bank = Signal(), Signal()
        walked = self.numbers.walked(m, self.i, advance, numbers, bank)
        m.d.comb += [advance.eq(~(walked.valid & full)), self.i.ready.eq(advance)]
        complete = walked.valid & advance & walked.ends_frame
        with m.If(complete):
            m.d.sync += bank.eq(~bank)
        return complete

    # ----------------------------------------------------------------------------- sending

    def _send(self, m: Module, numbers: memory.Memory, available: Value) -> Value:
        """Beats of the other bank; returns "a bank is free with this cycle"."""
        read = numbers.read_port()
        sending, bank, free = Signal(), Signal(), Signal()
        starts, sends, ends = Signal(), Signal(), Signal()
        word, lane = Signal(range(self.words)), Signal(range(self.word.lanes))
        count = Signal(range(self.elements + 1))
        final = self.elements if self.has_class else self.elements - 1
        ends_word, next_word = Signal(), Signal(range(self.words))
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            self.verdict.ready.eq(~sending & available),
            starts.eq(self.verdict.valid & self.verdict.ready),
            sends.eq(sending & free),
            ends.eq(sends & (count == final)),
            ends_word.eq(lane == self.word.lanes - 1),
            next_word.eq(Mux(sending & (word != self.words - 1), word + 1, 0)),
            read.addr.eq(next_word + Mux(bank, self.words, 0)),
            read.en.eq(starts | (sends & ends_word)),
        ]
        bits = self.numbers.bits
        row = [read.data[k * bits : (k + 1) * bits] for k in range(self.word.lanes)]
        number = self.numbers.number(selected(row, lane))
        with m.If(free):
            m.d.sync += [self.o.valid.eq(sending), self.o.p.last.eq(ends)]
        beat = Mux(ends, self._best_class(m, count), number) if self.has_class else number
        with m.If(starts):
            m.d.sync += [sending.eq(self.verdict.payload), word.eq(0), lane.eq(0), count.eq(0)]
        with m.If(sends):
            m.d.sync += [
                self.o.p.data.eq(beat),
                count.eq(count + 1),
                lane.eq(Mux(ends_word, 0, lane + 1)),
                sending.eq(~ends),
            ]
            with m.If(ends_word):
                m.d.sync += word.eq(next_word)
        drops = starts & ~self.verdict.payload
        with m.If(ends | drops):
            m.d.sync += bank.eq(~bank)
        return ends | drops

    def _best_class(self, m: Module, count: Value) -> Value:
        """The class of the largest number so far, the one in `o` among them (class count - 1)."""
        best = Signal(signed(WORD_BITS))
        best_class, winner = Signal(range(self.elements)), Signal(range(self.elements))
        better = (count == 1) | (self.o.p.data > best)
        m.d.comb += winner.eq(Mux(better, count - 1, best_class))
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [best_class.eq(winner), best.eq(Mux(better, self.o.p.data, best))]
        return winner
