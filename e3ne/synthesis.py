"""A build through Yosys and nextpnr: area, clock and bitstream as figures of the report."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from .boards import Board, Resources
from .emit import Part
from .emit.synth_scripts import NETLIST, TOP, constraints_file, synthesis_options
from .emit.synth_scripts import OPTIONS as OPTIONS
from .ir import DoesNotFit
from .progress import Stages
from .toolchain import nextpnr, yosys
from .toolchain.errors import ToolTimedOut
from .toolchain.process import DAY_S, side_by_side

logger = logging.getLogger(__name__)

XILINX: dict[str, dict[str, int]] = {
    "luts": {
        # Two small LUTs of which an FPGA makes one with two outputs are counted as two.
        **{"LUT1": 1, "LUT2": 1, "LUT3": 1, "LUT4": 1, "LUT5": 1, "LUT6": 1, "INV": 1},
        **{"RAM32M": 4, "RAM64M": 4, "RAM32M16": 8, "RAM64M8": 8, "RAM32X16DR8": 8},
        **{"RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM256X1D": 8},
        **{"RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4, "RAM512X1S": 8},
        **{"SRL16E": 1, "SRLC32E": 1},
    },
    "ffs": {"FDRE": 1, "FDSE": 1, "FDCE": 1, "FDPE": 1},
    "brams": {"RAMB18E1": 1, "RAMB36E1": 2, "RAMB18E2": 1, "RAMB36E2": 2},
    "dsps": {"DSP48E1": 1, "DSP48E2": 1},
    "spram_bits": {"URAM288": 294_912},
}

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
    "gowin": {
        # An ALU is a LUT with its carry; MUX2_LUT5 .. 8 join LUTs counted already.
        "luts": {"LUT1": 1, "LUT2": 1, "LUT3": 1, "LUT4": 1, "ALU": 1, "RAM16SDP4": 4},
        "ffs": {"DFF*": 1},
        "brams": {
            **{"SP": 1, "SPX9": 1, "SDPB": 1, "SDPX9B": 1, "DPB": 1, "DPX9B": 1},
            **{"pROM": 1, "pROMX9": 1, "BSRAM": 1},
        },
        "dsps": {"MULT18X18": 1},
        "spram_bits": {},
    },
    "nexus": {
        # A CCU2 is two LUTs with their carry, a WIDEFN9 two with what joins them.
        "luts": {"LUT4": 1, "CCU2": 2, "WIDEFN9": 2, "DPR16X4": 4, "INV": 1, "OXIDE_COMB": 1},
        "ffs": {"FD1P3*": 1, "OXIDE_FF": 1},
        "brams": {"DP16K": 1, "PDP16K": 1, "PDPSC16K": 1, "OXIDE_EBR": 1},
        "dsps": {"MULT18X18": 1, "MULT18_CORE": 1},
        "spram_bits": {"DPSC512K": 524_288, "LRAM_CORE": 524_288},
    },
    "xilinx7": XILINX,
    "ultrascale_plus": XILINX,
}
"""For each family and resource: what one cell of a type (a prefix where it ends in *) takes."""

BRAM_BITS = {
    **{"ecp5": 18_432, "ice40": 4_096, "gowin": 18_432, "nexus": 18_432},
    **{"xilinx7": 18_432, "ultrascale_plus": 18_432},
}


def synthesize(folder: Path, files: list[str], board: Board, stages: Stages) -> dict[str, int]:
    """The resources of the build in `folder` after Yosys; the netlist stays in synth/."""
    with stages("synthesize"):
        cells = yosys.synthesize(
            *(board.family, files, TOP, folder, NETLIST),
            **synthesis_options(part_of(board), board.clock_hz),
        )
    return resources_used(board.family, cells)


def route(
    folder: Path,
    board: Board,
    seeds: int,
    stages: Stages,
    jobs: int = 1,
    timeout_s: float = DAY_S,
    router: str | None = None,
) -> dict[str, Any]:
    """Places and routes the netlist with seeds 1 .. `seeds`; a part of report.json.

    At most `jobs` runs side by side, each of which may hold a gigabyte. Now and then the router
    finds no end with one seed and takes a minute with the next: such a seed is given up after
    `timeout_s`, and told; ToolTimedOut where no seed ends. `router` is one of nextpnr's (None: its
    default): on ECP5 router2 takes a fraction of the time of router1, the default, and gives slower
    clocks. Area is that of the seed with the median clock, whose bitstream is written as well.
    """
    constraints = constraints_file(part_of(board))
    options = ["--speed", board.speed] if board.speed else []
    options += ["--router", router] if router else []
    runs = [
        partial(
            nextpnr.route,
            *(board.family, board.device, board.package, f"{NETLIST}.json", folder),
            *(f"{NETLIST}_seed{seed}", board.clock_hz, seed),
            constraints=constraints,
            options=options,
            timeout_s=timeout_s,
        )
        for seed in range(1, seeds + 1)
    ]
    with stages("route"):
        found = side_by_side(
            [partial(_ended, run) for run in runs],
            *(jobs, lambda count: stages.tell("route", count, seeds)),
        )
    routed = [result for result in found if result is not None]
    unrouted = [seed for seed, result in enumerate(found, start=1) if result is None]
    if not routed:
        raise ToolTimedOut(
            f"nextpnr: found no end after {timeout_s:g} s with {seeds} "
            f"seed{'' if seeds == 1 else 's'}, accepted one that ends; make the design smaller, "
            "allow more time or try more seeds"
        )
    clocks = [result.fmax_hz for result in routed]
    middle = sorted(routed, key=lambda result: result.fmax_hz)[(len(routed) - 1) // 2]
    placed = str(middle.placed.relative_to(folder))
    suffix = "fs" if board.family == "gowin" else "bit"
    nextpnr.pack(board.family, placed, f"synth/e3ne_top.{suffix}", folder, board.device)
    used = {cell: count for cell, (count, _) in middle.utilization.items()}
    if board.family == "gowin":
        used.pop("ALU", None)  # nextpnr counts it as a LUT4 as well
    resources = resources_used(board.family, used)
    if board.family == "ice40":
        del resources["ffs"]  # nextpnr counts logic cells, with or without a flip-flop
    return {
        "resources": {"routed": resources},
        "fmax_hz": {
            "routed": [round(clock) for clock in clocks],
            "median": round(statistics.median_low(clocks)),
            "worst": round(min(clocks)),
            "unrouted": unrouted,
            "timeout_s": timeout_s,
            "router": router or "default",
        },
    }


def _ended(run: Callable[[], nextpnr.Routed]) -> nextpnr.Routed | None:
    """What the run returns; None where it was ended for its time."""
    try:
        return run()
    except ToolTimedOut as error:
        logger.warning("%s", error)
        return None


def is_routed(board: Board) -> bool:
    """Whether a packaged tool routes the board's family; logs a warning where none does."""
    if board.family in nextpnr.PLACED:
        return True
    logger.warning(
        "%s: no open place and route for %s is packaged: stopped after Yosys; take rtl/, rom/ and "
        "%s into the vendor's tools for clock and bitstream",
        *(board.name, board.family, constraints_file(part_of(board))),
    )
    return False


def part_of(board: Board) -> Part:
    """The board's FPGA in nextpnr's words."""
    return Part(board.family, board.device, board.package, board.speed, board.io_pins)


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
    free = len(board.io_pins.split()) or board.pins
    if needed > free:
        raise DoesNotFit(
            f"{board.name}: pins: found {needed} bits of ports on {TOP}, accepted {free} of "
            f"package {board.package}; `--seeds 0` stops after Yosys, `input_lanes` narrows the "
            "input, and rtl/ takes a bus of your own around the core"
        )


def resources_used(family: str, cells: Mapping[str, int]) -> dict[str, int]:
    """Cells by type (Yosys's before routing, nextpnr's after) as luts, ffs, brams, ...

    LUTs are the family's own (`boards.Resources`); `bram_bits` are the bits of the block RAMs in
    use, filled or not.
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
