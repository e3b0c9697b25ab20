"""Writes docs/supported.md: every case of the matrix, run here and now.

python -m tests.matrix                  all libraries, then the page
python -m tests.matrix --library NAME   the cases of one file as JSON lines (used by the above)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from .case import LIBRARIES, cases, traced
from .checks import check_float, check_integer
from .environments import ROOT, python_path

PAGE = ROOT / "docs" / "supported.md"

HEAD = """# What is supported

Written by `python -m tests.matrix` from the cases in `tests/matrix/`; do not edit. Each row is a
neuron with its options, or a layer, in one or several models ("shapes"). For each shape:

- e3ne traces the model, and the float graph is compared with the library's own forward in float64
  (Brevitas: float32) on random input: every spike must be equal, every other number within 1e-5
  ("values" counts what was compared; a difference is a failed test, not a figure here).
- The network is lowered with default settings (8-bit weights, calibrated on 8 random frames).
  "Agreement" is the share of spikes (and of values of radix edges) of the integer network that
  equal those of the float network with the same quantised weights, on the same input (simulated,
  worst shape of the row).
- Of every row at least one shape is compiled to Verilog and run in Verilator; every word of every
  node must equal the integer reference ("RTL" names the shapes).

What is refused is refused with a message that names the module and the nearest alternative.
"""


@dataclass(frozen=True)
class Result:
    """What one case gave."""

    library: str
    version: str
    option: str
    shape: str
    steps: int
    compared: int
    agreement: float
    rtl: bool


def results(library: str) -> list[Result]:
    """Runs the cases of one file in this process."""
    found = []
    for case in cases(library):
        graph = traced(case)
        compared = check_float(case, graph).compared
        agreement = check_integer(case, graph).agreement.fraction
        found.append(
            Result(
                *(case.library, case.version, case.option, case.shape, case.steps),
                *(compared, agreement, case.rtl),
            )
        )
    return found


def results_elsewhere(library: str) -> list[Result]:
    """The same in a process that sees the library's own folder first."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.matrix", "--library", library],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": python_path(library)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return [Result(**json.loads(line)) for line in lines]


def page(found: list[Result]) -> str:
    """The page: one table a library, one row an option."""
    lines = [HEAD]
    for library, version in dict.fromkeys((r.library, r.version) for r in found):
        mine = [r for r in found if (r.library, r.version) == (library, version)]
        lines += [f"## {library} {version}".rstrip(), ""]
        lines += [
            "| what | shapes | steps | values | agreement | RTL |",
            "|---|---|---|---|---|---|",
        ]
        for option in dict.fromkeys(r.option for r in mine):
            rows = [r for r in mine if r.option == option]
            steps = sorted({r.steps for r in rows})
            lines.append(
                f"| {option} | {', '.join(r.shape for r in rows)} "
                f"| {', '.join(map(str, steps))} | {sum(r.compared for r in rows):,} "
                f"| {100 * min(r.agreement for r in rows):.2f} % "
                f"| {', '.join(r.shape for r in rows if r.rtl)} |"
            )
        lines += ["", f"{len(mine)} cases.", ""]
    lines.append(f"In all {len(found)} cases, {sum(r.rtl for r in found)} of them in Verilator.")
    return "\n".join(lines) + "\n"


@click.command()
@click.option("--library", type=click.Choice(sorted(LIBRARIES)))
def main(library: str | None) -> None:
    """Writes docs/supported.md, or prints the results of one library."""
    if library is not None:
        for result in results(library):
            click.echo(json.dumps(result.__dict__))
        return
    found: list[Result] = []
    for name in LIBRARIES:
        click.echo(name, err=True)
        found += results_elsewhere(name)
    Path(PAGE).write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
