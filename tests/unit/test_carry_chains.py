"""The last carry of a chain, which nobody reads, takes no cells in nextpnr."""

from __future__ import annotations

import json
from pathlib import Path

from e3ne.toolchain import nextpnr, yosys
from e3ne.toolchain.carry_chains import free_carry_outputs

ADDERS = """
module top(input clk, input [23:0] a, input [23:0] b, output reg [23:0] sums);
    integer i;
    reg [23:0] x, y;
    always @(posedge clk) begin
        x <= a;
        y <= b;
        for (i = 0; i < 4; i = i + 1) sums[6*i +: 6] <= x[6*i +: 6] + y[6*i +: 6];
    end
endmodule
"""


def test_chains_take_their_bits_and_their_start(tmp_path: Path) -> None:
    (tmp_path / "top.v").write_text(ADDERS)
    cells = yosys.synthesize("ecp5", ["top.v"], "top", tmp_path, "net", options=["-nodsp"])
    assert cells["CCU2C"] == 12
    options = ["--speed", "6"]
    found = nextpnr.route(
        "ecp5", "85k", "CABGA381", "net.json", tmp_path, "o", 50e6, 1, None, options
    )
    # Four chains of six bits, a cell of two LUTs to start each, and two constants.
    assert found.utilization["TRELLIS_COMB"][0] == 4 * (6 + 2) + 2


def test_only_carries_that_nobody_reads_are_freed(tmp_path: Path) -> None:
    def chain(carry: int, read: int) -> dict[str, object]:
        directions = {"CIN": "input", "COUT": "output"}
        connections = {"CIN": [read], "COUT": [carry]}
        return {"type": "CCU2C", "port_directions": directions, "connections": connections}

    cells = {"first": chain(5, 2), "second": chain(6, 5), "third": chain(7, 6), "own": chain(8, 3)}
    ports = {"carry": {"direction": "output", "bits": [8]}}
    path = tmp_path / "net.json"
    path.write_text(json.dumps({"modules": {"top": {"ports": ports, "cells": cells}}}))
    assert free_carry_outputs(path) == 1
    after = json.loads(path.read_text())["modules"]["top"]["cells"]
    carries = [cell["connections"]["COUT"] for cell in after.values()]
    assert carries == [[5], [6], ["x"], [8]]
    assert free_carry_outputs(path) == 1  # again the same
