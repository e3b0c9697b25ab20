"""What Yosys and nextpnr write, read as numbers; and what is said where it cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e3ne.toolchain import ToolFailed, nextpnr, verilator, yosys

REPORT = {
    "fmax": {"clk": {"achieved": 81.5, "constraint": 100.0}, "slow": {"achieved": 12.25}},
    "utilization": {
        "TRELLIS_COMB": {"used": 120, "available": 83640},
        "DP16KD": {"used": 3, "available": 208},
    },
}


def test_the_slowest_clock_counts(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(REPORT))
    found = nextpnr.read_report(path, 7, tmp_path / "out.config")
    assert found.fmax_hz == 12.25e6
    assert found.seed == 7
    assert found.utilization == {"DP16KD": (3, 208), "TRELLIS_COMB": (120, 83640)}


@pytest.mark.parametrize("text", ["", "{}", '{"fmax": {"clk": {}}, "utilization": {}}'])
def test_an_unreadable_report_is_a_failure(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(ToolFailed, match="found no readable report"):
        nextpnr.read_report(path, 1, path)


def test_a_design_without_clock_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text('{"fmax": {}, "utilization": {}}')
    with pytest.raises(ToolFailed, match="found no clock"):
        nextpnr.read_report(path, 1, path)


def test_yosys_counts_the_cells_of_the_top(tmp_path: Path) -> None:
    (tmp_path / "t.v").write_text(
        "module t(input clk, input [3:0] a, output reg [3:0] q);\n"
        "always @(posedge clk) q <= q + a;\nendmodule\n"
    )
    cells = yosys.synthesize("generic", ["t.v"], "t", tmp_path, "net")
    assert cells["$_DFF_P_"] == 4
    assert list(cells) == sorted(cells)
    for suffix in (".json", ".v", ".log", ".stat.json", ".ys"):
        assert (tmp_path / f"net{suffix}").is_file()


def test_a_yosys_error_is_shown(tmp_path: Path) -> None:
    (tmp_path / "t.v").write_text("module t(; endmodule\n")
    with pytest.raises(ToolFailed, match=r"(?s)yosys: found exit status 1.*syntax error"):
        yosys.synthesize("generic", ["t.v"], "t", tmp_path, "net")


def test_missing_statistics_are_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match="found no statistics of t"):
        yosys.cell_counts(tmp_path / "none.json", "t")


def test_the_simulator_is_built_again_when_a_source_changes(tmp_path: Path) -> None:
    (tmp_path / "a.v").write_text("module a; endmodule\n")
    before = verilator.sources_key(["a.v"], tmp_path, ["-O3"])
    assert verilator.sources_key(["a.v"], tmp_path, ["-O3"]) == before
    assert verilator.sources_key(["a.v"], tmp_path, ["-O2"]) != before
    (tmp_path / "a.v").write_text("module a; wire b; endmodule\n")
    assert verilator.sources_key(["a.v"], tmp_path, ["-O3"]) != before


def test_only_a_small_design_is_compiled_as_two_files(tmp_path: Path) -> None:
    for name in ("Vt", "Vt__Syms", "Vt___024root__DepSet__0", "Vt___024root__DepSet__0__Slow"):
        (tmp_path / f"{name}.cpp").write_text("int x;\n")
    assert "VM_CLASSES_FAST=t_often" in verilator.in_two_files(tmp_path, "t")
    assert (tmp_path / "t_often.cpp").read_text().count("include") == 2
    assert (tmp_path / "t_rare.cpp").read_text().count("include") == 2
    (tmp_path / "Vt.cpp").write_text(" " * verilator.FEW_BYTES)
    assert verilator.in_two_files(tmp_path, "t") == []
