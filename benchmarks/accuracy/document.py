"""docs/accuracy.md, written from the recorded results of the rows."""

from __future__ import annotations

from statistics import mean, stdev
from typing import Any

from ..document import cell, table
from ..run import ROOT
from .results import read_result
from .rows import ROWS, Row

DOCUMENT = ROOT / "docs" / "accuracy.md"

HEAD = """# Accuracy

Written by `make accuracy`; do not edit. All accuracies are **measured** over the whole test set,
by the integer graph (the numbers of the hardware) wherever bits are named: all samples through the
torch twin, whose words equal the reference's on samples that the same run computes both ways.
*Float* is the network before quantisation. *Post-training* is lowering with calibration alone, as
`e3ne compile` does it; *trained* continues training with the numbers of the hardware. CI measures
each committed checkpoint again on its first 500 test samples (or all, of smaller sets).
"""


def write_document() -> None:
    """Writes docs/accuracy.md."""
    DOCUMENT.write_text(document(), encoding="utf-8")


def document() -> str:
    """The whole page."""
    rows = [row for row in ROWS.values() if read_result(row.name)]
    networks = list(dict.fromkeys(row.network for row in rows))
    parts = [HEAD, "## Trained\n", trained_table(rows), "\n## Post-training\n"]
    parts += [post_training_table(networks), "\n## The rows\n"]
    parts += [section(row) for row in rows]
    return "\n".join(parts)


def trained_table(rows: list[Row]) -> str:
    """One line a row: the committed checkpoint, and mean and spread over the seeds."""
    columns = ("network", "weights", "edges", "must reach %", "reached %", "seeds: mean and spread")
    lines = []
    for row in rows:
        result = read_result(row.name)
        lines.append(
            (
                f"{row.title} (`{row.name}`)",
                row.weights,
                row.edges,
                cell(row.must_reach, ".1f"),
                cell(result.get("checkpoint", {}).get("percent"), ".2f"),
                spread([part["percent"] for part in result.get("seeds", {}).values()]),
            )
        )
    return table(columns, lines)


def post_training_table(networks: list[str]) -> str:
    """One line a network: float, 8-bit weights with 6-bit edges, 4/4, and what they lose."""
    columns = ("network", "samples", "float %", "8/6 %", "loss", "4/4 %", "loss")
    lines = []
    for name in networks:
        result = read_result(f"{name}_float")
        if "float" not in result:
            continue
        exact = result["float"]["percent"]
        found = [result["post_training"][bits]["percent"] for bits in ("8/6", "4/4")]
        losses = [f"{exact - percent:+.2f}" for percent in found]
        lines.append(
            (
                *(name, f"{result['samples']:,}", f"{exact:.2f}"),
                *(f"{found[0]:.2f}", losses[0], f"{found[1]:.2f}", losses[1]),
            )
        )
    return table(columns, lines)


def section(row: Row) -> str:
    """What a row is, how it was trained, each seed, and what it is compared with."""
    result = read_result(row.name)
    lines = [f"### {row.name}: {row.title}", ""]
    lines += [f"{row.data}. {row.weights} weights, {row.edges}. {row.recipe}".strip(), ""]
    if row.compared_with:
        lines += [f"Compared with: {row.compared_with}", ""]
    for seed, part in sorted(result.get("seeds", {}).items(), key=lambda item: int(item[0])):
        lines.append(f"- seed {seed}: {figures(part)}; `{part['command']}`")
    return "\n".join([*lines, ""])


def figures(part: dict[str, Any]) -> str:
    """Accuracy and the further figures of one measurement."""
    known = ("percent", "correct", "command", "wall_s", "torch", "reference_samples", "seed")
    others = [f"{name} {value}" for name, value in part.items() if name not in known]
    return ", ".join([f"{part['percent']:.2f} % ({part['correct']:,} right)", *others])


def spread(percents: list[float]) -> str:
    """Mean and standard deviation, with the number of seeds."""
    if len(percents) < 2:
        return f"{len(percents)} seed"
    return f"{mean(percents):.2f} +- {stdev(percents):.2f} ({len(percents)} seeds)"
