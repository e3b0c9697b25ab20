"""Several lanes over a vector, each of which follows its own events."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ir.event_lanes import LanePlan
from .event_lane import EventLane
from .slices import AddressedSlice
from .streams import Word


class EventLanes(wiring.Component):
    """Words of a vector in; out, for each of `outs` output words, an event of each lane at once.

    Lanes own elements as `plan` says. `o`: in each element the next of its lane's that is not zero
    at all steps, with its row in the lane's ROM; a lane that has none at hand delivers zeros. A sum
    (first .. final) ends when all lanes have delivered the window; `empty` is never up. `last` ends
    the last of `windows` windows.

    Two banks a lane: a window is collected while the one before is replayed; the first output word
    is worked on while its window still comes.

    Cycles: for an output word as many as the slowest lane has events (one more where it has none in
    the window's last word), while words come in time; a word in takes one cycle. Latency:
    `ir.event_lanes.LANES_LATENCY` from a word to its first events. Reset: a new frame.
    """

    def __init__(self, word: Word, plan: LanePlan, outs: int, windows: int = 1) -> None:
        self.word, self.plan, self.outs, self.windows = word, plan, outs, windows
        slice_word = Word(plan.in_lanes, word.steps, word.bits, word.signed)
        self.out = AddressedSlice(slice_word, outs * plan.rows, lane_rows=True)
        super().__init__({"i": In(word.signature), "o": Out(self.out.signature)})

    def elaborate(self, platform):
        m = Module()
        plan, element_bits = self.plan, self.word.steps * self.word.bits
        incoming = self.i.payload.values.as_value()
        elements = [incoming.word_select(k, element_bits) for k in range(plan.word_lanes)]
        bank, index, row = Signal(), Signal(range(plan.words)), Signal(range(plan.rows))
        taken, ends = Signal(), Signal()
        lanes = []
        for k in range(plan.in_lanes):
            lane = EventLane(plan.words, plan.places, element_bits, self.outs)
            m.submodules[f"lane_{k}"] = lane
            m.d.comb += [
                lane.word.eq(Cat(elements[k :: plan.in_lanes])),
                lane.word_row.eq(row),
                *(lane.taken.eq(taken), lane.ends.eq(ends), lane.bank.eq(bank)),
            ]
            lanes.append(lane)
        m.d.comb += [
            self.i.ready.eq(~Cat(lane.full for lane in lanes).any()),
            taken.eq(self.i.valid & self.i.ready),
            ends.eq(index == plan.words - 1),
        ]
        with m.If(taken):
            m.d.sync += [
                index.eq(Mux(ends, 0, index + 1)),
                row.eq(Mux(ends, 0, row + plan.places)),
                bank.eq(bank ^ ends),
            ]
        self._join(m, lanes)
        return m

    def _join(self, m, lanes):
        """What the lanes have at hand in a register; whoever ended its window waits for all."""
        moves, all_end, any_there = Signal(), Signal(), Signal()
        first = Signal(init=1)
        there, ended = Signal(len(lanes)), Signal(len(lanes))
        done = Signal(len(lanes))  # lanes that wait for the others
        m.d.comb += [
            moves.eq(~self.o.valid | self.o.ready),
            there.eq(Cat(lane.valid for lane in lanes) & ~done),
            ended.eq(done | (there & Cat(lane.final for lane in lanes))),
            any_there.eq(there.any()),
            all_end.eq(ended.all()),
            *(lane.goes.eq(moves & ~done[k]) for k, lane in enumerate(lanes)),
        ]
        payload = self.o.payload
        with m.If(moves):
            m.d.sync += [
                done.eq(Mux(all_end, 0, ended)),
                self.o.valid.eq(any_there),
                payload.values.eq(
                    Cat(Mux(there[k], lane.value, 0) for k, lane in enumerate(lanes))
                ),
                payload.row.eq(Cat(lane.row for lane in lanes)),
                payload.first.eq(first),
                payload.final.eq(all_end),
                payload.last.eq(self._ends_frame(m, moves & all_end) & all_end),
            ]
        with m.If(moves & any_there):
            m.d.sync += first.eq(all_end)

    def _ends_frame(self, m, ended):
        """Whether the sum at work is the last one of a frame."""
        sums = self.outs * self.windows
        number, at_end = Signal(range(sums)), Signal()
        m.d.comb += at_end.eq(number == sums - 1)
        with m.If(ended):
            m.d.sync += number.eq(Mux(at_end, 0, number + 1))
        return at_end
