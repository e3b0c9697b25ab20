"""report.html: the figures of report.json for people, one self-contained file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jinja2

from .document import Report, kind_of, read_report

HTML_FILE = "report.html"
TEMPLATE = Path(__file__).with_name("report.html.j2")

Row = tuple[str, str, str]  # name, figure, kind

SECTIONS = (
    ("accuracy", "Accuracy, percent"),
    ("bit_exact", "Hardware against reference"),
    ("fidelity", "Quantised torch model against reference"),
    ("cycles", "Cycles a frame"),
    ("fmax_hz", "Clock after routing, Hz"),
    ("wall_s", "Time of each stage, s"),
    ("memory", "Memory"),
)
RESOURCES = ("luts", "ffs", "brams", "bram_bits", "dsps", "spram_bits")


def write_html(build: Path) -> Path:
    """Writes `build`/report.html from its report.json and returns its path."""
    path = build / HTML_FILE
    half = path.with_suffix(".html.part")
    half.write_text(html(read_report(build)), encoding="utf-8")
    os.replace(half, path)
    return path


def html(report: Report) -> str:
    """The page: no script, nothing loaded from elsewhere."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        report=report,
        sections=[
            (title, rows)
            for key, title in SECTIONS
            if (rows := section_rows(report, key, report[key]))
        ],
        resources=resource_rows(report),
        activity=activity_rows(report),
        energy=section_rows(report, "energy", without_nodes(report["energy"])),
        toggles=toggle_rows(report),
        times=time_rows(report),
    )


def section_rows(report: Report, path: str, values: dict[str, Any]) -> list[Row]:
    """One row a figure, dicts below included by their dotted names; nothing for null."""
    rows: list[Row] = []
    for name, value in values.items():
        below = f"{path}.{name}"
        if isinstance(value, dict):
            rows += [
                (f"{name}.{inner}", figure, kind)
                for inner, figure, kind in section_rows(report, below, value)
            ]
        elif value is not None:
            rows.append((name, figure_text(value), kind_of(report, below)))
    return rows


def resource_rows(report: Report) -> list[tuple[str, str, list[str]]]:
    """(stage, kind, figures in the order of RESOURCES) of every stage that is known."""
    order = ("predicted", "synthesis", "routed", "available")
    stages = [stage for stage in order if report["resources"].get(stage)]
    return [
        (
            stage,
            kind_of(report, f"resources.{stage}"),
            [figure_text(report["resources"][stage].get(name, "")) for name in RESOURCES],
        )
        for stage in stages
    ]


def activity_rows(report: Report) -> list[tuple[str, str, str, str, float]]:
    """(node, spikes, effective, dense, effective in percent of dense) of every node."""
    rows = []
    for node, counts in report["activity"].items():
        dense = counts["synaptic_ops_dense"]
        share = 100 * counts["synaptic_ops_effective"] / dense if dense else 0.0
        figures = ("spikes_per_frame", "synaptic_ops_effective", "synaptic_ops_dense")
        spikes, effective, all_of_them = (figure_text(counts[name]) for name in figures)
        rows.append((node, spikes, effective, all_of_them, share))
    return rows


def without_nodes(energy: dict[str, Any]) -> dict[str, Any]:
    """The figures of the energy that are not of single nodes."""
    counts = {name: n for name, n in energy.get("toggles", {}).items() if name != "by_node"}
    return {**energy, "toggles": counts}


def toggle_rows(report: Report) -> list[tuple[str, str, str, str]]:
    """(node, bits of registers, changes in a frame, those of a bit in a cycle) where counted."""
    names = ("register_bits", "toggles_per_frame", "toggles_per_bit_and_cycle")
    by_node = report["energy"].get("toggles", {}).get("by_node", {})
    return [(node, *(figure_text(row[name]) for name in names)) for node, row in by_node.items()]


def time_rows(report: Report) -> list[Row]:
    """Time of a frame at the board's clock and, where routed, at the median routed clock."""
    clocks = [(f"at the clock aimed at, {report['clock_hz'] / 1e6:g} MHz", report["clock_hz"])]
    if report["fmax_hz"].get("median"):
        median = report["fmax_hz"]["median"]
        clocks.append((f"at the median routed clock, {median / 1e6:.1f} MHz", median))
    return [
        (f"{title} {where}", f"{cycles / clock * 1e6:,.3f} us", "modelled")
        for where, clock in clocks
        for title, name in (("latency", "latency_mean"), ("interval", "interval_mean"))
        if (cycles := report["cycles"].get(name))
    ]


def figure_text(value: Any) -> str:
    """Thousands apart; lists with commas; everything else as it is."""
    if isinstance(value, list):
        return ", ".join(map(figure_text, value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or value == int(value):
        return f"{int(value):,}"
    return f"{value:,.3f}" if abs(value) < 1000 else f"{value:,.1f}"
