"""Yosys: always in a process of its own, so that its memory and its crashes do not reach us."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .carry_chains import ODD_CHAINS, OPENED
from .errors import ToolFailed
from .locate import Program, find
from .multipliers import multiplier_commands
from .process import DAY_S, clear_os_errors, run_program

PYOSYS_DRIVER = """
import sys
from pyosys import libyosys
libyosys.run_pass("script " + sys.argv[1], libyosys.Design())
"""

SYNTHESIS = {
    "ecp5": "synth_ecp5 -top {top}",
    "ice40": "synth_ice40 -top {top}",
    "gowin": "synth_gowin -top {top}",
    "nexus": "synth_nexus -family lifcl -top {top}",
    "xilinx7": "synth_xilinx -family xc7 -flatten -top {top}",
    "ultrascale_plus": "synth_xilinx -family xcup -flatten -top {top}",
    "generic": "synth -flatten -top {top}",
}
"""The Yosys command of a family; `generic` ends in Yosys's own gates."""


CELL_MODELS = {
    "ecp5": "read_verilog -D NO_INCLUDES +/ecp5/cells_sim.v",
    "ice40": "read_verilog -D ICE40_HX +/ice40/cells_sim.v",
    "generic": "",
}
"""How Yosys reads its own models of a family's cells."""


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
    delay_ps: int | None = None,
) -> dict[str, int]:
    """Verilog to the cells of `family` (a key of SYNTHESIS); cells by type.

    `netlist` is a path under `cwd` without suffix: `.json` (for nextpnr), `.v`, `.log`,
    `.stat.json` and the script `.ys` are written there. `options` go to the synth command. Each
    instance of `e3ne_multiply` becomes a multiplier of the part, whatever `options` say of others.
    `delay_ps` of LUTs is what abc9 aims at: it gives back what no longer path needs (None: as fast
    as it can).
    """

    chains = f"{netlist}.chains.v"
    if family == "ecp5":
        with clear_os_errors("yosys", cwd):
            (cwd / chains).write_text(ODD_CHAINS)
    lines = synthesis_script(family, files, top, netlist, chains, options, defines, delay_ps)
    run(lines, cwd, netlist, cwd / f"{netlist}.log", timeout_s)
    if family in OPENED:
        OPENED[family](cwd / f"{netlist}.json")
    return cell_counts(cwd / f"{netlist}.stat.json", top)


def synthesis_script(
    family: str,
    files: Sequence[str],
    top: str,
    netlist: str,
    chains: str,
    options: Sequence[str] = (),
    defines: Sequence[str] = (),
    delay_ps: int | None = None,
) -> list[str]:
    """The commands of `synthesize`; on ECP5 the file `chains` must hold ODD_CHAINS.

    Where the family is one of OPENED, the netlist is to be edited behind them.
    """
    command = " ".join([SYNTHESIS[family].format(top=top), *options])
    flags = "".join(f" -D{define}" for define in defines)
    return [
        f"read_verilog -sv{flags} {' '.join(files)}",
        *multiplier_commands(family, top),
        *([] if delay_ps is None else [f"scratchpad -set abc9.D {delay_ps}"]),
        *_synth(family, command, chains),
        f"write_json {netlist}.json",
        f"write_verilog -noattr {netlist}.v",
        f"tee -q -o {netlist}.stat.json stat -json",
    ]


def _synth(family: str, command: str, chains: str) -> list[str]:
    """The synth command, for ECP5 with an adder of our own in the middle."""
    if family != "ecp5":
        return [command]
    return [
        f"{command} -run begin:map_gates",
        f"techmap -map {chains}",
        f"{command} -run map_gates:",
    ]


def cell_counts(statistics: Path, top: str) -> dict[str, int]:
    """Cells by type out of a `stat -json` file of a flat design, sorted by name."""
    try:
        found: dict[str, Any] = json.loads(statistics.read_text())
        cells = found["modules"][f"\\{top}"]["num_cells_by_type"]
    except (OSError, ValueError, KeyError) as error:
        raise ToolFailed(f"yosys: found no statistics of {top} in {statistics}: {error}") from None
    return {kind: int(cells[kind]) for kind in sorted(cells)}


def dissolve_cells(family: str, top: str, cwd: Path, netlist: str, output: str) -> None:
    """The netlist `<netlist>.v` with every cell replaced by what its model says, as `output`.

    Icarus simulates the result; several of Yosys's cell models themselves it cannot read. Block
    RAMs and DSPs of ECP5 have no model: synthesize with -nobram -nodsp.
    """
    lines = [
        f"read_verilog -icells {netlist}.v",
        CELL_MODELS[family],
        f"hierarchy -check -top {top}",
        "proc -norom",
        "flatten",
        "opt_clean",
        "rename -enumerate -pattern choice_% t:$pmux",
        f"write_verilog -noattr {output}",
    ]
    run([line for line in lines if line], cwd, f"{netlist}.dissolve")


def _command(program: Program, script: str) -> list[str]:
    if program.candidate.package == "pyosys":
        return [*program.command, "-c", PYOSYS_DRIVER, script]
    return [*program.command, "-s", script]
