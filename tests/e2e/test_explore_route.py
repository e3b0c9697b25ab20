"""A search whose figures come from nextpnr: real place and route as a task of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from e3ne.boards import load_board
from e3ne.explore import Plan, explore, wishes_of
from e3ne.explore.output import all_figures
from tests.unit.explore_cases import cluster_here, small

DIALS = {
    **{"code": "radix", "target": "area", "utilisation": 0.5},
    **{"weight_bits": 2, "edge_bits": 1, "input_bits": 2},
}


def test_a_trial_is_routed_and_its_times_are_those_of_the_routed_clock(tmp_path: Path) -> None:
    before = set(Path(tempfile.gettempdir()).glob("e3ne-explore-*"))
    board = load_board("ice40-hx8k")
    plan = Plan(("accuracy", "latency_us", "luts", "ffs"), "route")
    arguments = small(board=board, plan=plan, wishes=wishes_of(DIALS), trials=1)
    places = {"storage": f"sqlite:///{tmp_path}/study.db", "cache": tmp_path / "cache"}
    with cluster_here() as address:
        found = explore(**arguments, **places, scheduler=address)
    (point,) = found.front
    figures = point.trial.figures
    assert 10e6 < figures["clock_hz"] != board.clock_hz
    cycles = (figures["latency_cycles"], figures["interval_cycles"])
    times = (figures["latency_us"], figures["interval_us"])
    assert times == pytest.approx([count / figures["clock_hz"] * 1e6 for count in cycles])
    assert 50 < figures["luts"] < 2000  # logic cells, of nextpnr
    assert 10 < figures["ffs"] < figures["luts"]  # of Yosys: nextpnr counts none apart
    assert all_figures(found)["measure"] == "route"
    assert set(Path(tempfile.gettempdir()).glob("e3ne-explore-*")) <= before
