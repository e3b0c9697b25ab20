"""synth/: constraints and a script for people who run Yosys and nextpnr by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..ir import BadInput
from .templates import filled

CONSTRAINTS = {
    "ecp5": ("constraints.lpf", 'FREQUENCY PORT "clk" {mhz:g} MHZ;\n'),
    "ice40": ("constraints.pcf", "set_frequency clk {mhz:g}\n"),
}
"""File name and text by family. The core has no pins of its own: nextpnr places them freely."""


@dataclass(frozen=True)
class Part:
    """An FPGA in nextpnr's words: `family` "ecp5" or "ice40", `device` its flag without dashes.

    `speed` is a grade ("6"), empty where the family has one only.
    """

    family: str
    device: str
    package: str
    speed: str = ""


def constraints_file(part: Part) -> str:
    """The constraints of a build for `part`, relative to the build folder."""
    if part.family not in CONSTRAINTS:
        raise BadInput(
            f"part {part.device}: found family {part.family}, accepted "
            f"{', '.join(sorted(CONSTRAINTS))}; choose another board"
        )
    return f"synth/{CONSTRAINTS[part.family][0]}"


def write_synth_scripts(folder: Path, part: Part, clock_hz: float) -> None:
    """Writes the constraints and `run.sh` for `part` into `folder`; BadInput: unknown family."""
    constraints = constraints_file(part).split("/")[1]
    (folder / constraints).write_text(CONSTRAINTS[part.family][1].format(mhz=clock_hz / 1e6))
    script = filled(
        f"run_{part.family}.sh.j2",
        device=part.device,
        package=part.package,
        speed=f" --speed {part.speed}" if part.speed else "",
        mhz=f"{clock_hz / 1e6:g}",
    )
    (folder / "run.sh").write_text(script)
