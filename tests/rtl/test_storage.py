"""Where memories lie when the mapping says so: Yosys obeys."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from e3ne.emit import template
from e3ne.emit.verilog import to_verilog
from e3ne.gateware.rom import Rom, RomImage, memory_attributes
from e3ne.ir import Storage
from e3ne.toolchain import yosys

DEPTH, WIDTH = 64, 16  # AUTO: in LUTs on both families


class Ram(wiring.Component):
    """A memory that is written and read, `attrs` those of `storage`."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        address = unsigned((DEPTH - 1).bit_length())
        super().__init__(
            {"at": In(address), "to": In(address), "data": In(WIDTH), "word": Out(WIDTH)}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = memory.Memory(
            shape=unsigned(WIDTH), depth=DEPTH, init=[], attrs=memory_attributes(self.storage)
        )
        write, read = words.write_port(), words.read_port()
        m.d.comb += [
            *(write.addr.eq(self.to), write.data.eq(self.data), write.en.eq(1)),
            *(read.addr.eq(self.at), self.word.eq(read.data)),
        ]
        return m


def synthesized(folder: Path, dut, ports: list[Signal], family: str) -> dict[str, int]:
    """Cells of the design."""
    (folder / "dut.v").write_text(to_verilog(dut, "dut", ports))
    (folder / "e3ne_rom.v").write_text(template("e3ne_rom.v"))
    return yosys.synthesize(family, ["e3ne_rom.v", "dut.v"], "dut", folder, "net")


@pytest.mark.parametrize(
    ("family", "cell", "storage", "in_block"),
    [
        ("ecp5", "KD", Storage.AUTO, False),
        ("ecp5", "KD", Storage.BLOCK, True),
        ("ecp5", "KD", Storage.LUT, False),
        ("ice40", "SB_RAM40_4K", Storage.BLOCK, True),
    ],
)
def test_weights_lie_where_the_mapping_says(tmp_path, family, cell, storage, in_block):
    (tmp_path / "rom").mkdir()
    depth = 512 if storage is Storage.LUT else DEPTH  # AUTO would take block RAM for so many
    words = tuple((k * 40503) & 0xFFFF for k in range(depth))
    (tmp_path / "rom" / "w.hex").write_text("".join(f"{word:x}\n" for word in words))
    rom = Rom(RomImage("w", WIDTH, words), "file", storage)
    cells = synthesized(tmp_path, rom, [rom.address, rom.enable, rom.data], family)
    assert any(cell in kind for kind in cells) == in_block


@pytest.mark.parametrize(
    ("storage", "wanted"), [(Storage.BLOCK, "KD"), (Storage.LUT, "TRELLIS_DPR16X4")]
)
def test_buffers_lie_where_the_mapping_says(tmp_path, storage, wanted):
    ram = Ram(storage)
    cells = synthesized(tmp_path, ram, [ram.at, ram.to, ram.data, ram.word], "ecp5")
    assert any(wanted in kind for kind in cells)
    assert sum("KD" in kind for kind in cells) == (storage is Storage.BLOCK)
