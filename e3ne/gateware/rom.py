"""Read-only memories in two forms: Amaranth memory (simulation) and `$readmemh` file (Verilog)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from amaranth.hdl import Const, Instance, Module, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

RomForm = Literal["memory", "file"]


@dataclass(frozen=True)
class RomImage:
    """The contents of one ROM: `words` of `width_bits` bits; file `rom/<name>.hex`."""

    name: str
    width_bits: int
    words: tuple[int, ...]


class Rom(wiring.Component):
    """A ROM with one registered read port.

    Members: `address`, `enable`, `data`. With `enable` high at a clock edge `data` holds
    the word at `address` after it; else it keeps its value. Undefined before the first enable.
    """

    def __init__(self, image: RomImage, form: RomForm) -> None:
        self.image = image
        self.form = form
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
        if self.form == "memory":
            m.submodules.memory = contents = memory.Memory(
                shape=unsigned(self.image.width_bits), depth=depth, init=list(self.image.words)
            )
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
