"""Icarus Verilog: lint and post-synthesis simulation (cocotb has its own way in: cocotb.py)."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from .errors import ToolMissing
from .locate import TOOLS, find
from .process import DAY_S, run_program


def compile(
    files: Sequence[str],
    top: str,
    cwd: Path,
    output: str,
    defines: Sequence[str] = (),
    warnings: bool = True,
) -> str:
    """Verilog to the vvp program `output` (relative to `cwd`); returns Icarus's warnings."""
    program = find("iverilog")
    flags = [*(["-Wall"] if warnings else []), *(f"-D{define}" for define in defines)]
    command = [*program.command, "-g2012", *flags, "-s", top, "-o", output, *files]
    return run_program("iverilog", command, cwd)


def lint(files: Sequence[str], top: str, cwd: Path) -> str:
    """What `iverilog -Wall` says about the files; empty where it has no objection."""
    program = find("iverilog")
    command = [*program.command, "-g2012", "-Wall", "-t", "null", "-s", top, *files]
    return run_program("iverilog", command, cwd)


def simulate(
    program: str,
    cwd: Path,
    log: Path | None = None,
    timeout_s: float = DAY_S,
    plusargs: Sequence[str] = (),
) -> str:
    """Runs a vvp program in `cwd`; returns what it printed."""
    found = shutil.which("vvp")
    if found is None:
        raise ToolMissing(
            f"vvp: found none on the PATH, accepted the one of Icarus; {TOOLS['iverilog'].install}"
        )
    return run_program("vvp", [found, "-n", program, *plusargs], cwd, log, timeout_s)
