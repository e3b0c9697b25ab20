"""From the trains of an output to one number an element: what all readouts have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import memory

from ..ir import DoesNotFit
from ..ir import Readout as Rule
from ..ir.cycles import readout_stages, readout_ways
from ..ir.graph import WORD_BITS
from ..ir.ranges import Range
from .neurons.arithmetic import range_of, shape_of
from .streams import Word


def readout_range(word: Word, windows: int, rule: Rule) -> Range:
    """Range of an element's number: of one integer, or of the sum of all its steps."""
    element = range_of(word.element)
    return element.times(word.steps * windows) if rule in (Rule.COUNT, Rule.MEAN) else element


@dataclass(frozen=True)
class Walked:
    """A word of numbers: `valid` while it is there, `lanes` its numbers so far.

    `word` counts the words of a window; `ends_frame` marks the last one of the last window, and
    `in_last_window` all of that one, whose numbers are whole.
    """

    valid: Value
    lanes: list[Signal]
    word: Signal
    in_last_window: Value
    ends_frame: Value


class Numbers:
    """Sum (COUNT, MEAN), last or largest integer of an element over steps and windows.

    Not a component: it adds its logic to the one that reads out. DoesNotFit where a number may
    need more than 32 bits; ValueError where lanes do not divide the elements.
    """

    def __init__(self, word: Word, elements: int, windows: int, rule: Rule) -> None:
        if elements % word.lanes:
            raise ValueError(f"readout: found {word.lanes} lanes for {elements} elements")
        self.word, self.windows, self.rule = word, windows, rule
        self.words = elements // word.lanes
        self.range = readout_range(word, windows, rule)
        self.bits = shape_of(self.range).width
        if self.range.signed_bits > WORD_BITS:
            raise DoesNotFit(
                f"readout: found numbers {self.range.low} .. {self.range.high} "
                f"({rule.value}), accepted {WORD_BITS} bits; use fewer steps or fewer bits"
            )

    @property
    def adds_up(self) -> bool:
        """Whether a number needs what the windows before it gave."""
        return self.windows > 1 and self.rule is not Rule.LAST

    def number(self, bits: Value) -> Value:
        """`bits` of a row of numbers as what they are."""
        return bits.as_signed() if shape_of(self.range).signed else bits.as_unsigned()

    def walked(
        self,
        m: Module,
        stream,
        advance: Value,
        rows: memory.Memory | None,
        bank: Value | int = 0,
    ) -> Walked:
        """Words of `stream` as numbers, behind a pipeline that moves with `advance`.

        `rows` keeps the numbers, from row `bank` x words on: those of windows that add up are read
        back. It may be None where none do.
        """
        valid, lanes = self._reduced(m, stream, advance)
        word, window = Signal(range(self.words)), Signal(range(self.windows))
        next_word = Signal(range(self.words))
        ends_window, ends_frame, store = Signal(), Signal(), Signal()
        m.d.comb += [
            ends_window.eq(word == self.words - 1),
            ends_frame.eq(ends_window & (window == self.windows - 1)),
            next_word.eq(Mux(ends_window, 0, word + 1)),
            store.eq(valid & advance),
        ]
        place = bank * self.words if isinstance(bank, int) else Mux(bank, self.words, 0)
        if self.adds_up:
            assert rows is not None
            if self.words == 1:
                read = rows.read_port(domain="comb")
                m.d.comb += read.addr.eq(word + place)
            else:  # the next word's numbers, read while this one's are written
                read = rows.read_port()
                m.d.comb += [read.addr.eq(next_word + place), read.en.eq(store)]
            lanes = self._with_kept(read.data, lanes, window == 0)
        fitted = [Signal(shape_of(self.range), name=f"number_{k}") for k in range(len(lanes))]
        m.d.comb += [number.eq(lane) for number, lane in zip(fitted, lanes, strict=True)]
        if rows is not None:
            write = rows.write_port()
            m.d.comb += [
                write.en.eq(store),
                write.addr.eq(word + place),
                write.data.eq(Cat(fitted)),
            ]
        with m.If(store):
            m.d.sync += word.eq(next_word)
            with m.If(ends_window):
                m.d.sync += window.eq(Mux(ends_frame, 0, window + 1))
        return Walked(valid, fitted, word, window == self.windows - 1, ends_frame)

    def _reduced(self, m: Module, stream, advance: Value) -> tuple[Value, list[Value]]:
        """(valid, one number a lane) of words whose steps are reduced to one, registered."""
        lanes: list[list[Value]] = []
        for lane in range(self.word.lanes):
            steps: list[Value] = [stream.p.values[lane][k] for k in range(self.word.steps)]
            lanes.append(steps[-1:] if self.rule is Rule.LAST else steps)
        valid: Value = stream.valid
        ways = readout_ways(self.rule)
        for _ in range(readout_stages(self.word.steps, self.rule)):
            merged = [[self._merged(terms[k : k + ways]) for k in range(0, len(terms), ways)]
                      for terms in lanes]  # fmt: skip
            lanes = [[_register(m, advance, value) for value in terms] for terms in merged]
            earlier, valid = valid, Signal()
            with m.If(advance):
                m.d.sync += valid.eq(earlier)
        return valid, [terms[0] for terms in lanes]

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
        merged = []
        for lane, value in enumerate(lanes):
            kept = self.number(row[lane * self.bits : (lane + 1) * self.bits])
            merged.append(Mux(first, value, self._merged([value, kept])))
        return merged


def _register(m: Module, advance: Value, value: Value) -> Value:
    register = Signal(value.shape(), reset_less=True)
    with m.If(advance):
        m.d.sync += register.eq(value)
    return register
