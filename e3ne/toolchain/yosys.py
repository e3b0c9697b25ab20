"""Yosys: always in a process of its own, so that its memory and its crashes do not reach us."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .errors import ToolFailed
from .locate import Program, find
from .process import DAY_S, clear_os_errors, run_program

PYOSYS_DRIVER = """
import sys
from pyosys import libyosys
libyosys.run_pass("script " + sys.argv[1], libyosys.Design())
"""

SYNTHESIS = {
    "ecp5": "synth_ecp5 -top {top}",
    "ice40": "synth_ice40 -top {top}",
    "generic": "synth -flatten -top {top}",
}
"""The Yosys command of a family; `generic` ends in Yosys's own gates."""


def run(
    lines: Sequence[str],
    cwd: Path,
    name: str = "yosys",
    log: Path | None = None,
    timeout_s: float = DAY_S,
) -> str:
    """Runs a script of Yosys commands in `cwd`; returns what Yosys wrote.

    The script is kept as `<name>.ys` in `cwd`. Paths in it are relative to `cwd`, because the
    WebAssembly Yosys sees no other. ToolFailed where a command fails.
    """
    program = find("yosys")
    script = f"{name}.ys"
    with clear_os_errors("yosys", cwd):
        (cwd / script).write_text("\n".join(lines) + "\n")
    return run_program("yosys", _command(program, script), cwd, log, timeout_s)


def synthesize(
    family: str,
    files: Sequence[str],
    top: str,
    cwd: Path,
    netlist: str,
    options: Sequence[str] = (),
    defines: Sequence[str] = (),
    timeout_s: float = DAY_S,
) -> dict[str, int]:
    """Verilog to the cells of `family` ("ecp5", "ice40", "generic"); cells by type.

    `netlist` is a path under `cwd` without suffix: `.json` (for nextpnr), `.v`, `.log`,
    `.stat.json` and the script `.ys` are written there. `options` go to the synth command.
    """

    command = SYNTHESIS[family].format(top=top)
    flags = " ".join(f"-D{define}" for define in defines)
    lines = [
        f"read_verilog -sv {flags} {' '.join(files)}",
        " ".join([command, *options]),
        f"write_json {netlist}.json",
        f"write_verilog -noattr {netlist}.v",
        f"tee -q -o {netlist}.stat.json stat -json",
    ]
    run(lines, cwd, netlist, cwd / f"{netlist}.log", timeout_s)
    return cell_counts(cwd / f"{netlist}.stat.json", top)


def cell_counts(statistics: Path, top: str) -> dict[str, int]:
    """Cells by type out of a `stat -json` file of a flat design, sorted by name."""
    try:
        found: dict[str, Any] = json.loads(statistics.read_text())
        cells = found["modules"][f"\\{top}"]["num_cells_by_type"]
    except (OSError, ValueError, KeyError) as error:
        raise ToolFailed(f"yosys: found no statistics of {top} in {statistics}: {error}") from None
    return {kind: int(cells[kind]) for kind in sorted(cells)}


def cells_library(family: str) -> list[Path]:
    """Verilog models of the cells of `family` that ship with the Yosys in use."""
    program = find("yosys")
    files = {
        "ecp5": ("ecp5/cells_sim.v",),
        "ice40": ("ice40/cells_sim.v",),
        "generic": ("simcells.v",),
    }[family]
    return [_share(program) / file for file in files]


def _share(program: Program) -> Path:
    if program.candidate.package is not None:
        import importlib.util

        module = program.candidate.package.replace("-", "_")
        found = importlib.util.find_spec(module)
        assert found is not None
        assert found.origin is not None
        return Path(found.origin).parent / "share"
    return Path(program.command[0]).resolve().parent.parent / "share" / "yosys"


def _command(program: Program, script: str) -> list[str]:
    if program.candidate.package == "pyosys":
        return [*program.command, "-c", PYOSYS_DRIVER, script]
    return [*program.command, "-s", script]
