"""nextpnr: place and route, and the packers that make a bitstream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import ToolFailed
from .locate import find
from .process import DAY_S, run_program

PLACED = {
    "ecp5": ("--textcfg", ".config"),
    "ice40": ("--asc", ".asc"),
    "nexus": ("--fasm", ".fasm"),
    "gowin": ("--write", ".routed.json"),
}
"""By family that is routed: nextpnr's flag for the routed design, and the suffix of that file."""

PROGRAMS = {"gowin": "nextpnr-himbaechel-gowin"}

GOWIN_DIES = {"GW1NR-LV9": "GW1N-9C", "GW1N-LV9": "GW1N-9C", "GW2A": "GW2A-18C"}


@dataclass(frozen=True)
class Routed:
    """One routed design: the slowest clock's frequency, cells by type and where the files lie.

    `utilization` maps a cell type to (used, available).
    """

    seed: int
    fmax_hz: float
    utilization: dict[str, tuple[int, int]]
    placed: Path


def route(
    family: str,
    device: str,
    package: str,
    netlist: str,
    cwd: Path,
    output: str,
    clock_hz: float,
    seed: int = 1,
    constraints: str | None = None,
    options: Sequence[str] = (),
    timeout_s: float = DAY_S,
) -> Routed:
    """Places and routes the JSON file `netlist` for a part of `family` (a key of PLACED).

    `device` is nextpnr's own flag without dashes (`85k`, `up5k`, `hx8k`), `package` its package
    name (`CABGA381`, `sg48`); of nexus and gowin `device` is the whole part, which names its
    package. Files are relative to `cwd`; `output` has no suffix: that of PLACED, `.report.json` and
    `.log` are written. Pins without a constraint are placed freely; nexus and gowin need all.
    A clock that is missed is not an error: the caller reads `fmax_hz`.
    """
    placed = output + PLACED[family][1]
    program = find(PROGRAMS.get(family, f"nextpnr-{family}"))
    command = [
        *program.command,
        *_part_flags(family, device, package),
        *("--json", netlist, PLACED[family][0], placed),
        *("--report", f"{output}.report.json", "--freq", f"{clock_hz / 1e6:g}"),
        *("--seed", str(seed), "--timing-allow-fail", *options),
        *_constraint_flags(family, constraints),
    ]
    run_program(program.name, command, cwd, cwd / f"{output}.log", timeout_s)
    return read_report(cwd / f"{output}.report.json", seed, cwd / placed)


def gowin_die(device: str) -> str:
    """Apycula's name of the die in a Gowin part; ToolFailed where the part is none we know."""
    for prefix, die in GOWIN_DIES.items():
        if device.startswith(prefix):
            return die
    raise ToolFailed(
        f"nextpnr: found device {device}, accepted parts that start with {', '.join(GOWIN_DIES)}"
    )


def _part_flags(family: str, device: str, package: str) -> list[str]:
    match family:
        case "nexus":
            return ["--device", device]
        case "gowin":
            return ["--device", device, "--vopt", f"family={gowin_die(device)}"]
        case _:
            return [f"--{device}", "--package", package]


def _constraint_flags(family: str, constraints: str | None) -> list[str]:
    match family:
        case "ecp5" | "ice40":
            kind = "lpf" if family == "ecp5" else "pcf"
            given = [f"--{kind}", constraints] if constraints else []
            return [f"--{kind}-allow-unconstrained", *given]
        case "gowin":
            return ["--vopt", f"cst={constraints}"] if constraints else []
        case _:
            return ["--pdc", constraints] if constraints else []


def read_report(report: Path, seed: int, placed: Path) -> Routed:
    """The numbers of a nextpnr report file."""
    try:
        found = json.loads(report.read_text())
        clocks = [float(clock["achieved"]) * 1e6 for clock in found["fmax"].values()]
        cells = {
            kind: (int(count["used"]), int(count["available"]))
            for kind, count in sorted(found["utilization"].items())
        }
    except (OSError, ValueError, KeyError) as error:
        raise ToolFailed(f"nextpnr: found no readable report at {report}: {error}") from None
    if not clocks:
        raise ToolFailed(f"nextpnr: found no clock in {report}, accepted a clocked design")
    return Routed(seed, min(clocks), cells, placed)


def pack(family: str, placed: str, bitstream: str, cwd: Path, device: str = "") -> Path:
    """The bitstream file of a routed design; both names relative to `cwd`; gowin needs `device`."""
    match family:
        case "ecp5":
            tool, arguments = "ecppack", ["--compress", placed, bitstream]
        case "ice40":
            tool, arguments = "icepack", [placed, bitstream]
        case "nexus":
            tool, arguments = "prjoxide", ["pack", placed, bitstream]
        case _:
            tool, arguments = "gowin_pack", ["-d", gowin_die(device), "-o", bitstream, placed]
    program = find(tool)
    run_program(program.name, [*program.command, *arguments], cwd)
    return cwd / bitstream
