"""synth/: constraints and scripts for people who run Yosys and nextpnr by hand.

The design is that of `e3ne synth`: both take the options and commands that are here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..ir import BadInput
from ..toolchain import carry_chains, yosys
from ..toolchain.nextpnr import gowin_die
from .templates import filled

CONSTRAINTS = {
    "ecp5": ("constraints.lpf", 'FREQUENCY PORT "clk" {mhz:g} MHZ;\n'),
    "ice40": ("constraints.pcf", "set_frequency clk {mhz:g}\n"),
    "nexus": ("constraints.pdc", "create_clock -period {ns:g} [get_ports clk]\n"),
    "gowin": ("constraints.cst", "// The clock is {mhz:g} MHz (nextpnr's --freq).\n"),
    "xilinx7": ("constraints.xdc", "create_clock -period {ns:g} [get_ports clk]\n"),
    "ultrascale_plus": ("constraints.xdc", "create_clock -period {ns:g} [get_ports clk]\n"),
}
"""File name and text by family. The core has no pins of its own: nextpnr places them freely, but
for nexus and gowin, where the board names pins for it."""

TOP = "e3ne_top"
NETLIST = "synth/e3ne_top"
SCRIPT, CHAINS, OPENER = "synthesize.ys", "carry_chains.v", "carry_chains.py"

OPTIONS: dict[str, list[str]] = {
    "ecp5": ["-nodsp"],
    "ice40": [],
    "gowin": ["-nodsp"],
    "nexus": ["-nodsp"],
    "xilinx7": ["-nodsp"],
    "ultrascale_plus": ["-nodsp"],
}
"""Products stay in LUTs unless the mapping chose a multiplier: left alone, Yosys takes an 18x18
multiplier for each product of a few bits, and overruns the part."""

LUT_SHARE = 0.4
"""Of the period of the clock aimed at, what LUTs may take; wires take the rest."""

PIN_LINES = {
    "nexus": "ldc_set_location -site {{{pin}}} [get_ports {{{port}}}]\n"
    "ldc_set_port -iobuf {{IO_TYPE=LVCMOS33}} [get_ports {{{port}}}]\n",
    "gowin": 'IO_LOC "{port}" {pin};\nIO_PORT "{port}" IO_TYPE=LVCMOS33;\n',
}


@dataclass(frozen=True)
class Part:
    """An FPGA in nextpnr's words: `family` a key of CONSTRAINTS, `device` its flag without dashes.

    `speed` is a grade ("6"), empty where the family has one only. `io_pins` are those that ports
    take in their order, the clock's first, with space between them; needed on nexus and gowin.
    """

    family: str
    device: str
    package: str
    speed: str = ""
    io_pins: str = ""


def constraints_file(part: Part) -> str:
    """The constraints of a build for `part`, relative to the build folder."""
    if part.family not in CONSTRAINTS:
        raise BadInput(
            f"part {part.device}: found family {part.family}, accepted "
            f"{', '.join(sorted(CONSTRAINTS))}; choose another board"
        )
    return f"synth/{CONSTRAINTS[part.family][0]}"


def write_synth_scripts(
    folder: Path,
    part: Part,
    clock_hz: float,
    files: Sequence[str],
    ports: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Writes the constraints and `run.sh` for `part` into `folder`; BadInput: unknown family.

    `files` are the Verilog files of the build, relative to it, and `ports` those of the manifest.
    Where the pins do not suffice, the last ports stay without; `e3ne synth` says so before it
    routes.
    """
    constraints = constraints_file(part).split("/")[1]
    text = CONSTRAINTS[part.family][1].format(mhz=clock_hz / 1e6, ns=1e9 / clock_hz)
    line = PIN_LINES.get(part.family, "")
    pins = zip(port_bits(ports), part.io_pins.split(), strict=False)
    text += "".join(line.format(port=port, pin=pin) for port, pin in pins)
    (folder / constraints).write_text(text)
    script = filled(
        f"run_{part.family}.sh.j2",
        device=part.device,
        package=part.package,
        speed=f" --speed {part.speed}" if part.speed else "",
        die=gowin_die(part.device) if part.family == "gowin" else "",
        mhz=f"{clock_hz / 1e6:g}",
    )
    (folder / "run.sh").write_text(script)
    commands = yosys.synthesis_script(
        *(part.family, files, TOP, NETLIST, f"synth/{CHAINS}"), **synthesis_options(part, clock_hz)
    )
    (folder / SCRIPT).write_text("\n".join(commands) + "\n")
    if part.family == "ecp5":
        (folder / CHAINS).write_text(carry_chains.ODD_CHAINS)
    if part.family in carry_chains.OPENED:
        (folder / OPENER).write_text(Path(carry_chains.__file__).read_text())


def synthesis_options(part: Part, clock_hz: float) -> dict[str, Any]:
    """What `yosys.synthesize` takes for a part and a clock: options, defines, delay_ps."""
    return {
        "options": OPTIONS[part.family],
        "defines": defines_of(part),
        "delay_ps": round(LUT_SHARE * 1e12 / clock_hz),
    }


def defines_of(part: Part) -> list[str]:
    """What Yosys defines for a part: E3NE_SPRAM where memories to be filled lie in its SPRAM."""
    return ["E3NE_SPRAM"] if part.device.startswith("up") and part.family == "ice40" else []


def port_bits(ports: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The name of every bit of the ports of a manifest, in their order, as constraints write it."""
    for port in ports:
        width = int(port["width_bits"])
        name = str(port["name"])
        yield from (name if width == 1 else f"{name}[{bit}]" for bit in range(width))
