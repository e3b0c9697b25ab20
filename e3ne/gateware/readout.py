"""The output port: trains become one number an element; bad frames vanish here."""

from __future__ import annotations

from typing import assert_never

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..ir import DoesNotFit
from ..ir import Readout as Rule
from ..ir.cycles import readout_stages, readout_ways
from ..ir.ranges import Range
from .frame_input import VERDICT, beat_signature
from .neurons.arithmetic import range_of, shape_of
from .select import selected
from .streams import Word

OUTPUT_BITS = 32


def readout_range(word: Word, windows: int, rule: Rule) -> Range:
    """Range of an element's number: of one integer, or of the sum of all its steps."""
    element = range_of(word.element)
    return element.times(word.steps * windows) if rule in (Rule.COUNT, Rule.MEAN) else element


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
        if elements % word.lanes:
            raise ValueError(f"readout: found {word.lanes} lanes for {elements} elements")
        self.word, self.elements, self.windows, self.rule = word, elements, windows, rule
        self.has_class = has_class
        self.words = elements // word.lanes
        self.numbers = readout_range(word, windows, rule)
        if self.numbers.signed_bits > OUTPUT_BITS:
            raise DoesNotFit(
                f"readout: found numbers {self.numbers.low} .. {self.numbers.high} "
                f"({rule.value}), accepted {OUTPUT_BITS} bits; use fewer steps or fewer bits"
            )
        super().__init__(
            {
                "i": In(word.signature),
                "verdict": In(VERDICT),
                "o": Out(beat_signature(signed(OUTPUT_BITS))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        bits = shape_of(self.numbers).width
        m.submodules.numbers = numbers = memory.Memory(
            shape=self.word.lanes * bits, depth=2 * self.words, init=[]
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
        valid, lanes = self._reduced(m, advance)
        m.d.comb += [advance.eq(~(valid & full)), self.i.ready.eq(advance)]
        word, window = Signal(range(self.words)), Signal(range(self.windows))
        next_word = Signal(range(self.words))
        write = numbers.write_port()
        ends_window, ends_frame, store = Signal(), Signal(), Signal()
        m.d.comb += [
            ends_window.eq(word == self.words - 1),
            ends_frame.eq(ends_window & (window == self.windows - 1)),
            next_word.eq(Mux(ends_window, 0, word + 1)),
            store.eq(valid & advance),
            write.en.eq(store),
            write.addr.eq(word + Mux(bank, self.words, 0)),
        ]
        if self.windows > 1 and self.rule is not Rule.LAST:
            if self.words == 1:
                read = numbers.read_port(domain="comb")
                m.d.comb += read.addr.eq(write.addr)
            else:  # the next word's numbers, read while this one's are written
                read = numbers.read_port()
                m.d.comb += [
                    read.addr.eq(next_word + Mux(bank, self.words, 0)),
                    read.en.eq(store),
                ]
            lanes = self._with_kept(read.data, lanes, window == 0)
        fitted = [Signal(shape_of(self.numbers), name=f"number_{k}") for k in range(len(lanes))]
        m.d.comb += [number.eq(lane) for number, lane in zip(fitted, lanes, strict=True)]
        m.d.comb += write.data.eq(Cat(fitted))
        with m.If(store):
            m.d.sync += word.eq(next_word)
            with m.If(ends_window):
                m.d.sync += window.eq(Mux(ends_frame, 0, window + 1))
            with m.If(ends_frame):
                m.d.sync += bank.eq(~bank)
        return store & ends_frame

    def _reduced(self, m: Module, advance: Value) -> tuple[Value, list[Value]]:
        """(valid, one number a lane) of words whose steps are reduced to one, registered."""
        lanes: list[list[Value]] = []
        for lane in range(self.word.lanes):
            steps: list[Value] = [self.i.p.values[lane][k] for k in range(self.word.steps)]
            lanes.append(steps[-1:] if self.rule is Rule.LAST else steps)
        valid: Value = self.i.valid
        ways = readout_ways(self.rule)
        for _ in range(readout_stages(self.word.steps, self.rule)):
            merged = [[self._merged(terms[k : k + ways]) for k in range(0, len(terms), ways)]
                      for terms in lanes]  # fmt: skip
            lanes = [[self._register(m, advance, value) for value in terms] for terms in merged]
            earlier, valid = valid, Signal()
            with m.If(advance):
                m.d.sync += valid.eq(earlier)
        return valid, [terms[0] for terms in lanes]

    def _register(self, m: Module, advance: Value, value: Value) -> Value:
        register = Signal(value.shape(), reset_less=True)
        with m.If(advance):
            m.d.sync += register.eq(value)
        return register

    def _merged(self, terms: list[Value]) -> Value:
        """The number of several steps or windows."""
        match self.rule:
            case Rule.COUNT | Rule.MEAN:
                total: Value = terms[0]
                for term in terms[1:]:
                    total = total + term
                return total
            case Rule.MAX:
                largest = terms[0]
                for term in terms[1:]:
                    largest = Mux(term > largest, term, largest)
                return largest
            case Rule.LAST:
                return terms[-1]
            case _:
                assert_never(self.rule)

    def _with_kept(self, row: Value, lanes: list[Value], first: Value) -> list[Value]:
        """The numbers merged with those of the windows before, which `row` holds."""
        bits = shape_of(self.numbers).width
        merged = []
        for lane, value in enumerate(lanes):
            kept = self._number(row[lane * bits : (lane + 1) * bits])
            merged.append(Mux(first, value, self._merged([value, kept])))
        return merged

    def _number(self, bits: Value) -> Value:
        return bits.as_signed() if shape_of(self.numbers).signed else bits.as_unsigned()

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
        bits = shape_of(self.numbers).width
        row = [read.data[k * bits : (k + 1) * bits] for k in range(self.word.lanes)]
        number = self._number(selected(row, lane))
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
        best = Signal(signed(OUTPUT_BITS))
        best_class, winner = Signal(range(self.elements)), Signal(range(self.elements))
        better = (count == 1) | (self.o.p.data > best)
        m.d.comb += winner.eq(Mux(better, count - 1, best_class))
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [best_class.eq(winner), best.eq(Mux(better, self.o.p.data, best))]
        return winner
