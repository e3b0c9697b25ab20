"""What a row shall reach, and what its report says that it reaches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .rows import Figure, Goal

UNITS: dict[Figure, str] = {
    "latency_cycles": "cycles, mean latency",
    "interval_cycles": "cycles, mean interval",
    "latency_us": "us, mean latency",
    "core_us": "us, mean core latency",
    "interval_us": "us, mean interval",
    "frames_per_s": "frames a second",
    "clock_mhz": "MHz",
    "luts": "LUTs",
    "lut_percent": "% of the LUTs",
    "brams": "block RAMs",
    "accuracy_percent": "% accuracy",
    "times_fewer_cycles": "times fewer cycles than the row beside it",
}


def figures(
    report: Mapping[str, Any], beside: Mapping[str, Any] | None = None
) -> dict[Figure, float]:
    """The figures of a report that goals ask for; those that are not known are missing.

    `beside` is the report of the row to compare with.

    Cycles are means over the frames; the clock is the median over the seeds; area is routed, else
    that of Yosys. The core latency leaves out the transfer of the frame but for its last beat, and
    of the answer but for its first: what a network takes that has its frame at once.
    """
    cycles, clock = report["cycles"], report["fmax_hz"].get("median")
    area = report["resources"].get("routed") or report["resources"].get("synthesis")
    found: dict[Figure, float | None] = {
        "latency_cycles": cycles.get("latency_mean"),
        "interval_cycles": cycles.get("interval_mean"),
        "accuracy_percent": report["accuracy"].get("rtl"),
    }
    if beside is not None and cycles.get("latency_mean"):
        found["times_fewer_cycles"] = beside["cycles"]["latency_mean"] / cycles["latency_mean"]
    if area:
        have = float(report["resources"]["available"]["luts"])
        found |= {"luts": area["luts"], "brams": area["brams"]}
        found["lut_percent"] = 100 * area["luts"] / have
    if clock and cycles.get("latency_mean"):
        found["clock_mhz"] = clock / 1e6
        found["latency_us"] = cycles["latency_mean"] / clock * 1e6
        found["core_us"] = core_cycles(report) / clock * 1e6
        found["interval_us"] = cycles["interval_mean"] / clock * 1e6
        found["frames_per_s"] = clock / cycles["interval_mean"]
    return {name: value for name, value in found.items() if value is not None}


def core_cycles(report: Mapping[str, Any]) -> float:
    """Mean latency without the transfers of frame and answer (see `figures`)."""
    ports = report["cycles"]["port_beats"]
    transfers: int = ports["in"] - 1 + ports["out"] - 1
    return float(report["cycles"]["latency_mean"]) - transfers


def is_met(goal: Goal, reached: float) -> bool:
    """Whether the figure is within the goal."""
    above = goal.at_most is not None and reached > goal.at_most
    below = goal.at_least is not None and reached < goal.at_least
    return not above and not below


def goal_lines(
    goals: Iterable[Goal], report: Mapping[str, Any], beside: Mapping[str, Any] | None = None
) -> list[tuple[str, str, str]]:
    """(what was asked, what is reached, met or missed) of every goal, as text."""
    known = figures(report, beside)
    lines = []
    for goal in goals:
        sign, limit = ("<=", goal.at_most) if goal.at_least is None else (">=", goal.at_least)
        asked = f"{sign} {limit:,g} {UNITS[goal.figure]}"
        if goal.figure not in known:
            lines.append((asked, "-", "not measured"))
            continue
        reached = known[goal.figure]
        verdict = "met" if is_met(goal, reached) else "**missed**"
        lines.append((asked, f"{reached:,.{digits(reached)}f}", verdict))
    return lines


def digits(value: float) -> int:
    """Digits behind the point: three figures in all, none for whole numbers of some size."""
    return 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
