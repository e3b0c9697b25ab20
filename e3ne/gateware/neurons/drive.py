"""The input of a membrane: gain and offset."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...ir import Array, Dyadic, SpikeType
from ...ir.cycles import drive_stages, multiplies
from ...ir.ranges import Range, factor_range
from ..rom import RomForm, RomImage
from .arithmetic import range_of, rounded_sum, times
from .parameters import NeuronParameters
from .pipeline import Pipeline
from .steps import StepItem


def drive_range(gain: Dyadic, offset: int | Array, currents: Range) -> Range:
    """Range of gain * i + offset: each term is monotone in i, so its ends are at the ends of i."""
    found = factor_range(gain, currents)
    offsets = [int(value) for value in _flat(offset)]
    return Range(found.low + min(offsets), found.high + max(offsets))


class Drive(wiring.Component):
    """x = ((i * multiplier + half) >> shift) + offset, on the single steps of words.

    Members `i`: steps of `item`, `o`: steps wide enough for every x (`drive_range`). A step a
    cycle; latency `drive_stages(gain, offset)` cycles (>= 1: the network leaves out a drive
    that does nothing). Parameters that differ between words come from the ROM `name`. Reset
    empties it and starts at the first word of a frame.
    """

    def __init__(
        self,
        name: str,
        gain: Dyadic,
        offset: int | Array,
        item: StepItem,
        type: SpikeType,
        rom_form: RomForm,
    ) -> None:
        self.gain, self.offset, self.item = gain, offset, item
        found = drive_range(gain, offset, range_of(item.element))
        self.driven = StepItem(item.lanes, found.signed_bits)
        fields = {"multiplier": gain.multiplier, "offset": offset}
        self.parameters = NeuronParameters(name, fields, item.lanes, type, rom_form)
        self.roms: tuple[RomImage, ...] = self.parameters.roms
        super().__init__({"i": In(item.signature), "o": Out(self.driven.signature)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.parameters = parameters = self.parameters
        pipeline = Pipeline(m, self.i, self.o, parameters.ready)
        m.d.comb += parameters.next_word.eq(self.i.valid & self.i.ready & self.i.p.ends_word)
        lanes = range(self.item.lanes)
        values = [self.i.p.values[lane] for lane in lanes]
        offsets = [parameters.value("offset", lane) for lane in lanes]
        flags = [self.i.p.ends_word, self.i.p.last]
        if multiplies(self.gain):
            products = [times(values[k], parameters.value("multiplier", k)) for k in lanes]
            values = pipeline.keep(products, "product")
            offsets = pipeline.keep(offsets, "offset")
            flags = pipeline.keep(flags, "flag")
            pipeline.stage()
        if drive_stages(self.gain, self.offset) > int(multiplies(self.gain)):
            sums = [rounded_sum(values[k], self.gain.shift, offsets[k]) for k in lanes]
            values, flags = pipeline.keep(sums, "sum"), pipeline.keep(flags, "flag")
            pipeline.stage()
        outputs = [self.o.p.values[k].eq(values[k]) for k in lanes]
        pipeline.finish([*outputs, self.o.p.ends_word.eq(flags[0]), self.o.p.last.eq(flags[1])])
        return m


def _flat(parameter: int | Array) -> list[int]:
    return [parameter] if isinstance(parameter, int) else list(parameter.reshape(-1))
