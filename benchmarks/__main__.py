"""`python -m benchmarks NAME --json FILE`, `python -m benchmarks demo`, `... all`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click

from e3ne.cli.terminal import print_table, progress, stderr
from e3ne.ir import E3neError
from e3ne.toolchain import ToolError

from .document import DOCUMENT, read_results, write_document
from .rows import DEMO, ROWS
from .run import ROOT, ROUTE_TIMEOUT_S, run_row

BUILDS = ROOT / "build"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name", type=click.Choice([*ROWS, "demo", "all"]))
@click.argument("more", nargs=-1, type=click.Choice(list(ROWS)))
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Copy of report.json.")
@click.option("--seeds", type=click.IntRange(0), help="nextpnr runs (default: the row's own).")
@click.option(
    *("--jobs", "jobs"),
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Routings and simulators side by side; each may hold a gigabyte or two.",
)
@click.option(
    "--tool-timeout",
    type=click.FloatRange(1),
    default=ROUTE_TIMEOUT_S,
    show_default=True,
    help="Seconds after which a routing is given up; the other seeds count.",
)
def main(
    name: str,
    more: tuple[str, ...],
    json_file: Path | None,
    seeds: int | None,
    jobs: int,
    tool_timeout: float,
) -> None:
    """Run one benchmark row, `all` of them (or those named after it), or the demo.

    \b
    Examples:
      python -m benchmarks lenet5 --json lenet5.json
      python -m benchmarks all digits_lif peer_b
    """
    try:
        if name == "demo":
            demo()
        elif name == "all":
            run_all(more or tuple(ROWS), seeds, jobs, tool_timeout)
        else:
            run_one(name, json_file, seeds, jobs, tool_timeout)
    except (E3neError, ToolError) as error:
        stderr.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)


def run_one(
    name: str, json_file: Path | None, seeds: int | None, jobs: int, timeout_s: float
) -> None:
    """One row into build/<name>, its report also into `json_file`."""
    with progress() as tell:
        report = run_row(ROWS[name], BUILDS / name, tell, seeds, jobs, timeout_s)
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    stderr.print(f"{name}: {BUILDS / name / 'report.html'}", markup=False, soft_wrap=True)
    stop_on_mismatch(name, report["bit_exact"]["mismatches"])


def run_all(names: tuple[str, ...], seeds: int | None, jobs: int, timeout_s: float) -> None:
    """Every row; docs/benchmarks.md is rebuilt from the reports of all rows in build/."""
    for name in names:
        run_one(name, None, seeds, jobs, timeout_s)
    write_document(read_results(BUILDS))
    stderr.print(f"wrote {DOCUMENT}", markup=False, soft_wrap=True)


def demo() -> None:
    """The two digit networks: compiled, checked on 360 images each, synthesized by Yosys."""
    begun = time.perf_counter()
    reports = {}
    for name in DEMO:
        stderr.print(f"{name}: {ROWS[name].title}", markup=False)
        with progress() as tell:
            reports[name] = run_row(ROWS[name], BUILDS / name, tell, seeds=0)
    columns = (
        *("network", "float %", "reference %", "RTL %", "frames", "mismatches"),
        *("latency cycles", "interval cycles", "LUTs", "FFs", "block RAMs", "DSPs"),
    )
    rows = []
    for name, report in reports.items():
        accuracy, cycles = report["accuracy"], report["cycles"]
        area = report["resources"]["synthesis"]
        rows.append(
            (
                *(name, accuracy["float"], accuracy["reference"], accuracy["rtl"]),
                *(report["bit_exact"]["frames"], report["bit_exact"]["mismatches"]),
                *(cycles["latency_mean"], cycles["interval_mean"]),
                *(area["luts"], area["ffs"], area["brams"], area["dsps"]),
            )
        )
    print_table(columns, rows)
    click.echo(
        "float: measured; reference: measured; RTL, mismatches, cycles: simulated from the emitted "
        "Verilog\nby Verilator, every word of every node compared; LUTs to DSPs: Yosys for ECP5."
    )
    click.echo("reports: " + ", ".join(f"build/{name}/report.html" for name in reports))
    click.echo(f"{time.perf_counter() - begun:.0f} s")
    for name, report in reports.items():
        stop_on_mismatch(name, report["bit_exact"]["mismatches"])


def stop_on_mismatch(name: str, mismatches: int) -> None:
    """Ends the program with exit code 1 where hardware and reference differ."""
    if mismatches:
        stderr.print(f"error: {name}: {mismatches} values differ from the reference", style="red")
        sys.exit(1)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
