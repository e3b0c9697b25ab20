from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from e3ne.boards import load_board
from e3ne.cli.running import counted, unrouted_text
from e3ne.ir import DoesNotFit
from e3ne.progress import Stages
from e3ne.synthesis import (
    check_fits,
    check_pins,
    part_of,
    resources_available,
    resources_used,
    route,
)
from e3ne.toolchain import ToolFailed, ToolTimedOut, nextpnr


def test_ecp5_cells_before_routing() -> None:
    cells = {"LUT4": 100, "CCU2C": 10, "TRELLIS_FF": 7, "DP16KD": 2, "MULT18X18D": 3, "PFUMX": 50}
    assert resources_used("ecp5", cells) == {
        "luts": 120,
        "ffs": 7,
        "brams": 2,
        "dsps": 3,
        "spram_bits": 0,
        "bram_bits": 2 * 18_432,
    }


def test_ecp5_cells_after_routing() -> None:
    used = resources_used("ecp5", {"TRELLIS_COMB": 130, "TRELLIS_FF": 7, "TRELLIS_IO": 60})
    assert (used["luts"], used["ffs"], used["brams"]) == (130, 7, 0)


def test_ice40_flip_flops_and_memories_of_every_kind() -> None:
    cells = {"SB_DFF": 1, "SB_DFFESR": 2, "SB_LUT4": 5, "SB_CARRY": 9, "SB_RAM40_4KNR": 1}
    used = resources_used("ice40", {**cells, "SB_SPRAM256KA": 1, "SB_MAC16": 4})
    assert (used["ffs"], used["luts"], used["brams"], used["dsps"]) == (3, 5, 1, 4)
    assert used["spram_bits"] == 262_144


def test_names_are_those_of_what_is_available() -> None:
    available = resources_available(load_board("icebreaker").resources)
    assert set(available) == set(resources_used("ice40", {}))


def test_too_large_for_the_part_lists_every_resource() -> None:
    board = load_board("icebreaker")
    needed = {**resources_used("ice40", {}), "luts": 5_281, "dsps": 9}
    with pytest.raises(DoesNotFit) as caught:
        check_fits(needed, board)
    assert caught.value.problems[0].startswith(
        "icebreaker: luts: found a need of 5,281, accepted 5,280; choose a larger board"
    )
    assert len(caught.value.problems) == 2


def test_more_ports_than_pins() -> None:
    board = load_board("icebreaker")
    ports = [{"name": "clk", "width_bits": 1}, {"name": "m_axis_tdata", "width_bits": 39}]
    with pytest.raises(DoesNotFit, match="pins: found 40 bits of ports on e3ne_top, accepted 39"):
        check_pins(ports, board)
    check_pins(ports[1:], board)


def test_exactly_full_fits() -> None:
    board = load_board("icebreaker")
    check_fits(resources_available(board.resources), board)


def test_part_in_the_words_of_nextpnr() -> None:
    part = part_of(load_board("orangecrab-25f"))
    assert (part.family, part.device, part.package, part.speed) == ("ecp5", "25k", "CSFBGA285", "8")
    assert part_of(replace(load_board("icebreaker"))).speed == ""


@pytest.mark.parametrize(
    ("family", "cells", "luts", "ffs", "brams"),
    [
        ("gowin", {"LUT1": 1, "LUT4": 9, "ALU": 5, "DFFRE": 3, "pROMX9": 2, "SDPB": 1}, 15, 3, 3),
        ("nexus", {"LUT4": 9, "CCU2": 5, "WIDEFN9": 2, "FD1P3IX": 3, "PDPSC16K": 1}, 23, 3, 1),
        ("xilinx7", {"LUT2": 1, "LUT6": 9, "CARRY4": 5, "FDRE": 3, "RAMB36E1": 1}, 10, 3, 2),
        ("ultrascale_plus", {"LUT5": 1, "RAM32M16": 1, "FDSE": 3, "RAMB18E2": 1}, 9, 3, 1),
    ],
)
def test_cells_of_other_families(
    family: str, cells: dict[str, int], luts: int, ffs: int, brams: int
) -> None:
    used = resources_used(family, cells)
    assert (used["luts"], used["ffs"], used["brams"]) == (luts, ffs, brams)
    assert used["bram_bits"] == brams * 18_432


CLOCKS = {1: 80e6, 3: 95e6, 4: 90e6}


def route_seeds(
    folder: Path, seeds: int, monkeypatch: pytest.MonkeyPatch, clocks: dict[int, float] = CLOCKS
) -> dict:
    """Routings of which those without a clock find no end."""

    def routed(*arguments, timeout_s, **_):
        seed = arguments[-1]
        if seed not in clocks:
            raise ToolTimedOut(f"nextpnr: found no end after {timeout_s:g} s")
        return nextpnr.Routed(seed, clocks[seed], {"TRELLIS_COMB": (seed, 9)}, folder / "placed")

    monkeypatch.setattr(nextpnr, "route", routed)
    monkeypatch.setattr(nextpnr, "pack", lambda *_: folder)
    return route(folder, load_board("ulx3s-85f"), seeds, Stages(), jobs=2, timeout_s=7)


def test_a_seed_without_an_end_is_told_and_the_others_count(tmp_path, monkeypatch) -> None:
    figures = route_seeds(tmp_path, 4, monkeypatch)
    clock = figures["fmax_hz"]
    assert clock["routed"] == [80_000_000, 95_000_000, 90_000_000]
    assert (clock["median"], clock["worst"]) == (90_000_000, 80_000_000)
    assert figures["resources"]["routed"]["luts"] == 4
    assert unrouted_text(clock) == "; given up after 7 s: seed 2"


def test_one_of_a_thing_is_not_several() -> None:
    assert (counted(1, "seed"), counted(2, "seed")) == ("1 seed", "2 seeds")
    assert counted(1500, "frame") == "1,500 frames"


def test_no_seed_with_an_end_is_an_error(tmp_path, monkeypatch) -> None:
    with pytest.raises(ToolTimedOut, match="found no end after 7 s with 2 seeds, accepted one"):
        route_seeds(tmp_path, 2, monkeypatch, clocks={})
    with pytest.raises(ToolTimedOut, match="found no end after 7 s with 1 seed, accepted one"):
        route_seeds(tmp_path, 1, monkeypatch, clocks={})


def test_a_routing_that_fails_is_not_given_up_in_silence(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(nextpnr, "Routed", lambda *_: (_ for _ in ()).throw(ToolFailed("no")))
    with pytest.raises(ToolFailed, match="no"):
        route_seeds(tmp_path, 1, monkeypatch)
