"""Components through Yosys, several in one process: each is a module that is never dissolved."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from e3ne.emit.verilog import without_brackets
from e3ne.ir import Graph
from e3ne.ir.frames import source_windows, synapse_windows
from e3ne.synthesis import OPTIONS, resources_used
from e3ne.toolchain import versions, yosys
from e3ne.toolchain.multipliers import multiplier_commands

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = ("e3ne_rom.v", "e3ne_multiply.v")
BATCH = 8
DELAY_PS = 10_000  # what abc9 aims at, as `e3ne synth` does for 100 MHz
NO_PADS = {
    **{"ecp5": "", "ice40": "", "gowin": "-noiopads"},
    **{"nexus": "-noiopad", "xilinx7": "-noiopad", "ultrascale_plus": "-noiopad"},
}
Used = Mapping[str, int]
"""luts, ffs, brams, ... of a component, and `cell X` of every type."""


@dataclass(frozen=True)
class Component:
    """A node's hardware as text: RTLIL with `@` for the module's name, ROM files, its ports."""

    rtlil: str
    roms: tuple[tuple[str, str], ...]

    @property
    def key(self) -> str:
        """A name for its contents."""
        return hashlib.sha256(repr((self.rtlil, self.roms)).encode()).hexdigest()[:20]


def component(graph: Graph) -> Component:
    """The only node of `graph` as a module of its own, with the Replay in front of it if any."""
    from amaranth.back import rtlil

    from e3ne.gateware.core import Core
    from e3ne.gateware.node_unit import NodeUnit

    named = replace(graph.nodes[0], name="@")
    outputs = tuple(replace(output, source="@") for output in graph.outputs)
    graph = replace(graph, nodes=(named,), outputs=outputs)
    replays = synapse_windows(graph, named, 0) > source_windows(graph, "input")
    unit = Core(graph, "file") if replays else NodeUnit(graph, named, "file")
    text = without_brackets(rtlil.convert(unit, name="@", emit_src=False))
    lines = ((rom.name, "".join(f"{word:x}\n" for word in rom.words)) for rom in unit.roms)
    return Component(text, tuple(lines))


def measured(
    parts: Mapping[str, Component], family: str, folder: Path, jobs: int, known: bool = False
) -> dict[str, dict[str, int]]:
    """What each component takes on `family`, by name; `folder` keeps results by contents.

    `known`: only of those that it has, nothing is synthesized.
    """
    folder.mkdir(parents=True, exist_ok=True)
    version = versions()["yosys"]
    options = f"{yosys.SYNTHESIS[family]} {OPTIONS[family]} {DELAY_PS} {version}"
    tag = hashlib.sha256(options.encode()).hexdigest()[:8]
    files = {name: folder / f"{family}-{tag}-{part.key}.json" for name, part in parts.items()}
    missing = [name for name, file in files.items() if not file.is_file()]
    if known:
        files = {name: file for name, file in files.items() if name not in missing}
        missing = []
    groups = [missing[at : at + BATCH] for at in range(0, len(missing), BATCH)]

    def run(names: list[str]) -> None:
        found = synthesize([parts[name] for name in names], family)
        for name, used in zip(names, found, strict=True):
            files[name].write_text(json.dumps(used, sort_keys=True) + "\n")

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(run, groups))
    return {name: counted(family, json.loads(file.read_text())) for name, file in files.items()}


def counted(family: str, kept: dict[str, int]) -> dict[str, int]:
    """Resources and cells, counted again from the cells that were kept."""
    cells = {key.removeprefix("cell "): n for key, n in kept.items() if key.startswith("cell ")}
    return {**resources_used(family, cells), **{f"cell {kind}": n for kind, n in cells.items()}}


def synthesize(parts: list[Component], family: str) -> list[dict[str, int]]:
    """The resources of each component, all in one run of Yosys."""
    names = [f"part{index}" for index in range(len(parts))]
    with TemporaryDirectory(prefix="e3ne-") as place:
        folder = Path(place)
        (folder / "rom").mkdir()
        for name, part in zip(names, parts, strict=True):
            (folder / f"{name}.il").write_text(part.rtlil.replace("@", name))
            for rom, lines in part.roms:
                (folder / "rom" / f"{rom.replace('@', name)}.hex").write_text(lines)
        templates = (ROOT / "hdl_templates" / file for file in TEMPLATES)
        (folder / "given.v").write_text("\n".join(file.read_text() for file in templates))
        (folder / "top.v").write_text(top_of(names, parts))
        script = [
            "read_verilog -defer given.v",
            *(f"read_rtlil {name}.il" for name in names),
            "read_verilog top.v",
            f"setattr -mod -set keep_hierarchy 1 {' '.join(names)}",
            *multiplier_commands(family, "top"),
            f"scratchpad -set abc9.D {DELAY_PS}",
            " ".join([command_of(family, "top"), NO_PADS[family]]),
            "tee -q -o top.stat.json stat -json",
        ]
        yosys.run(script, folder)
        return [used_by(family, folder / "top.stat.json", name) for name in names]


def command_of(family: str, top: str) -> str:
    """The synth command of a family as `e3ne synth` has it."""
    return " ".join([yosys.SYNTHESIS[family].format(top=top), *OPTIONS[family]])


def used_by(family: str, statistics: Path, name: str) -> dict[str, int]:
    """Resources and cells of one module."""
    cells: dict[str, Any] = yosys.cell_counts(statistics, name)
    return {**resources_used(family, cells), **{f"cell {kind}": n for kind, n in cells.items()}}


def top_of(names: list[str], parts: list[Component]) -> str:
    """Verilog that has one of each component, all ports its own."""
    ports, instances = [], []
    for name, part in zip(names, parts, strict=True):
        pins = []
        for number, (port, way, width) in enumerate(ports_of(part)):
            wire = f"{name}_{number}"
            ports.append(f"{way} [{width - 1}:0] {wire}")
            pins.append(f".\\{port} ({wire})")
        instances.append(f"{name} the_{name} ({', '.join(pins)});")
    return f"module top ({', '.join(ports)});\n" + "\n".join(instances) + "\nendmodule\n"


def ports_of(part: Component) -> Iterator[tuple[str, str, int]]:
    """(name, "input" or "output", bits) of every port of the component itself."""
    found = re.search(r"^module \\@\n(.*?)^end", part.rtlil, re.MULTILINE | re.DOTALL)
    assert found is not None
    for line in found.group(1).splitlines():
        port = re.match(r"\s*wire (?:width (\d+) )?(input|output) \d+ (?:signed )?\\(\S+)", line)
        if port:
            yield port.group(3), port.group(2), int(port.group(1) or 1)
