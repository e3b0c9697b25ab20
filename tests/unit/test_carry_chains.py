"""The last carry of a chain, which nobody reads, takes no cells in nextpnr."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e3ne.toolchain import nextpnr, yosys
from e3ne.toolchain.carry_chains import free_carries

ADDERS = """
module top(input clk, input [27:0] a, input [27:0] b, output reg [27:0] sums);
    integer i;
    reg [27:0] x, y;
    always @(posedge clk) begin
        x <= a;
        y <= b;
        for (i = 0; i < 4; i = i + 1)
            sums[{bits}*i +: {bits}] <= x[{bits}*i +: {bits}] + y[{bits}*i +: {bits}];
    end
endmodule
"""
PROOF = """
module top(
    input [{bits}-1:0] a, input [{bits}-1:0] b, input way,
    output [{bits}-1:0] sum, output [{bits}-1:0] difference, output [{bits}-1:0] either,
    output [{bits}:0] whole, output below
);
    assign sum = a + b;
    assign difference = a - b;
    assign either = way ? a - b : a + b;
    assign whole = a + b;
    assign below = $signed(a) < $signed(b);
endmodule
"""


@pytest.mark.parametrize(("bits", "luts"), [(6, 6 + 2), (5, 5 + 1)])
def test_chains_take_their_bits_and_their_start(tmp_path: Path, bits: int, luts: int) -> None:
    """A start of two LUTs, or the bit of a cell that an odd number of them leaves."""
    (tmp_path / "top.v").write_text(ADDERS.format(bits=bits))
    cells = yosys.synthesize("ecp5", ["top.v"], "top", tmp_path, "net", options=["-nodsp"])
    assert cells["CCU2C"] == 4 * -(-bits // 2)
    found = nextpnr.route(
        *("ecp5", "85k", "CABGA381", "net.json", tmp_path, "net", 50e6),
        options=["--speed", "6"],
    )
    assert found.utilization["TRELLIS_COMB"][0] == 4 * luts + 2  # and two constants


@pytest.mark.parametrize("bits", [5, 6])
def test_sums_and_differences_are_right(tmp_path: Path, bits: int) -> None:
    """Of the netlist against the Verilog, proved by Yosys."""
    text = PROOF.format(bits=bits)
    (tmp_path / "top.v").write_text(text)
    yosys.synthesize("ecp5", ["top.v"], "top", tmp_path, "net", options=["-nodsp"])
    yosys.run(
        [
            "read_verilog top.v",
            "prep -flatten -top top",
            "rename top gold",
            "design -stash gold",
            "read_verilog net.v",
            "read_verilog -D NO_INCLUDES +/ecp5/cells_sim.v",
            "prep -flatten -top top",
            "rename top gate",
            "design -stash gate",
            "design -copy-from gold gold",
            "design -copy-from gate gate",
            "miter -equiv -flatten -make_outputs gold gate miter",
            "sat -verify -prove trigger 0 miter",
        ],
        tmp_path,
    )


def test_only_carries_that_nobody_reads_are_freed(tmp_path: Path) -> None:
    def chain(carry: int, read: int) -> dict[str, object]:
        directions = {"CIN": "input", "COUT": "output"}
        connections = {"CIN": [read], "COUT": [carry]}
        return {
            "type": "CCU2C",
            "parameters": {"INIT0": "1001011010101010"},
            "port_directions": directions,
            "connections": connections,
        }

    cells = {"first": chain(5, 2), "second": chain(6, 5), "third": chain(7, 6), "own": chain(8, 3)}
    ports = {"carry": {"direction": "output", "bits": [8]}}
    path = tmp_path / "net.json"
    path.write_text(json.dumps({"modules": {"top": {"ports": ports, "cells": cells}}}))
    assert free_carries(path) == 1
    after = json.loads(path.read_text())["modules"]["top"]["cells"]
    carries = [cell["connections"]["COUT"] for cell in after.values()]
    assert carries == [[5], [6], ["x"], [8]]
    assert free_carries(path) == 1  # again the same
