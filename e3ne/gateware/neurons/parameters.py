"""Parameters of neurons, a channel at a time: constants where they are equal, else a ROM."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from amaranth.hdl import Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...ir import Array
from ...ir.ranges import Range
from ..rom import Rom, RomForm, RomImage, pack
from .arithmetic import shape_of


class ChannelParameters(wiring.Component):
    """The parameters of the channels of the word that is at hand.

    Element p of a frame in wire order has channel p mod channels, so the channels of words
    repeat after `groups` words: channels / lanes where lanes divides the channels, 1 where it is a
    multiple. A field with one value, or with one group, is constant; the rest share a ROM called
    `name` (`roms`), one word a group, read ahead.

    Members: `next_word` (the next word is at hand from the next cycle on), `ready` (the values are
    there: always but in the first cycle after reset), `group` (the ROM's fields). `value(field,
    lane)` is the parameter of a lane. Reset: the next word is the first of a frame.
    """

    def __init__(
        self,
        name: str,
        fields: Mapping[str, int | Array],
        lanes: int,
        channels: int,
        rom_form: RomForm,
    ) -> None:
        tables = {field: np.atleast_1d(np.asarray(table)) for field, table in fields.items()}
        self.single = {
            field: int(table[0]) for field, table in tables.items() if np.all(table == table[0])
        }
        self.tables = {field: table for field, table in tables.items() if field not in self.single}
        if self.tables and channels % lanes and lanes % channels:
            raise ValueError(f"{name}: found {lanes} lanes for {channels} channels of parameters")
        self.lanes, self.rom_form = lanes, rom_form
        self.groups = max(1, channels // lanes) if self.tables else 1
        self.layout = data.StructLayout(
            {
                field: data.ArrayLayout(_shape(table), lanes)
                for field, table in self.tables.items()
                if self.groups > 1
            }
        )
        self.roms = (self._image(name),) if self.groups > 1 else ()
        super().__init__({"next_word": In(1), "ready": Out(1), "group": Out(self.layout)})

    def value(self, field: str, lane: int) -> Value:
        """The parameter of a lane of the word at hand."""
        if field in self.single:
            return Const(self.single[field], _shape(np.array([self.single[field]])))
        table = self.tables[field]
        if self.groups == 1:
            number = int(table[lane % len(table)])
            return Const(number, _shape(np.array([number])))
        return self.group[field][lane]

    def _image(self, name: str) -> RomImage:
        words = []
        for group in range(self.groups):
            word, offset = 0, 0
            for table in self.tables.values():
                bits = _shape(table).width
                part = table[group * self.lanes : (group + 1) * self.lanes].tolist()
                word |= pack(part, bits) << offset
                offset += self.lanes * bits
            words.append(word)
        return RomImage(name, self.layout.size, tuple(words))

    def elaborate(self, platform):
        m = Module()
        if self.groups == 1:
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


def _shape(table: Array) -> Shape:
    return shape_of(Range(int(table.min()), int(table.max())))
