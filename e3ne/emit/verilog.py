"""Amaranth component to Verilog text, the same bytes on every run and from every folder."""

from __future__ import annotations

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


def to_verilog(component: Any, name: str, ports: Sequence[Any]) -> str:
    """The Verilog of an Amaranth elaboratable as module `name`.

    `ports` are Signals; `clk` and `rst` of its sync domain become ports as well. Submodules keep
    their names, so a node called `features.0` is the instance `\\features.0 `. Nothing of the
    machine, the folder or the time is in the text. ToolMissing where there is no Yosys.
    """
    text = rtlil.convert(component, name=name, ports=list(ports), emit_src=False)
    removed = " ".join(f"-remove {attribute}" for attribute in ATTRIBUTES)
    with tempfile.TemporaryDirectory(prefix="e3ne-") as folder:
        cwd = Path(folder)
        (cwd / "network.il").write_text(text)
        script = [
            "read_rtlil network.il",
            "proc -nomux -norom",
            "memory_collect",
            f"attrmap {removed}",
            f"attrmap -modattr {removed}",
            "write_verilog -norename network.v",
        ]
        yosys.run(script, cwd)
        verilog = (cwd / "network.v").read_text()
    lines = verilog.splitlines()
    head = next(k for k, line in enumerate(lines) if line and not line.startswith("/*"))
    return "\n".join(lines[head:]) + "\n"
