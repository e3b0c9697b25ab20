"""Weights in a memory without contents of its own: filled once after each reset, then only read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from amaranth.hdl import ClockSignal, Instance, Module, Mux, Signal, unsigned
from amaranth.lib import memory

if TYPE_CHECKING:
    from .rom import Rom, RomImage


@dataclass(frozen=True, eq=False)
class Fill:
    """How the words of a memory come: `data` is written to `address` in each cycle with `write`.

    Whoever fills it (`WeightLoader`) drives these signals from outside of the memory's module. In
    a cycle with `write` nothing is read.
    """

    write: Signal
    address: Signal
    data: Signal


def loaded(image: RomImage) -> RomImage:
    """The same words for a memory that has to be filled with them."""
    address_bits = max(1, (len(image.words) - 1).bit_length())
    fill = Fill(
        Signal(name="fill_write"),
        Signal(address_bits, name="fill_address"),
        Signal(image.width_bits, name="fill_data"),
    )
    return replace(image, fill=fill)


def add_loaded(m: Module, rom: Rom, fill: Fill) -> None:
    """The inside of a Rom whose image has a `fill`: one port, which writes or reads.

    Verilog: `e3ne_loaded_rom`, which Yosys's `synth_ice40 -spram` makes of SB_SPRAM256KA.
    """
    depth = len(rom.image.words)
    if rom.form == "memory":
        m.submodules.memory = contents = memory.Memory(
            shape=unsigned(rom.image.width_bits), depth=depth, init=[]
        )
        write, read = contents.write_port(), contents.read_port(domain="comb")
        m.d.comb += [
            *(write.en.eq(fill.write), write.addr.eq(fill.address), write.data.eq(fill.data)),
            read.addr.eq(rom.address),
        ]
        with m.If(rom.enable & ~fill.write):
            m.d.sync += rom.data.eq(read.data)
        return
    m.submodules.memory = Instance(
        "e3ne_loaded_rom",
        p_WIDTH=rom.image.width_bits,
        p_DEPTH=depth,
        p_ADDRESS_WIDTH=len(rom.address),
        i_clk=ClockSignal(),
        i_address=Mux(fill.write, fill.address, rom.address),
        i_enable=fill.write | rom.enable,
        i_write=fill.write,
        i_write_data=fill.data,
        o_data=rom.data,
    )
