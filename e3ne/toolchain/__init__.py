"""Starting other programs: which are installed, and one function for each job they do.

Imports nothing of e3ne. Everything raises `ToolMissing`, `ToolTooOld` or `ToolFailed`.
"""

from . import cocotb, icarus, nextpnr, verilator, yosys
from .errors import ToolError, ToolFailed, ToolMissing, ToolTimedOut, ToolTooOld
from .locate import Program, ToolStatus, doctor, find, versions

__all__ = [
    "Program",
    "ToolError",
    "ToolFailed",
    "ToolMissing",
    "ToolStatus",
    "ToolTimedOut",
    "ToolTooOld",
    "cocotb",
    "doctor",
    "find",
    "icarus",
    "nextpnr",
    "verilator",
    "versions",
    "yosys",
]
