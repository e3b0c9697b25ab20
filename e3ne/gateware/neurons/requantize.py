"""Neurons without a membrane: relay and requantise."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...ir import Dyadic, Relay, Requantize, SpikeType
from ...ir.cycles import multiplies
from ...ir.thresholds import compares, thresholds
from ..rom import RomForm, RomImage
from ..streams import Word
from .arithmetic import clamp, range_of, rounded_sum, times
from .parameters import NeuronParameters
from .pipeline import Pipeline


class RequantizeUnit(wiring.Component):
    """n = clip((i * multiplier + half) >> shift, low, high); a `Relay` only clips.

    Members `i`: `Word(lanes, steps, bits)`, `o`: `Word(lanes, steps_out, ...)`, words in wire
    order, with steps_out == steps or (the same integer at every step) steps == 1.
    One word a cycle. Latency 1 cycle, plus 1 where a multiplier differs from 1, plus 1
    where shift > 0. Where few levels are told apart (`ir.thresholds`), comparisons with constants
    take 1 cycle in all. Multipliers that differ between words come from the ROM
    `<name>.multiplier`. Reset empties it and starts at the first word of a frame.
    """

    def __init__(
        self,
        name: str,
        neuron: Relay | Requantize,
        i_word: Word,
        o_word: Word,
        type: SpikeType,
        rom_form: RomForm,
    ) -> None:
        self.i_word, self.o_word = i_word, o_word
        self.levels = None
        if isinstance(neuron, Requantize) and compares(neuron, type, i_word.lanes):
            self.levels = thresholds(neuron, type, i_word.lanes).tolist()
        match neuron:
            case Requantize(multiplier, shift):
                self.factor = Dyadic(multiplier, shift)
            case Relay():
                self.factor = Dyadic(1, 0)
        fields = {"multiplier": self.factor.multiplier}
        self.parameters = NeuronParameters(
            f"{name}.multiplier", fields, i_word.lanes, type, rom_form
        )
        self.roms: tuple[RomImage, ...] = self.parameters.roms
        super().__init__({"i": In(i_word.signature), "o": Out(o_word.signature)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.parameters = parameters = self.parameters
        pipeline = Pipeline(m, self.i, self.o, parameters.ready)
        m.d.comb += parameters.next_word.eq(self.i.valid & self.i.ready)
        lanes, steps = self.i_word.lanes, self.i_word.steps
        values: list[Value] = [
            self.i.p.values[lane][step] for lane in range(lanes) for step in range(steps)
        ]
        last: list[Value] = [self.i.p.last]
        if self.levels is not None:
            values = [_level(x, self.levels[k // steps]) for k, x in enumerate(values)]
        elif multiplies(self.factor):
            factors = [parameters.value("multiplier", k // steps) for k in range(len(values))]
            values = pipeline.keep(
                [times(x, f) for x, f in zip(values, factors, strict=True)], "product"
            )
            last = pipeline.keep(last, "last")
            pipeline.stage()
        if self.factor.shift and self.levels is None:
            values = pipeline.keep([rounded_sum(x, self.factor.shift) for x in values], "rounded")
            last = pipeline.keep(last, "last")
            pipeline.stage()
        span = range_of(self.o_word.element)
        values = pipeline.keep([clamp(x, span.low, span.high) for x in values], "clipped")
        last = pipeline.keep(last, "last")
        pipeline.stage()
        pipeline.finish(
            [
                self.o.p.values[lane][step].eq(values[lane * steps + step % steps])
                for lane in range(lanes)
                for step in range(self.o_word.steps)
            ]
            + [self.o.p.last.eq(last[0])]
        )
        return m


def _level(value: Value, least: list[int]) -> Value:
    """How many of one or three ascending constants a value reaches."""
    reached = [_reaches(value, constant) for constant in least]
    if len(reached) == 1:
        return reached[0]
    one, two, three = reached
    return Cat(three | (one & ~two), two)


def _reaches(value: Value, least: int) -> Value:
    """value >= least > 0: a gate a bit, from the lowest on, which few LUTs take without a carry."""
    span = range_of(value.shape())
    if least > span.high:
        return Const(0, 1)
    bits = list(value)
    if value.shape().signed:  # in order as unsigned numbers once the sign bit is inverted
        bits[-1] = ~bits[-1]
        least -= span.low
    found: Value = Const(1, 1)
    for index, bit in enumerate(bits):
        found = bit & found if least >> index & 1 else bit | found
    return found
