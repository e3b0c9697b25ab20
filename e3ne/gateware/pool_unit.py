"""Pooling: the largest value or the sum under the kernel, per channel and step."""

from __future__ import annotations

from typing import Literal

from amaranth.hdl import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ir.ranges import Range
from .pipeline import reduced, registered
from .streams import Word


class PoolUnit(wiring.Component):
    """`i`: words of `pixel_lanes` x kernel positions x `out_lanes` channels; `o`: currents.

    One word a cycle; latency `ir.engine_cycles.pool_latency`. The pipeline stalls as a whole.
    """

    def __init__(
        self,
        word: Word,
        out_lanes: int,
        currents: Range,
        kind: Literal["max", "sum"],
        pixel_lanes: int = 1,
    ) -> None:
        self.word = word
        self.out_lanes = out_lanes
        self.kind = kind
        self.pixel_lanes = pixel_lanes
        self.current_bits = currents.signed_bits
        self.out = Word(out_lanes * pixel_lanes, word.steps, self.current_bits, True)
        super().__init__({"i": In(word.signature), "o": Out(self.out.signature)})

    def elaborate(self, platform):
        m = Module()
        positions = self.word.lanes // self.out.lanes
        moves = ~self.o.valid | self.o.ready
        terms = [
            [
                [
                    self.i.payload.values[position * self.out_lanes + lane][step]
                    for position in range(pixel * positions, (pixel + 1) * positions)
                ]
                for step in range(self.word.steps)
            ]
            for pixel in range(self.pixel_lanes)
            for lane in range(self.out_lanes)
        ]
        valid, marks = self.i.valid, {"ends": self.i.payload.last}
        m.d.comb += self.i.ready.eq(moves)
        combine = (lambda a, b: a + b) if self.kind == "sum" else (lambda a, b: Mux(a > b, a, b))
        level = 0
        while level == 0 or len(terms[0][0]) > 1:
            level += 1
            terms = [[reduced(step, combine) for step in lane] for lane in terms]
            terms, valid, marks = registered(m, moves, terms, valid, marks, f"pool{level}")
        m.d.comb += [
            self.o.valid.eq(valid),
            self.o.payload.last.eq(marks["ends"]),
        ]
        for lane, steps in enumerate(terms):
            for step, (value,) in enumerate(steps):
                m.d.comb += self.o.payload.values[lane][step].eq(value)
        return m
