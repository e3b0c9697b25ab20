"""docs/accuracy.md, written from the recorded results of the rows."""

from __future__ import annotations

from statistics import mean, stdev
from typing import Any

from ..document import cell, table
from ..run import ROOT
from .results import read_result
from .rows import ROWS, Row

DOCUMENT = ROOT / "docs" / "accuracy.md"
QUIET = ("percent", "correct", "command", "wall_s", "torch", "reference_samples", "seed")
WORTH_TELLING = 0.3  # points that 8-bit weights and 6-bit edges may lose

HEAD = """# Accuracy

Written by `make accuracy`; do not edit. Every percentage is **measured** over the whole test set.
*Float* is the network before quantisation. *Post-training* is lowering with calibration alone, as
`e3ne compile` does it, at so many bits of weights / bits of ReLU edges (a spike has one bit in any
case). *Trained* goes on training with the numbers of the hardware. Post-training and trained are
answers of the integer graph, the very numbers of the hardware: all samples through the torch twin,
of which the same run computes some again by the reference, where every word must be equal.

CI measures each committed checkpoint again on its first 500 test samples (on all, of smaller sets;
of streams, from their beginning) and wants the number of right answers that is recorded here.
"""


def write_document() -> None:
    """Writes docs/accuracy.md."""
    DOCUMENT.write_text(document(), encoding="utf-8")


def document() -> str:
    """The whole page."""
    rows = [row for row in ROWS.values() if read_result(row.name)]
    networks = list(dict.fromkeys(row.network for row in rows))
    parts = [HEAD, "## Trained\n", trained_table(rows), "\n## Post-training\n"]
    parts += [post_training_table(networks), *lost_too_much(networks), "\n## The rows\n"]
    parts += [section(row) for row in rows]
    return "\n".join(parts).rstrip() + "\n"


def trained_table(rows: list[Row]) -> str:
    """One line a row: the committed checkpoint, and mean and spread over the seeds."""
    columns = ("network", "weights", "edges", "must reach", "reached", "seeds: mean and spread")
    lines = []
    for row in rows:
        result = read_result(row.name)
        seeds = [part[row.figure] for part in result.get("seeds", {}).values()]
        reached = cell(result.get("checkpoint", {}).get(row.figure), ".2f")
        lines.append(
            (
                *(f"{row.title} (`{row.name}`)", row.weights, row.edges),
                *(cell(row.must_reach, ".1f"), reached + unit_of(row), spread(seeds)),
            )
        )
    return table(columns, lines)


def unit_of(row: Row) -> str:
    """%, and what it is a percentage of where it is not right answers."""
    return " %" if row.figure == "percent" else f" % ({row.figure.split('_')[0].upper()})"


def figure_of(network: str) -> str:
    """The figure by which the rows of a network are judged."""
    return next(row.figure for row in ROWS.values() if row.network == network)


def post_training_table(networks: list[str]) -> str:
    """One line a network: float, 8-bit weights with 6-bit edges, 4/4, and what they lose."""
    columns = ("network", "samples", "float", "8/6", "loss", "4/4", "loss")
    lines = []
    for name in networks:
        result = read_result(f"{name}_float")
        if "float" not in result:
            continue
        (exact, eight), (_, four) = (kept(name, bits) for bits in ("8/6", "4/4"))
        lines.append(
            (
                *(f"`{name}`", f"{result['samples']:,}", f"{exact:.2f} %"),
                *(f"{eight:.2f} %", f"{exact - eight:+.2f}"),
                *(f"{four:.2f} %", f"{exact - four:+.2f}"),
            )
        )
    return table(columns, lines)


def kept(network: str, bits: str) -> tuple[float, float]:
    """(float, post-training at `bits`) of a network, by the figure of its rows."""
    result, figure = read_result(f"{network}_float"), figure_of(network)
    return result["float"][figure], result["post_training"][bits][figure]


def lost_too_much(networks: list[str]) -> list[str]:
    """A sentence about the networks that lose more at 8/6 than they may."""
    measured = [name for name in networks if "float" in read_result(f"{name}_float")]
    pairs = {name: kept(name, "8/6") for name in measured}
    found = [
        f"{name} ({exact - eight:+.2f})"
        for name, (exact, eight) in pairs.items()
        if exact - eight > WORTH_TELLING + 1e-9
    ]
    if not found:
        return [f"\nAt 8/6 none loses more than {WORTH_TELLING} points."]
    return [f"\nAt 8/6 these lose more than {WORTH_TELLING} points: {', '.join(found)}."]


def section(row: Row) -> str:
    """What a row is, how it was trained, each seed, and what it is compared with."""
    result = read_result(row.name)
    lines = [f"### {row.name}: {row.title}", ""]
    lines += [f"{row.data}. {row.weights} weights; {row.edges}. {row.recipe}.".strip(), ""]
    if row.compared_with:
        lines += [f"Compared with: {row.compared_with}.", ""]
    seeds = sorted(result.get("seeds", {}).items(), key=lambda item: int(item[0]))
    lines += [f"- seed {seed}: {figures(part)}; `{part['command']}`" for seed, part in seeds]
    if "checkpoint" in result:
        checkpoint, subset = result["checkpoint"], result["subset"]
        lines.append(
            f"- committed: `checkpoints/{row.name}.safetensors`, seed {checkpoint['seed']}: "
            f"{figures(checkpoint)} of {result['samples']:,}; the reference agrees on "
            f"{checkpoint['reference_samples']:,} samples; in CI {subset['correct']:,} of "
            f"{subset['samples']:,}"
        )
    if "simulated" in result:
        lines.append(simulated_line(row.name, result["simulated"]))
    baselines = read_result(f"{row.network}_float").get("baselines", {})
    lines += [f"- baseline {name}: {figures(part)}" for name, part in sorted(baselines.items())]
    return "\n".join([*lines, ""])


def simulated_line(name: str, part: dict[str, Any]) -> str:
    """The hardware: what was compared, and the cycles of a frame."""
    return (
        f"- simulated: the emitted Verilog for {part['board']} in Verilator, {part['frames']:,} "
        f"frames, {part['nodes']} nodes, {part['mismatches']} mismatches with the reference; "
        f"{part['latency_cycles']:,} cycles a frame, one every {part['interval_cycles']:,}; "
        f"`python -m benchmarks.accuracy simulate {name} --frames {part['frames']}`"
    )


def figures(part: dict[str, Any]) -> str:
    """Accuracy and the further figures of one measurement."""
    others = [
        f"{name.removesuffix('_percent').replace('_', ' ')} "
        + (f"{value:.2f} %" if name.endswith("_percent") else f"{value:,}")
        for name, value in part.items()
        if name not in QUIET
    ]
    if "percent" not in part:
        return ", ".join(others)
    return ", ".join([f"{part['percent']:.2f} % ({part['correct']:,} right)", *others])


def spread(percents: list[float]) -> str:
    """Mean and standard deviation, with the number of seeds."""
    if len(percents) < 2:
        return f"{len(percents)} seed"
    return f"{mean(percents):.2f} +- {stdev(percents):.2f} ({len(percents)} seeds)"
