"""The machinery of benchmarks: settings over a configuration, goals, the roofline, the page."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from benchmarks.document import section, spiker_here
from benchmarks.goals import core_cycles, figures, goal_lines, is_met
from benchmarks.rivals import RIVALS
from benchmarks.roofline import roofline_cycles
from benchmarks.rows import ROWS, Goal, Row
from benchmarks.run import laid_over, settings_of
from e3ne.boards import load_board
from e3ne.config import Config, InputConfig, NodeConfig
from e3ne.ir import BadInput
from tests.small_networks import convolution

REPORT: dict[str, Any] = {
    "board": "ulx3s-85f",
    "graph": {"neurons": 10, "weights": 100},
    "accuracy": {"float": 98.0, "reference": 97.5, "rtl": 97.5, "samples": 100},
    "fidelity": {},
    "bit_exact": {"mismatches": 0, "frames": 100, "nodes_checked": 2},
    "cycles": {
        "latency_mean": 1_000.0,
        "latency_p50": 990.0,
        "latency_max": 1_200,
        "interval_mean": 400.0,
        "predicted_latency": 1_000,
        "predicted_interval": 400,
        "roofline": 100.0,
        "port_beats": {"in": 101, "out": 11},
    },
    "resources": {
        "synthesis": {"luts": 9_000, "ffs": 1, "brams": 3, "dsps": 0},
        "routed": {"luts": 8_364, "ffs": 1, "brams": 2, "dsps": 0},
        "available": {"luts": 83_640, "ffs": 83_640, "brams": 208, "dsps": 156},
    },
    "fmax_hz": {"routed": [100_000_000], "median": 100_000_000, "worst": 90_000_000},
    "energy": {"proxies": {"synaptic_ops_effective": 10.0, "synaptic_ops_dense": 100}},
    "memory": {"compile_peak_bytes": 1},
    "wall_s": {},
}


def test_settings_lie_over_tables_and_replace_the_rest() -> None:
    base = {"steps": 3, "input": {"bits": 4, "seed": 1}, "mapping": {"a": {"in_lanes": 2}}}
    found = laid_over(base, {"input": {"bits": 1}, "mapping": {"b": {"dsps": 1}}, "window": 2})
    assert found == {
        "steps": 3,
        "window": 2,
        "input": {"bits": 1, "seed": 1},
        "mapping": {"a": {"in_lanes": 2}, "b": {"dsps": 1}},
    }
    assert base["input"] == {"bits": 4, "seed": 1}


def test_a_row_keeps_what_its_network_says() -> None:
    own = Config(steps=3, input=InputConfig(bits=1), default=NodeConfig(weight_bits=4))
    found = settings_of(Row("x", "examples/x", "X", settings={"window": 3}), own)
    assert found == replace(own, window=3)


def test_a_row_with_a_wrong_setting_is_named() -> None:
    with pytest.raises(BadInput, match="row x"):
        settings_of(Row("x", "examples/x", "X", settings={"windows": 3}), Config())


@pytest.mark.parametrize("name", ROWS)
def test_every_row_has_a_legal_configuration_a_board_and_known_rivals(name: str) -> None:
    row = ROWS[name]
    settings_of(row, Config())
    assert load_board(row.board).name == row.board
    assert set(row.rivals) <= set(RIVALS)
    assert row.beside is None or row.beside in ROWS


def test_figures_of_a_report() -> None:
    found = figures(REPORT)
    assert found["latency_us"] == pytest.approx(10.0)
    assert found["interval_us"] == pytest.approx(4.0)
    assert found["frames_per_s"] == pytest.approx(250_000)
    assert found["luts"] == 8_364
    assert found["lut_percent"] == pytest.approx(10.0)
    assert found["brams"] == 2
    assert core_cycles(REPORT) == 890
    assert found["core_us"] == pytest.approx(8.9)


def test_figures_that_are_not_known_are_missing_and_said() -> None:
    report = copy.deepcopy(REPORT)
    report["fmax_hz"], report["resources"]["routed"] = {}, {}
    found = figures(report)
    assert found["luts"] == 9_000
    assert "latency_us" not in found
    lines = goal_lines((Goal("latency_us", at_most=5),), report)
    assert lines == [("<= 5 us, mean latency", "-", "not measured")]


@pytest.mark.parametrize(
    ("goal", "reached", "met"),
    [
        (Goal("luts", at_most=10), 10, True),
        (Goal("luts", at_most=10), 10.5, False),
        (Goal("clock_mhz", at_least=80), 80, True),
        (Goal("clock_mhz", at_least=80), 79.9, False),
    ],
)
def test_goals_include_their_limit(goal: Goal, reached: float, met: bool) -> None:
    assert is_met(goal, reached) is met


def test_a_missed_goal_stands_out() -> None:
    asked, reached, verdict = goal_lines((Goal("latency_cycles", at_most=999),), REPORT)[0]
    assert (asked, reached, verdict) == ("<= 999 cycles, mean latency", "1,000", "**missed**")


def test_the_roofline_counts_every_operation_bit_by_bit_and_every_weight() -> None:
    graph, board = convolution(), load_board("ulx3s-85f")
    smaller = replace(board, resources=replace(board.resources, luts=board.resources.luts // 2))
    assert roofline_cycles(graph, smaller) == pytest.approx(2 * roofline_cycles(graph, board))
    no_memory = replace(board, resources=replace(board.resources, brams=1))
    assert roofline_cycles(graph, no_memory) > roofline_cycles(graph, board)


def test_a_section_shows_goals_roofline_and_rivals() -> None:
    text = section("peer_b", {"peer_b": REPORT})
    assert "100 cycles: 25 % reached" in text
    assert "| <= 1.5 us, mean latency | 10.0 | **missed** |" in text
    assert "sc-neurocore" in text


def test_a_row_is_compared_with_the_row_beside_it() -> None:
    goal = Goal("times_fewer_cycles", at_least=3)
    slower = copy.deepcopy(REPORT)
    slower["cycles"]["latency_mean"] = 2_900.0
    assert goal_lines((goal,), REPORT, slower)[0][1:] == ("2.90", "**missed**")
    slower["cycles"]["latency_mean"] = 3_100.0
    assert goal_lines((goal,), REPORT, slower)[0][1:] == ("3.10", "met")
    assert goal_lines((goal,), REPORT)[0][1:] == ("-", "not measured")


def test_nothing_is_said_of_what_did_not_run() -> None:
    assert spiker_here("examples/digits_radix") == []
