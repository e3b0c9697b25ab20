"""Both forms of a ROM, Amaranth's memory and the `$readmemh` file, show the same words."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from amaranth.sim import Simulator

from e3ne.emit import template
from e3ne.emit.verilog import to_verilog
from e3ne.gateware.rom import Rom, RomImage
from e3ne.toolchain import icarus

TESTBENCH = """
module bench;
    reg clk = 0, rst = 0, enable;
    reg [{address_bits}:0] address;
    wire [{width}-1:0] data;
    integer k;
    reg [31:0] addresses [0:{count}-1];
    reg enables [0:{count}-1];
    dut dut (.clk(clk), .rst(rst), .address(address[{address_bits}-1:0]), .enable(enable),
        .data(data));
    initial begin
        {fill}
        for (k = 0; k < {count}; k = k + 1) begin
            address = addresses[k]; enable = enables[k];
            #1 clk = 1;
            #1 $display("word %h", data);
            clk = 0;
        end
    end
endmodule
"""


def words_in_memory_form(image: RomImage, reads: list[tuple[int, bool]]) -> list[int]:
    """`data` after each clock edge, in Amaranth's simulator."""
    rom = Rom(image, "memory")
    simulator = Simulator(rom)
    simulator.add_clock(1e-6)
    words = []

    async def process(ctx):
        for address, enable in reads:
            ctx.set(rom.address, address)
            ctx.set(rom.enable, enable)
            await ctx.tick()
            words.append(ctx.get(rom.data))

    simulator.add_testbench(process)
    simulator.run()
    return words


def words_in_file_form(image: RomImage, reads: list[tuple[int, bool]], folder: Path) -> list[int]:
    """`data` after each clock edge, in Icarus."""
    rom = Rom(image, "file")
    text = to_verilog(rom, "dut", [rom.address, rom.enable, rom.data])
    fill = "\n        ".join(
        f"addresses[{k}] = {address}; enables[{k}] = {int(enable)};"
        for k, (address, enable) in enumerate(reads)
    )
    bench = TESTBENCH.format(
        width=image.width_bits, address_bits=len(rom.address), count=len(reads), fill=fill
    )
    (folder / "rom").mkdir()
    digits = -(-image.width_bits // 4)
    lines = "".join(f"{word:0{digits}x}\n" for word in image.words)
    (folder / "rom" / f"{image.name}.hex").write_text(lines)
    for name, content in (
        ("dut.v", text),
        ("e3ne_rom.v", template("e3ne_rom.v")),
        ("bench.v", bench),
    ):
        (folder / name).write_text(content)
    icarus.compile(["bench.v", "dut.v", "e3ne_rom.v"], "bench", folder, "bench.vvp")
    printed = icarus.simulate("bench.vvp", folder)
    return [int(line.split()[1], 16) for line in printed.splitlines() if line.startswith("word ")]


@pytest.mark.parametrize(("width", "depth"), [(1, 5), (13, 5), (64, 8), (70, 33), (4, 1)])
def test_both_forms_of_a_rom_agree(width, depth, tmp_path):
    """Every word, then words in any order, with and without `enable`."""
    chance = random.Random(width)
    words = (0, (1 << width) - 1, *(chance.getrandbits(width) for _ in range(depth)))[:depth]
    image = RomImage("some.node.weight", width, words)
    reads = [(address, True) for address in range(depth)]
    reads += [(chance.randrange(depth), chance.random() < 0.6) for _ in range(40)]
    expected, held = [], 0
    for address, enable in reads:
        held = words[address] if enable else held
        expected.append(held)
    assert words_in_memory_form(image, reads) == expected
    assert words_in_file_form(image, reads, tmp_path) == expected
