"""Parameters of neurons, a word at a time: constants where words are alike, else a ROM."""

from __future__ import annotations

import math
from collections.abc import Mapping

from amaranth.hdl import Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...ir import Array, SpikeType
from ...ir.parameters import parameter_words
from ...ir.ranges import Range
from ..rom import Rom, RomForm, RomImage, pack
from .arithmetic import shape_of


class NeuronParameters(wiring.Component):
    """The parameters of the neurons of the word at hand.

    A field is a scalar, one value a channel or one a neuron of `type`. Windows travel in wire
    order, so what the words of a window need repeats after some of them (`parameter_words`). A
    field that repeats with every word is constant; the rest share a ROM called `name` (`roms`),
    read ahead, of as many words (`groups`) as it takes until all of them repeat.

    Members: `next_word` (the next word is at hand from the next cycle on), `ready` (the values are
    there: always but in the first cycle after reset), `group` (the ROM's fields). `value(field,
    lane)` is the parameter of a lane. Reset: the next word is the first of a frame.
    """

    def __init__(
        self,
        name: str,
        fields: Mapping[str, int | Array],
        lanes: int,
        type: SpikeType,
        rom_form: RomForm,
    ) -> None:
        self.words = {
            field: parameter_words(parameter, type, lanes) for field, parameter in fields.items()
        }
        self.groups = math.lcm(*(len(words) for words in self.words.values()))
        self.lanes, self.rom_form = lanes, rom_form
        self.stored = {field: words for field, words in self.words.items() if len(words) > 1}
        self.layout = data.StructLayout(
            {field: data.ArrayLayout(_shape(words), lanes) for field, words in self.stored.items()}
        )
        self.roms = (self._image(name),) if self.stored else ()
        super().__init__({"next_word": In(1), "ready": Out(1), "group": Out(self.layout)})

    def value(self, field: str, lane: int) -> Value:
        """The parameter of a lane of the word at hand."""
        if field in self.stored:
            return self.group[field][lane]
        number = self.words[field][:, lane]
        return Const(int(number[0]), _shape(number))

    def _image(self, name: str) -> RomImage:
        images = []
        for group in range(self.groups):
            image, offset = 0, 0
            for words in self.stored.values():
                bits = _shape(words).width
                image |= pack(words[group % len(words)].tolist(), bits) << offset
                offset += self.lanes * bits
            images.append(image)
        return RomImage(name, self.layout.size, tuple(images))

    def elaborate(self, platform):
        m = Module()
        if not self.roms:
            m.d.comb += self.ready.eq(1)
            return m
        m.submodules.rom = rom = Rom(self.roms[0], self.rom_form)
        group = Signal(range(self.groups))
        next_group = Signal.like(group)
        following = Mux(group == self.groups - 1, 0, group + 1)
        m.d.comb += [
            next_group.eq(Mux(self.next_word, following, group)),
            rom.address.eq(next_group),
            rom.enable.eq(1),
            self.group.eq(rom.data),
        ]
        m.d.sync += [group.eq(next_group), self.ready.eq(1)]
        return m


def _shape(values: Array) -> Shape:
    return shape_of(Range(int(values.min()), int(values.max())))
