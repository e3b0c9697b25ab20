"""docs/benchmarks.md, written from the reports of the rows that ran."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from e3ne.cli.running import counted, unrouted_text

from .goals import goal_lines
from .rivals import RIVALS, Rival
from .rows import ROWS
from .run import ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"
MEASURED = ROOT / "benchmarks" / "measured"

HEAD = """# Benchmarks

Written by `make bench`; do not edit. Each figure has its kind: **measured** (accuracy of networks,
times of tools), **simulated** (cycles of the emitted Verilog in Verilator, whole test set),
**post-route** (area and clock by nextpnr, all seeds), **modelled** (predictions before synthesis),
**quoted** (other people's words). No board has been measured. Times are cycles over the median
routed clock. Mismatches count every word of every population in every frame that differs from the
integer reference. The roofline is what the adders and memories of the part can do at most
(`benchmarks/roofline.py`), for every synaptic operation, zeros included; skipping zeros may pass
it. A radix network of so many bits is a quantised network of as many, taken bit by bit or at once:
rows of it are no claim about spikes.
"""


def read_results(builds: Path) -> dict[str, dict[str, Any]]:
    """The reports of the rows that have been checked, in the order of the rows."""
    reports = {name: builds / name / "report.json" for name in ROWS}
    found = {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name, path in reports.items()
        if path.is_file()
    }
    return {name: report for name, report in found.items() if report["bit_exact"]}


def write_document(reports: dict[str, dict[str, Any]]) -> None:
    """Writes docs/benchmarks.md."""
    DOCUMENT.write_text(document(reports), encoding="utf-8")


def document(reports: dict[str, dict[str, Any]]) -> str:
    """The whole page."""
    parts = [HEAD, *(section(name, reports) for name in reports)]
    return "\n".join(parts)


def section(name: str, reports: dict[str, dict[str, Any]]) -> str:
    """One row: accuracy, cycles against prediction, area, clock, and its rivals."""
    row, report = ROWS[name], reports[name]
    accuracy, exact, cycles = report["accuracy"], report["bit_exact"], report["cycles"]
    lines = [
        f"## {name}: {row.title}",
        "",
        f"Board {report['board']}; {report['graph']['neurons']:,} neurons, "
        f"{report['graph']['weights']:,} weights.",
        "",
        table(
            ("figure", "value", "kind"),
            [
                (
                    "accuracy, float / reference / RTL",
                    f"{accuracy['float']:.2f} / {accuracy['reference']:.2f} / "
                    f"{accuracy['rtl']:.2f} % of {accuracy['samples']:,}",
                    "measured, RTL simulated",
                ),
                (
                    "mismatches",
                    f"{exact['mismatches']} in {exact['frames']:,} frames, "
                    f"{exact['nodes_checked']} nodes",
                    "simulated",
                ),
                *fidelity_lines(report),
                (
                    "latency",
                    f"mean {cycles['latency_mean']:,.0f} cycles, p50 {cycles['latency_p50']:,.0f}, "
                    f"worst {cycles['latency_max']:,} (predicted {cycles['predicted_latency']:,})",
                    "simulated, modelled",
                ),
                (
                    "interval",
                    f"{cycles['interval_mean']:,.0f} cycles "
                    f"(predicted {cycles['predicted_interval']:,})",
                    "simulated, modelled",
                ),
                *roofline_lines(report),
                *area_lines(report),
                (
                    "synaptic operations a frame, effective / dense",
                    f"{report['energy']['proxies']['synaptic_ops_effective']:,.0f} / "
                    f"{report['energy']['proxies']['synaptic_ops_dense']:,}",
                    "measured",
                ),
                (
                    "compile time; peak memory of the compiler",
                    f"{compile_seconds(report):.1f} s; "
                    f"{report['memory']['compile_peak_bytes'] / 2**20:,.0f} MiB",
                    "measured",
                ),
            ],
        ),
        "",
    ]
    if row.goals:
        asked = goal_lines(row.goals, report, reports.get(row.beside or ""))
        lines += [table(("goal", "reached", ""), asked), ""]
    if row.beside is not None:
        lines += [f"Beside it: {row.beside}.", ""]
    if row.rivals:
        lines += [rivals_table(row.network, report, [RIVALS[key] for key in row.rivals]), ""]
    return "\n".join(lines)


def roofline_lines(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The interval as a share of the least that the part could do."""
    found = report["cycles"].get("roofline")
    if not found:
        return []
    share = 100 * found / report["cycles"]["interval_mean"]
    return [("roofline of the part", f"{found:,.0f} cycles: {share:.0f} % reached", "modelled")]


def fidelity_lines(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Agreement with the float network of the same weights."""
    found = report["fidelity"]
    if not found:
        return []
    value = f"{found['percent']:.4f} % of {found['values_compared']:,} values"
    return [("fidelity to the float network of the same weights", value, "measured")]


def area_lines(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Area and clock after routing; area after Yosys where nothing was routed."""
    stage = area_stage(report)
    if stage is None:
        return [("area", "-", "not synthesized yet")]
    used, have = report["resources"][stage], report["resources"]["available"]
    area = ", ".join(
        f"{used[key]:,} of {have[key]:,} {name}"
        for key, name in (
            ("luts", "LUTs"),
            ("ffs", "FFs"),
            ("brams", "block RAMs"),
            ("dsps", "DSPs"),
        )
        if key in used  # nextpnr counts no flip-flops of iCE40 apart
    )
    lines = [("area", area, "post-route" if stage == "routed" else "post-synthesis")]
    clock = report["fmax_hz"]
    if clock.get("median"):
        latency_us = report["cycles"]["latency_mean"] / clock["median"] * 1e6
        interval_us = report["cycles"]["interval_mean"] / clock["median"] * 1e6
        lines += [
            (
                "clock, median / worst",
                f"{clock['median'] / 1e6:.1f} / {clock['worst'] / 1e6:.1f} MHz over "
                f"{counted(len(clock['routed']), 'seed')}{unrouted_text(clock)}"
                f"{router_text(clock)}",
                "post-route",
            ),
            (
                "time of a frame: latency; interval",
                f"{latency_us:.2f} us; {interval_us:.2f} us ({1e6 / interval_us:,.0f} frames a s)",
                "simulated cycles, post-route clock",
            ),
        ]
    return lines


def router_text(clock: dict[str, Any]) -> str:
    """The router, where it is not nextpnr's default."""
    router = clock.get("router", "default")
    return "" if router == "default" else f", {router}"


def rivals_table(network: str, report: dict[str, Any], rivals: list[Rival]) -> str:
    """This row beside other systems on the same network."""
    clock = report["fmax_hz"].get("median")
    stage = area_stage(report)
    area = report["resources"][stage] if stage else {}
    cycles = report["cycles"]["latency_mean"]
    ours = (
        "e3ne",
        f"{cycles:,.0f}",
        cell(cycles / clock * 1e6 if clock else None, ".1f"),
        cell(clock / 1e6 if clock else None, ".1f"),
        cell(area.get("luts"), ",d"),
        cell(area.get("brams"), ",d"),
        "simulated cycles, post-route" if stage == "routed" else "simulated cycles",
        "this repository",
    )
    others = [
        (
            rival.system,
            cell(rival.cycles, ",d"),
            cell(rival.time_us, ".1f"),
            cell(rival.clock_mhz, ".1f"),
            cell(rival.luts, ",d"),
            cell(rival.brams, "g"),
            rival.kind,
            rival.source,
        )
        for rival in rivals
    ]
    columns = ("system", "cycles a frame", "us", "MHz", "LUTs", "block RAMs", "kind", "how")
    return table(columns, [ours, *spiker_here(network), *others])


def spiker_here(network: str) -> list[tuple[str, ...]]:
    """What `benchmarks.spiker` measured on the network of an example, where it ran."""
    path = MEASURED / f"spiker_{network.removeprefix('examples/')}.json"
    if not path.is_file():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    clock, area = found["fmax_hz"]["median"], found["routed"]
    return [
        (
            "Spiker+ 2.0.3, run here",
            f"{found['cycles']:,.0f}",
            f"{found['cycles'] / clock * 1e6:.1f}",
            f"{clock / 1e6:.1f}",
            f"{area['luts']:,}",
            f"{area['brams']}",
            "simulated cycles, post-route",
            "`python -m benchmarks.spiker`, the weights and frames of this row",
        )
    ]


def area_stage(report: dict[str, Any]) -> str | None:
    """The last stage whose area is known: "routed", "synthesis" or None."""
    stages = [stage for stage in ("routed", "synthesis") if report["resources"].get(stage)]
    return stages[0] if stages else None


def compile_seconds(report: dict[str, Any]) -> float:
    """Trace to Verilog, data loaded."""
    stages = ("trace", "lower", "optimize", "gateware", "emit")
    return float(sum(report["wall_s"].get(stage, 0.0) for stage in stages))


def cell(value: float | None, form: str) -> str:
    """A number as `form` says; a dash where it is not known."""
    return "-" if value is None else format(value, form)


def table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
