"""nextpnr: place and route, and the packers that make a bitstream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import ToolFailed
from .locate import find
from .process import DAY_S, run_program


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
    """Places and routes the JSON file `netlist` for a part of `family` ("ecp5" or "ice40").

    `device` is nextpnr's own flag without dashes (`85k`, `up5k`, `hx8k`), `package` its package
    name (`CABGA381`, `sg48`). Files are relative to `cwd`; `output` has no suffix: `.config` or
    `.asc`, `.report.json` and `.log` are written. Pins without a constraint are placed freely.
    A clock that is missed is not an error: the caller reads `fmax_hz`.
    """
    program = find(f"nextpnr-{family}")
    placed = f"{output}.config" if family == "ecp5" else f"{output}.asc"
    command = [
        *program.command,
        *(f"--{device}", "--package", package, "--json", netlist),
        *("--textcfg" if family == "ecp5" else "--asc", placed),
        *("--report", f"{output}.report.json", "--freq", f"{clock_hz / 1e6:g}"),
        *("--seed", str(seed), "--timing-allow-fail", *options),
    ]
    if family == "ecp5":
        command += ["--lpf-allow-unconstrained", *(["--lpf", constraints] if constraints else [])]
    else:
        command += ["--pcf-allow-unconstrained", *(["--pcf", constraints] if constraints else [])]
    run_program(f"nextpnr-{family}", command, cwd, cwd / f"{output}.log", timeout_s)
    return read_report(cwd / f"{output}.report.json", seed, cwd / placed)


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


def pack(family: str, placed: str, bitstream: str, cwd: Path) -> Path:
    """The bitstream file of a routed design; both names relative to `cwd`."""
    program = find("ecppack" if family == "ecp5" else "icepack")
    flags = ["--compress"] if family == "ecp5" else []
    run_program(program.name, [*program.command, *flags, placed, bitstream], cwd)
    return cwd / bitstream
