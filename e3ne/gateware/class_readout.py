"""The output port that sends the class alone: one beat a frame, and a frame a cycle."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..ir import Readout as Rule
from ..ir.cycles import CLASS_WAYS, class_stages
from .frame_input import VERDICT, RegisterSlice, beat_signature
from .pipeline import registered
from .readout_numbers import Numbers
from .streams import Word

Candidate = tuple[Value, Value]
"""(a number, the lane that it came from)."""


class ClassReadout(wiring.Component):
    """The place of the element with the largest number, the lowest one on a tie.

    Members `i`: words of the output edge, elements in wire order, window after window; `verdict`:
    one bit for each frame (`Verdicts`); `o`: one beat a frame, unsigned, of `beat_bits`, with
    `last`. A frame with verdict 0 leaves nothing.

    Numbers are those of `Readout`. The lanes of a word meet in a tree of comparisons, 4 in a
    register stage; where a frame has several words the best one so far meets the next word's. A
    word a cycle, so a frame a cycle where all numbers come in one word;
    `ir.cycles.class_readout_latency_cycles` from a frame's last word to its beat, or as soon as
    its verdict is there. `i.ready` comes from registers. Reset forgets every frame.

    Errors as of `Numbers`; ValueError where a class needs more than `beat_bits`.
    """

    def __init__(self, word: Word, elements: int, windows: int, rule: Rule, beat_bits: int) -> None:
        if elements > 1 << beat_bits:
            raise ValueError(f"readout: found {elements} classes in {beat_bits} bits")
        self.word, self.elements = word, elements
        self.words = elements // word.lanes
        self.numbers = Numbers(word, elements, windows, rule)
        super().__init__(
            {
                "i": In(word.signature),
                "verdict": In(VERDICT),
                "o": Out(beat_signature(beat_bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        beat = beat_signature(unsigned((self.elements - 1).bit_length()))
        m.submodules.result = result = RegisterSlice(beat)
        advance = Signal()
        best, is_whole = self._best(m, advance)
        m.d.comb += [
            # What is in the pipeline moves unless a class stands at its end and finds no room.
            advance.eq(result.i.ready | ~is_whole),
            self.i.ready.eq(advance),
            result.i.valid.eq(is_whole),
            result.i.p.data.eq(best),
            result.i.p.last.eq(1),
        ]
        self._judge(m, result.o)
        return m

    def _best(self, m: Module, advance: Value) -> tuple[Value, Value]:
        """(class, "a frame's class is here") at the end of the pipeline."""
        rows = None
        if self.numbers.adds_up:
            m.submodules.numbers = rows = memory.Memory(
                shape=self.word.lanes * self.numbers.bits, depth=self.words, init=[]
            )
        walked = self.numbers.walked(m, self.i, advance, rows)
        valid: Value = walked.valid & walked.in_last_window
        marks = {"ends": walked.ends_frame, "word": walked.word}
        found: list[Candidate] = [(number, _lane(k)) for k, number in enumerate(walked.lanes)]
        stages = class_stages(self.word.lanes)
        for stage in range(stages):
            groups = (found[k : k + CLASS_WAYS] for k in range(0, len(found), CLASS_WAYS))
            found = [largest(group) for group in groups]
            if stage == stages - 1 and self.words == 1:
                break  # the register behind is the result's
            values, valid, marks = registered(
                m, advance, [list(one) for one in found], valid, marks, f"best{stage}"
            )
            found = [(number, lane) for number, lane in values]
        number, lane = found[0]
        if self.words == 1:
            return lane, valid  # its last window has one word
        return self._running(m, advance, number, lane, valid, marks)

    def _running(
        self, m: Module, advance: Value, number: Value, lane: Value, valid: Value, marks
    ) -> tuple[Value, Value]:
        """The best of a frame's words so far, this one's among them."""
        best = Signal(number.shape())
        best_class = Signal(range(self.elements))
        winner, better = Signal(range(self.elements)), Signal()
        m.d.comb += [
            better.eq((marks["word"] == 0) | (number > best)),
            winner.eq(Mux(better, marks["word"] * self.word.lanes + lane, best_class)),
        ]
        with m.If(advance & valid):
            m.d.sync += [best.eq(Mux(better, number, best)), best_class.eq(winner)]
        return winner, valid & marks["ends"]

    def _judge(self, m: Module, result) -> None:
        """A class and its verdict leave together."""
        good = self.verdict.payload
        m.d.comb += [
            self.o.valid.eq(result.valid & self.verdict.valid & good),
            self.o.p.data.eq(result.p.data),
            self.o.p.last.eq(1),
            result.ready.eq(self.verdict.valid & (~good | self.o.ready)),
            self.verdict.ready.eq(result.valid & (~good | self.o.ready)),
        ]


def largest(candidates: list[Candidate]) -> Candidate:
    """The candidate of the largest number, the first of equal ones: all pairs are compared."""
    beats = [
        [later[0] > earlier[0] for later in candidates[k + 1 :]]
        for k, earlier in enumerate(candidates)
    ]
    number, lane = candidates[-1]
    for k in reversed(range(len(candidates) - 1)):
        # Of those from k on it is k's turn where no later one is larger.
        stays = ~Cat(beats[k]).any()
        number = Mux(stays, candidates[k][0], number)
        lane = Mux(stays, candidates[k][1], lane)
    return number, lane


def _lane(index: int) -> Value:
    return Value.cast(index)
