"""Read-only memories in two forms: Amaranth memory (simulation) and `$readmemh` file (Verilog)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from amaranth.hdl import Const, Instance, Module, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..ir.graph import Storage
from .loaded_rom import Fill, add_loaded

RomForm = Literal["memory", "file"]

ROM_STYLES = {Storage.AUTO: "", Storage.BLOCK: "block", Storage.LUT: "logic"}
"""Parameter STYLE of `e3ne_rom`, which becomes `rom_style`: a ROM in LUTs is logic."""

RAM_STYLES = {Storage.AUTO: "", Storage.BLOCK: "block", Storage.LUT: "distributed"}


def memory_attributes(storage: Storage) -> dict[str, str]:
    """`attrs` of an Amaranth memory that is written and read: where it lies."""
    style = RAM_STYLES[storage]
    return {"ram_style": style} if style else {}


@dataclass(frozen=True)
class RomImage:
    """The contents of one ROM: `words` of `width_bits` bits; file `rom/<name>.hex`.

    `fill` where the memory has no contents of its own and is filled after each
    reset; nobody may read it before.
    """

    name: str
    width_bits: int
    words: tuple[int, ...]
    fill: Fill | None = field(default=None, compare=False, repr=False)


class Rom(wiring.Component):
    """A ROM with one registered read port.

    Members: `address`, `enable`, `data`. With `enable` high at a clock edge `data` holds
    the word at `address` after it; else it keeps its value. Undefined before the first enable.
    `storage` asks for block RAM or LUTs.
    """

    def __init__(self, image: RomImage, form: RomForm, storage: Storage = Storage.AUTO) -> None:
        self.image = image
        self.form = form
        self.storage = storage
        address_bits = max(1, (len(image.words) - 1).bit_length())
        super().__init__(
            {
                "address": In(unsigned(address_bits)),
                "enable": In(1),
                "data": Out(unsigned(image.width_bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        depth = len(self.image.words)
        if self.image.fill is not None:
            add_loaded(m, self, self.image.fill)
            return m
        if self.form == "memory":
            m.submodules.memory = contents = memory.Memory(
                shape=unsigned(self.image.width_bits), depth=depth, init=list(self.image.words)
            )  # simulated only, so without a style
            read = contents.read_port(domain="comb")
            m.d.comb += read.addr.eq(self.address)
            word = read.data
        else:
            word = Signal(self.image.width_bits)
            m.submodules.memory = Instance(
                "e3ne_rom",
                p_WIDTH=self.image.width_bits,
                p_DEPTH=depth,
                p_ADDRESS_WIDTH=len(self.address),
                p_FILE=f"rom/{self.image.name}.hex",
                p_STYLE=ROM_STYLES[self.storage],
                i_address=self.address if depth > 1 else Const(0, 1),
                o_data=word,
            )
        with m.If(self.enable):
            m.d.sync += self.data.eq(word)
        return m


def pack(values: Sequence[int], bits: int) -> int:
    """Integers as two's complement fields of `bits` bits, the first lowest."""
    mask = (1 << bits) - 1
    word = 0
    for index, value in enumerate(values):
        word |= (int(value) & mask) << (index * bits)
    return word
