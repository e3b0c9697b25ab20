# amaranth: UnusedElaboratable=no
"""A memory that has to be filled: both its forms, Amaranth's and Verilog's, hold the same words."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from amaranth.hdl import Module, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from e3ne.emit import template
from e3ne.emit.verilog import to_verilog
from e3ne.gateware.loaded_rom import loaded
from e3ne.gateware.network import loaded_memories
from e3ne.gateware.rom import Rom, RomForm, RomImage
from e3ne.ir.weight_port import LoadedMemory
from e3ne.toolchain import icarus

OPERATIONS = 120


class Filled(wiring.Component):
    """A loaded Rom whose writes come from ports."""

    def __init__(self, width: int, depth: int, form: RomForm) -> None:
        self.rom = Rom(loaded(RomImage("some.weight", width, (0,) * depth)), form)
        address = unsigned(len(self.rom.address))
        super().__init__(
            {
                "address": In(address),
                "enable": In(1),
                "write": In(1),
                "place": In(address),
                "word": In(width),
                "data": Out(width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.rom = rom = self.rom
        fill = rom.image.fill
        assert fill is not None
        m.d.comb += [
            *(fill.write.eq(self.write), fill.address.eq(self.place), fill.data.eq(self.word)),
            *(rom.address.eq(self.address), rom.enable.eq(self.enable), self.data.eq(rom.data)),
        ]
        return m


def operations(width: int, depth: int) -> list[tuple[int, int, int, int, int]]:
    """(write, place, word, enable, address) a cycle: all words, then reads and few writes."""
    chance = random.Random(width)
    filling = [(1, k, chance.getrandbits(width), 0, 0) for k in range(depth)]
    return filling + [
        (
            *(int(chance.random() < 0.1), chance.randrange(depth), chance.getrandbits(width)),
            *(int(chance.random() < 0.7), chance.randrange(depth)),
        )
        for _ in range(OPERATIONS)
    ]


def expected_words(steps: list[tuple[int, int, int, int, int]], depth: int) -> list[int]:
    """`data` after each step from the first read on."""
    contents, data, shown = [0] * depth, None, []
    for write, place, word, enable, address in steps:
        if write:
            contents[place] = word
        elif enable:
            data = contents[address]
        if data is not None:
            shown.append(data)
    return shown


def in_memory_form(
    width: int, depth: int, steps: list[tuple[int, int, int, int, int]]
) -> list[int]:
    design = Filled(width, depth, "memory")
    simulator, words = Simulator(design), []
    simulator.add_clock(1e-6)

    async def process(ctx):
        for step in steps:
            names = ("write", "place", "word", "enable", "address")
            for name, value in zip(names, step, strict=True):
                ctx.set(getattr(design, name), value)
            await ctx.tick()
            words.append(ctx.get(design.data))

    simulator.add_testbench(process)
    simulator.run()
    return words


def in_file_form(
    width: int, depth: int, steps: list[tuple[int, int, int, int, int]], folder: Path
) -> list[int]:
    design = Filled(width, depth, "file")
    names = ["address", "enable", "write", "place", "word", "data"]
    text = to_verilog(design, "dut", [getattr(design, name) for name in names])
    bits = len(design.address)
    drive = "\n".join(
        f"write = {w}; place = {p}; word = {width}'h{d:x}; enable = {e}; address = {a};"
        ' #1 clk = 1; #1 $display("word %h", data); clk = 0;'
        for w, p, d, e, a in steps
    )
    bench = f"""
module bench;
    reg clk = 0, rst = 0, enable, write;
    reg [{bits - 1}:0] address, place;
    reg [{width - 1}:0] word;
    wire [{width - 1}:0] data;
    dut dut (.clk(clk), .rst(rst), .address(address), .enable(enable), .write(write),
        .place(place), .word(word), .data(data));
    initial begin
        {drive}
    end
endmodule
"""
    for name, content in (
        ("dut.v", text),
        ("e3ne_loaded_rom.v", template("e3ne_loaded_rom.v")),
        ("bench.v", bench),
    ):
        (folder / name).write_text(content)
    icarus.compile(["bench.v", "dut.v", "e3ne_loaded_rom.v"], "bench", folder, "bench.vvp")
    printed = icarus.simulate("bench.vvp", folder)
    words = [line.split()[1] for line in printed.splitlines() if line.startswith("word ")]
    return [int(word, 16) for word in words if "x" not in word]


@pytest.mark.parametrize(("width", "depth"), [(1, 5), (16, 9), (64, 33), (13, 1)])
def test_both_forms_of_a_loaded_memory_agree(width, depth, tmp_path):
    steps = operations(width, depth)
    expected = expected_words(steps, depth)
    assert in_memory_form(width, depth, steps)[-len(expected) :] == expected
    assert in_file_form(width, depth, steps, tmp_path) == expected


def test_only_images_to_fill_are_filled():
    plain, filled = RomImage("a", 4, (1, 2)), loaded(RomImage("b", 5, (3, 4, 5)))
    assert loaded_memories((plain, filled)) == (LoadedMemory("b", 5, 3),)
    assert filled == RomImage("b", 5, (3, 4, 5))
