"""How often the registers of the emitted Verilog change: counters beside the design, in Verilator.

Every module of `e3ne_network.v` gets a counter of its own that compares all of its registers with
what they held a cycle before, and says its sum at the end. The design itself stays as it is.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..emit import Build
from ..toolchain import ToolFailed, verilator
from .runs import HARNESS, OBJECTS, PORTS, Frames, RunOptions, run_verilator

TOGGLE_FRAMES = 16
"""Frames whose changes are counted: counters slow the simulator down, and means settle early."""

NETWORK = "rtl/e3ne_network.v"
COUNTED = f"{OBJECTS}/e3ne_network_counted.v"
CORE = "e3ne_network.core."
MODULE = re.compile(r"^module (?:\\(?P<odd>\S+) |(?P<plain>\w+))")
REGISTER = re.compile(
    r"^ *reg (?:signed )?(?:\[(?P<high>\d+):(?P<low>\d+)\] )?(?P<name>\\\S+ |\w+) *(?:=.*)?;$"
)
"""A declaration of the text that Yosys writes; an array of words, a memory, has a range behind its
name and does not match."""

SAID = re.compile(r"^e3ne_toggles (\d+) (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Changes:
    """Of one part of the design: bits of its registers, and how many change in a frame, the mean
    over the counted frames."""

    register_bits: int
    toggles: float

    @property
    def share(self) -> float:
        """Changes of one bit in a frame."""
        return self.toggles / self.register_bits if self.register_bits else 0.0


@dataclass(frozen=True)
class Toggles:
    """Changes of every node, and of the ports and what lies between nodes (`ports`).

    Counted from the end of reset over `frames` frames back to back and `cycles` cycles, those in
    which the hardware fills and drains included.
    """

    frames: int
    cycles: int
    nodes: Mapping[str, Changes]
    ports: Changes

    @property
    def total(self) -> float:
        """Changes of all registers in a frame."""
        return self.ports.toggles + sum(found.toggles for found in self.nodes.values())


def count_toggles(build: Build, frames: Frames, jobs: int = 2) -> Toggles:
    """Runs integers (frames, steps, *shape) of each input back to back and counts.

    Counted are the flip-flops of the network and the registers that its memories are read into;
    not what memories hold, and not wires. ToolError where a tool fails.
    """
    text, modules = counted((build.folder / NETWORK).read_text(encoding="utf-8"))
    write_whole(build.folder / COUNTED, text)
    files = [COUNTED if name == NETWORK else name for name in build.verilog]
    executable = verilator.build(
        *(files, "e3ne_top", HARNESS, build.folder, OBJECTS, ["E3NE_PROBES"], jobs),
        headers=[PORTS],
    )
    capture = run_verilator(build, executable, frames, RunOptions())
    if capture.timed_out:
        raise ToolFailed("toggles: found a simulation that came to no end; run `e3ne simulate`")
    found = read_counts(capture.said, modules)
    names = [node.name for node in build.graph.nodes]
    return by_node(found, names, len(frames[0]), capture.cycles)


@dataclass(frozen=True)
class CountedModule:
    """A module of the design that has registers, `register_bits` in all."""

    name: str
    register_bits: int


def counted(verilog: str) -> tuple[str, list[CountedModule]]:
    """The Verilog of a network with a counter in each module, and the modules that have one."""
    modules: list[CountedModule] = []
    lines: list[str] = []
    name, bits = "", 0
    registers: list[str] = []
    for line in verilog.splitlines():
        if begins := MODULE.match(line):
            name, registers, bits = begins["odd"] or begins["plain"], [], 0
        elif found := REGISTER.match(line):
            registers.append(found["name"])
            bits += abs(int(found["high"] or 0) - int(found["low"] or 0)) + 1
        elif line == "endmodule" and registers:
            lines += counter(len(modules), registers, bits)
            modules.append(CountedModule(name, bits))
        lines.append(line)
    return "\n".join(lines) + "\n", modules


def counter(place: int, registers: Sequence[str], bits: int) -> list[str]:
    """Lines of Verilog that count the changes of a module's registers outside of reset.

    `place` is the module's number in what they say at the end: `e3ne_toggles place changes`.
    """
    return [
        f"  wire [{bits - 1}:0] e3ne_now = {{{', '.join(registers)}}};",
        f"  reg [{bits - 1}:0] e3ne_before;",
        f"  wire [{bits - 1}:0] e3ne_changed = e3ne_now ^ e3ne_before;",
        "  reg [63:0] e3ne_toggles = 64'd0;",
        "  always @(posedge clk) begin",
        "    e3ne_before <= e3ne_now;",
        "    if (!rst) e3ne_toggles <= e3ne_toggles + 64'($countones(e3ne_changed));",
        "  end",
        f'  final $display("e3ne_toggles {place} %0d", e3ne_toggles);',
    ]


def read_counts(said: str, modules: Sequence[CountedModule]) -> dict[str, tuple[int, int]]:
    """(register bits, changes) of each module by its name, out of what a simulator said."""
    sums = {int(place): int(changes) for place, changes in SAID.findall(said)}
    if sorted(sums) != list(range(len(modules))):
        raise ToolFailed(
            f"toggles: found counts of {len(sums)} modules, accepted {len(modules)}; delete the "
            f"build's {OBJECTS} and repeat the command"
        )
    return {
        module.name: (module.register_bits, sums[place]) for place, module in enumerate(modules)
    }


def by_node(
    found: Mapping[str, tuple[int, int]], names: Sequence[str], frames: int, cycles: int
) -> Toggles:
    """Sums over the modules of each node, which are named after it."""
    sums = {name: [0, 0] for name in ["", *names]}
    for module, (bits, changes) in found.items():
        owner = sums[node_of_module(module, names)]
        owner[0] += bits
        owner[1] += changes
    parts = {name: Changes(bits, changes / frames) for name, (bits, changes) in sums.items()}
    ports = parts.pop("")
    return Toggles(frames, cycles, parts, ports)


def node_of_module(module: str, names: Sequence[str]) -> str:
    """The node that a module belongs to, "" for ports: `e3ne_network.core.<node>[.<part>]`."""
    inside = module.removeprefix(CORE)
    if inside == module:
        return ""
    owners = [name for name in names if inside == name or inside.startswith(f"{name}.")]
    return max(owners, key=len, default="")


def write_whole(path: Path, text: str) -> None:
    """Writes a file that others may write at the same time: they see one whole text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=".", encoding="utf-8", delete=False
    ) as file:
        file.write(text)
    os.replace(file.name, path)
