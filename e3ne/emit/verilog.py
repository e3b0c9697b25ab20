"""Amaranth component to Verilog text, the same bytes on every run and from every folder."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amaranth.back import rtlil

from ..toolchain import yosys

ATTRIBUTES = (
    "generator",
    "top",
    "src",
    "amaranth.hierarchy",
    "amaranth.decoding",
    "keep_hierarchy",
)


EMPTY_WIRE = re.compile(r"\s*wire (signed )?\[-1:0\] \S+\s?;$")
STYLE_WARNINGS = ("CASEOVERLAP", "CMPCONST", "LITENDIAN", "UNSIGNED", "WIDTH")


def to_verilog(component: Any, name: str, ports: Sequence[Any]) -> str:
    """The Verilog of an Amaranth elaboratable as module `name`.

    `ports` are Signals; `clk` and `rst` of its sync domain become ports as well. Submodules keep
    their names, so a node called `features.0` is the instance `\\features.0 `. Nothing of the
    machine, the folder or the time is in the text. ToolMissing where there is no Yosys.
    """
    text = without_brackets(rtlil.convert(component, name=name, ports=list(ports), emit_src=False))
    removed = " ".join(f"-remove {attribute}" for attribute in ATTRIBUTES)
    with tempfile.TemporaryDirectory(prefix="e3ne-") as folder:
        cwd = Path(folder)
        (cwd / "network.il").write_text(text)
        script = [
            "read_rtlil network.il",
            # Muxes as expressions: Icarus runs no `always @*` before one of its inputs changes.
            "proc -norom",
            # Icarus takes a function called `$procmux$1` for a system function.
            "rename -enumerate -pattern choice_% t:$pmux",
            "memory_collect",
            f"attrmap {removed}",
            f"attrmap -modattr {removed}",
            "write_verilog -norename network.v",
        ]
        yosys.run(script, cwd)
        verilog = (cwd / "network.v").read_text()
    return tidy(verilog)


def tidy(verilog: str) -> str:
    """Yosys's text without its version line and without wires of no bits.

    Yosys writes a signal of no bits as `wire [-1:0]`, which Verilog reads as two bits; nothing
    refers to one. Verilator's style warnings, which any generated text has, are turned off.
    """
    lines = verilog.splitlines()
    head = next(k for k, line in enumerate(lines) if line and not line.startswith("/*"))
    kept = [line for line in lines[head:] if not EMPTY_WIRE.match(line)]
    off = [f"/* verilator lint_off {warning} */" for warning in STYLE_WARNINGS]
    on = [f"/* verilator lint_on {warning} */" for warning in STYLE_WARNINGS]
    return "\n".join([*off, *kept, *on]) + "\n"


def without_brackets(text: str) -> str:
    """RTLIL whose public names have no brackets: `\\values[4][8]` becomes `\\values.4.8`.

    Amaranth names the fields of an array so, beside the array itself; Yosys's abc9 takes
    `values[4]` for a bit of `values` and stops at the second wire of that name.
    """
    return re.sub(
        r"\\[^\s\[]+(?:\[\d+\][^\s\[]*)+",
        lambda name: name[0].replace("[", ".").replace("]", ""),
        text,
    )
