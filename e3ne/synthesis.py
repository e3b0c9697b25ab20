"""A build through Yosys and nextpnr: area, clock and bitstream as figures of the report."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .boards import Board, Resources
from .emit import Part
from .emit.synth_scripts import constraints_file
from .ir import DoesNotFit
from .progress import Stages
from .toolchain import nextpnr, yosys

TOP = "e3ne_top"
NETLIST = "synth/e3ne_top"

OPTIONS = {"ecp5": ["-nodsp"], "ice40": []}
"""Products stay in LUTs, as the mapping counts them: left alone, Yosys takes an 18x18 multiplier
for each product of a few bits, and overruns the part."""

CELLS: dict[str, dict[str, dict[str, int]]] = {
    "ecp5": {
        # A CCU2C is two LUTs with their carry; PFUMX and L6MUX21 join LUTs counted already.
        "luts": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6, "TRELLIS_COMB": 1},
        "ffs": {"TRELLIS_FF": 1},
        "brams": {"DP16KD": 1, "PDPW16KD": 1},
        "dsps": {"MULT18X18D": 1},
        "spram_bits": {},
    },
    "ice40": {
        # A carry mostly shares its cell with a LUT, so it is not counted before routing.
        "luts": {"SB_LUT4": 1, "ICESTORM_LC": 1},
        "ffs": {"SB_DFF*": 1},
        "brams": {"SB_RAM40_4K*": 1, "ICESTORM_RAM": 1},
        "dsps": {"SB_MAC16": 1, "ICESTORM_DSP": 1},
        "spram_bits": {"SB_SPRAM256KA": 262_144, "ICESTORM_SPRAM": 262_144},
    },
}
"""For each family and resource: what one cell of a type (a prefix where it ends in *) takes."""

BRAM_BITS = {"ecp5": 18_432, "ice40": 4_096}


def synthesize(folder: Path, files: list[str], board: Board, stages: Stages) -> dict[str, int]:
    """The resources of the build in `folder` after Yosys; the netlist stays in synth/."""
    with stages("synthesize"):
        cells = yosys.synthesize(
            board.family, files, TOP, folder, NETLIST, options=OPTIONS[board.family]
        )
    return resources_used(board.family, cells)


def route(folder: Path, board: Board, seeds: int, stages: Stages) -> dict[str, Any]:
    """Places and routes the netlist with seeds 1 .. `seeds`; a part of report.json.

    Area is that of the seed with the median clock, whose bitstream is written as well.
    """
    constraints = constraints_file(part_of(board))
    options = ["--speed", board.speed] if board.speed else []
    routed = []
    with stages("route"):
        for seed in range(1, seeds + 1):
            stages.tell("route", seed - 1, seeds)
            routed.append(
                nextpnr.route(
                    *(board.family, board.device, board.package, f"{NETLIST}.json", folder),
                    *(f"{NETLIST}_seed{seed}", board.clock_hz, seed),
                    constraints=constraints,
                    options=options,
                )
            )
    clocks = [result.fmax_hz for result in routed]
    middle = sorted(routed, key=lambda result: result.fmax_hz)[(len(routed) - 1) // 2]
    placed = str(middle.placed.relative_to(folder))
    nextpnr.pack(board.family, placed, "synth/e3ne_top.bit", folder)
    used = {cell: count for cell, (count, _) in middle.utilization.items()}
    return {
        "resources": {"routed": resources_used(board.family, used)},
        "fmax_hz": {
            "routed": [round(clock) for clock in clocks],
            "median": round(statistics.median_low(clocks)),
            "worst": round(min(clocks)),
        },
    }


def part_of(board: Board) -> Part:
    """The board's FPGA in nextpnr's words."""
    return Part(board.family, board.device, board.package, board.speed)


def check_fits(needed: Mapping[str, int], board: Board) -> None:
    """DoesNotFit with every resource of which the network needs more than the part has."""
    have = resources_available(board.resources)
    problems = [
        f"{board.name}: {name}: found a need of {needed[name]:,}, accepted {have[name]:,}; choose "
        "a larger board or lower `utilisation` in the configuration"
        for name in ("luts", "ffs", "brams", "dsps", "spram_bits")
        if needed[name] > have[name]
    ]
    if problems:
        raise DoesNotFit(problems)


def check_pins(ports: Iterable[Mapping[str, Any]], board: Board) -> None:
    """DoesNotFit where the ports of a manifest need more pins than the board's package has."""
    needed = sum(int(port["width_bits"]) for port in ports)
    if needed > board.pins:
        raise DoesNotFit(
            f"{board.name}: pins: found {needed} bits of ports on {TOP}, accepted {board.pins} of "
            f"package {board.package}; `--seeds 0` stops after Yosys, `input_lanes` narrows the "
            "input, and rtl/ takes a bus of your own around the core"
        )


def resources_used(family: str, cells: Mapping[str, int]) -> dict[str, int]:
    """Cells by type (Yosys's before routing, nextpnr's after) as luts, ffs, brams, ...

    A LUT has four inputs; `bram_bits` are the bits of the block RAMs in use, filled or not.
    """
    used = {
        resource: sum(
            count * weight
            for pattern, weight in patterns.items()
            for cell, count in cells.items()
            if cell == pattern or (pattern.endswith("*") and cell.startswith(pattern[:-1]))
        )
        for resource, patterns in CELLS[family].items()
    }
    used["bram_bits"] = used["brams"] * BRAM_BITS[family]
    return used


def resources_available(resources: Resources) -> dict[str, int]:
    """What the board's part holds, by the names of the report."""
    return {
        "luts": resources.luts,
        "ffs": resources.ffs,
        "brams": resources.brams,
        "bram_bits": resources.bram_bits,
        "dsps": resources.dsps,
        "spram_bits": resources.spram_bits,
    }
