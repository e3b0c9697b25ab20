"""The build folder: written whole or not at all, and checked file by file when it is read."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..ir import BadInput, Graph
from ..ir.synapse_products import uses_multipliers
from ..ir.user_arrays import UserArrays, input_arrays
from ..ir.weight_port import WEIGHTS_FILE, loads_weights, word_bytes
from ..toolchain.process import clear_os_errors
from .graph_file import load_graph, save_graph
from .manifest import Details, manifest_of, node_of, ports_of, read_manifest, sha256
from .ports import harness_ports, top_verilog
from .synth_scripts import write_synth_scripts
from .templates import template
from .vectors import GOLDEN_FRAMES, random_frames, write_vectors
from .verilog import to_verilog

logger = logging.getLogger(__name__)

OURS = ("manifest.json", "report.json", "report.html", "rtl", "rom", "sim", "synth", "dump")
"""What e3ne writes at the top of a build folder."""

VERILOG = ("rtl/e3ne_rom.v", "rtl/e3ne_network.v", "rtl/e3ne_top.v")
"""The Verilog files of every build, the top last."""

DEFAULT_CLOCK_HZ = 100e6

SIMULATION_FILES = ("e3ne_harness.cpp", "e3ne_bench.py", "run_icarus.py")


@dataclass(frozen=True)
class Build:
    """A finished build: its folder, the mapped graph in it and its manifest."""

    folder: Path
    graph: Graph
    manifest: dict[str, Any]

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """Word layout of every node, in graph order: node, offset_bits, lanes, steps, bits."""
        return list(self.manifest["nodes"])

    @property
    def verilog(self) -> list[str]:
        """The Verilog files, relative to the folder, the top last."""
        return list(VERILOG)


def write_build(
    folder: Path,
    graph: Graph,
    network: Any,
    details: Details,
    golden: UserArrays | None = None,
    extra: Callable[[Path], None] | None = None,
) -> Build:
    """Writes the build of a MAPPED graph, whose hardware is `network` (rom_form "file").

    `golden` are integers (frames, steps, *shape) of each input for the golden vectors; random ones
    where it is None. `extra` may write more files into the new folder before it is hashed and
    renamed. The folder appears whole: everything is written beside it and renamed at the end, so
    an interrupted compile leaves no build behind. A build that is there already is replaced.
    BadInput where `folder` holds anything else; ToolFailed where it cannot be written.
    """
    folder = Path(folder).resolve()
    check_replaceable(folder)
    with clear_os_errors("compile", folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent))
        try:
            partial.chmod(0o755)
            write_files(partial, graph, network, details, golden)
            if extra is not None:
                extra(partial)
            manifest = manifest_of(graph, network, details, partial)
            (partial / "manifest.json").write_text(json_text(manifest))
            _replace(folder, partial)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    logger.info("build written to %s", folder)
    return load_build(folder)


def write_files(
    folder: Path, graph: Graph, network: Any, details: Details, golden: UserArrays | None
) -> None:
    """Every file of a build into an empty folder, but for the manifest."""
    for name in ("rtl", "rom", "sim", "synth"):
        (folder / name).mkdir()
    _write_verilog(folder / "rtl", graph, network, details)
    for image in network.roms:
        digits = -(-image.width_bits // 4)
        lines = "".join(f"{word:0{digits}x}\n" for word in image.words)
        (folder / "rom" / f"{image.name}.hex").write_text(lines)
    filled = [image for image in network.roms if image.fill is not None]
    if filled:
        bits = graph.weight_port_bits
        stream = (word_bytes(image.words, image.width_bits, bits) for image in filled)
        (folder / WEIGHTS_FILE).write_bytes(b"".join(stream))
    sim = folder / "sim"
    save_graph(sim, graph)
    for name in SIMULATION_FILES:
        (sim / name).write_text(template(name))
    driver = Path(__file__).with_name("stream_driver.py")
    (sim / "stream_driver.py").write_text(driver.read_text())
    (sim / "probes.txt").write_text(
        "".join(
            f"{probe.offset_bits} {probe.word.value_bits} {probe.node}\n"
            for probe in network.probes
        )
    )
    (sim / "e3ne_ports.h").write_text(harness_ports(graph))
    if golden is None:
        frames = random_frames(graph, GOLDEN_FRAMES, details.seed)
    else:
        frames = input_arrays("golden", graph.inputs, golden)
    write_vectors(sim / "vectors", graph, [node_of(probe) for probe in network.probes], frames)
    if details.part is not None:
        clock_hz = details.clock_hz or DEFAULT_CLOCK_HZ
        ports = ports_of(graph)
        write_synth_scripts(folder / "synth", details.part, clock_hz, VERILOG, ports)


def json_text(value: Any) -> str:
    """JSON for people and for `diff`: indented, keys in the order in which they were written."""
    return json.dumps(value, indent=2) + "\n"


def _write_verilog(rtl: Path, graph: Graph, network: Any, details: Details) -> None:
    (rtl / "e3ne_network.v").write_text(to_verilog(network, "e3ne_network", network.ports))
    parts = [
        "e3ne_rom.v",
        *(["e3ne_loaded_rom.v"] if loads_weights(graph) else []),
        *(["e3ne_multiply.v"] if uses_multipliers(graph) else []),
    ]
    (rtl / "e3ne_rom.v").write_text("\n".join(map(template, parts)))
    title = f"{details.model} for {details.board}".replace("\n", " ")
    (rtl / "e3ne_top.v").write_text(top_verilog(graph, network, title))


def check_replaceable(folder: Path) -> None:
    """BadInput where `folder` holds anything that e3ne has not written itself."""
    accepted = "accepted a new or empty folder or an e3ne build; choose another -o"
    if not folder.exists():
        return
    if not folder.is_dir():
        raise BadInput(f"{folder}: found a file, {accepted}")
    found = sorted(entry.name for entry in folder.iterdir())
    if not found:
        return
    foreign = [name for name in found if name not in OURS]
    if "manifest.json" not in found and not foreign:
        foreign = found
    if not foreign:
        listed = read_manifest(folder)["files"]
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if name.startswith(("rtl/", "rom/")) and name not in listed:
                foreign.append(name)
    if foreign:
        raise BadInput(f"{folder}: found {', '.join(foreign[:5])}, {accepted}")


def _replace(folder: Path, partial: Path) -> None:
    """Puts `partial` in the place of `folder`; Verilator's results in the old one are kept.

    Where that fails half-way, the old build is put back.
    """
    if not folder.exists():
        os.rename(partial, folder)
        return
    objects = folder / "sim" / "obj"
    if objects.is_dir():
        os.rename(objects, partial / "sim" / "obj")
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old-", dir=folder.parent))
    try:
        os.rename(folder, old / "build")
        os.rename(partial, folder)
    finally:
        if not folder.exists():
            os.rename(old / "build", folder)
        shutil.rmtree(old, ignore_errors=True)


def load_build(folder: Path) -> Build:
    """The build in `folder`; BadInput with every file that is missing or differs."""
    folder = Path(folder).resolve()
    manifest = read_manifest(folder)
    problems = []
    for name, expected in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{path}: found no file, accepted the one of the build; compile again")
        elif sha256(path) != expected:
            problems.append(
                f"{path}: found other contents than manifest.json says, accepted sha256 "
                f"{expected[:12]}...; compile again"
            )
    if problems:
        raise BadInput(problems)
    return Build(folder, load_graph(folder / "sim"), manifest)
