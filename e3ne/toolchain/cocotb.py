"""cocotb: runs a build's bench (a script that stands beside it) in a Python of its own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from .locate import find
from .process import DAY_S, run_program


def run_bench(
    script: Path, arguments: Sequence[str], cwd: Path, log: Path, timeout_s: float = DAY_S
) -> str:
    """Runs the Python file `script`, which starts cocotb on Icarus; returns what it printed.

    ToolMissing or ToolTooOld where cocotb or Icarus is not there; ToolFailed where it fails.
    """
    find("cocotb"), find("iverilog")
    command = [sys.executable, str(script), *arguments]
    return run_program("cocotb bench", command, cwd, log, timeout_s)
