"""Carry chains as nextpnr likes them: what Yosys ties to a constant, or nobody reads, left open.

A chain of ECP5 has two bits a cell; nextpnr takes one more cell to bring a constant into it, and
one to bring its last carry out, even where nobody reads that. On Nexus it accepts no net there.

As a program, `python3 carry_chains.py FAMILY NETLIST.json` edits a netlist of Yosys; builds have a
copy of this file beside `run.sh`, so it needs nothing but Python.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

STARTS = "0" * 16, "0" * 12 + "1" * 4
"""INIT0 of a bit whose carry out is 0, or 1, whatever its carry in: that may stay open."""

ODD_CHAINS = """
// An adder of an odd number of bits leaves one of its chain free: the first, which starts it.
(* techmap_celltype = "$alu" *)
module odd_alu (A, B, CI, BI, X, Y, CO);
    parameter A_SIGNED = 0;
    parameter B_SIGNED = 0;
    parameter A_WIDTH = 1;
    parameter B_WIDTH = 1;
    parameter Y_WIDTH = 1;
    parameter _TECHMAP_CONSTMSK_CI_ = 0;
    parameter _TECHMAP_CONSTVAL_CI_ = 0;
    (* force_downto *) input [A_WIDTH-1:0] A;
    (* force_downto *) input [B_WIDTH-1:0] B;
    (* force_downto *) output [Y_WIDTH-1:0] X, Y, CO;
    input CI, BI;

    // Up to four bits Yosys takes LUTs alone.
    wire _TECHMAP_FAIL_ = Y_WIDTH <= 4 || Y_WIDTH % 2 == 0 || _TECHMAP_CONSTMSK_CI_ !== 1'b1;
    localparam START = _TECHMAP_CONSTVAL_CI_ === 1'b1 ? 16'h000f : 16'h0000;
    localparam SUM = 16'b1001011010101010;  // A ^ B ^ C, with A as the carry where it is 0

    (* force_downto *) wire [Y_WIDTH-1:0] whole_a, whole_b, added;
    \\$pos #(.A_SIGNED(A_SIGNED), .A_WIDTH(A_WIDTH), .Y_WIDTH(Y_WIDTH)) pos_a (.A(A), .Y(whole_a));
    \\$pos #(.A_SIGNED(B_SIGNED), .A_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)) pos_b (.A(B), .Y(whole_b));
    assign added = BI ? ~whole_b : whole_b;

    (* force_downto *) wire [Y_WIDTH:0] chain_a = {whole_a, 1'b0};
    (* force_downto *) wire [Y_WIDTH:0] chain_b = {whole_b, 1'b0};
    (* force_downto *) wire [Y_WIDTH:0] sums;
    (* force_downto *) wire [(Y_WIDTH+1)/2:0] carries;
    assign carries[0] = 1'b0;
    genvar i;
    generate for (i = 0; i <= Y_WIDTH; i = i + 2) begin : cells
        CCU2C #(
            .INIT0(i == 0 ? START : SUM), .INIT1(SUM), .INJECT1_0("NO"), .INJECT1_1("NO")
        ) cell_i (
            .CIN(carries[i/2]), .COUT(carries[i/2+1]),
            .A0(chain_a[i]), .B0(chain_b[i]), .C0(i == 0 ? 1'b0 : BI), .D0(1'b1),
            .A1(chain_a[i+1]), .B1(chain_b[i+1]), .C1(BI), .D1(1'b1),
            .S0(sums[i]), .S1(sums[i+1])
        );
    end endgenerate
    assign Y = sums[Y_WIDTH:1];
    assign X = whole_a ^ added;
    assign CO = (whole_a & added) | ((whole_a ^ added) & ~Y);
endmodule
"""
"""For Yosys's techmap, before its own mapping of adders."""


def free_carries(netlist: Path) -> int:
    """Leaves carries that say nothing open in the JSON file: how many.

    Those into the start of a chain of `ODD_CHAINS`, and those out of a chain that nobody reads.
    """
    design: dict[str, Any] = json.loads(netlist.read_text())
    freed = 0
    for module in design["modules"].values():
        chains = [cell for cell in module["cells"].values() if cell["type"] == "CCU2C"]
        read = _read_bits(module)
        for cell in chains:
            connections = cell["connections"]
            if not read.intersection(connections["COUT"]):
                connections["COUT"] = ["x"]
                freed += 1
            if cell["parameters"]["INIT0"] in STARTS:
                connections["CIN"] = ["x"]
                freed += 1
    if freed:
        netlist.write_text(json.dumps(design))
    return freed


def _read_bits(module: dict[str, Any]) -> set[int | str]:
    """Every bit that an input of a cell or a port of the module takes."""
    read = {bit for port in module["ports"].values() for bit in port["bits"]}
    for cell in module["cells"].values():
        directions = cell.get("port_directions", {})
        for port, bits in cell["connections"].items():
            if directions.get(port) != "output":
                read.update(bits)
    return read


def free_carry_inputs(netlist: Path) -> int:
    """Leaves the carry input of each cell that starts a chain of Nexus open: how many.

    abc9 ties it to zero (Yosys issues 4081 and 5639), and nextpnr-nexus accepts no net there.
    """
    design: dict[str, Any] = json.loads(netlist.read_text())
    freed = 0
    for module in design["modules"].values():
        for cell in module["cells"].values():
            parameters = cell["parameters"]
            if cell["type"] == "CCU2" and (
                (parameters["INIT0"], parameters["INIT1"]) == ("0xFFFF", "0x00AA")
            ):
                cell["connections"].pop("CIN", None)
                cell.get("port_directions", {}).pop("CIN", None)
                freed += 1
    netlist.write_text(json.dumps(design))
    return freed


OPENED = {"ecp5": free_carries, "nexus": free_carry_inputs}
"""By family: what edits the netlist between Yosys and nextpnr."""

if __name__ == "__main__":
    OPENED[sys.argv[1]](Path(sys.argv[2]))
