"""`e3ne choose`: bits for each layer, or a code for the network, under an accuracy floor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..boards import load_board
from ..data import load_frames
from ..ir import BadInput
from .options import MODEL_HELP, Loaded, ModelOptions, load, model_options
from .terminal import command_options, print_json, print_table, progress, stdout

if TYPE_CHECKING:
    from ..lower.choose_encoding import ChosenCode
    from ..lower.choose_precision import Chosen

EPILOG = (
    MODEL_HELP
    + """
\b
The search looks at three quarters of the frames; the last quarter only checks
that the choice keeps the floor. Ranges come from --calibration, or from --data:
compile with the same frames.

\b
Examples:
  e3ne choose model.py:net --weights net.safetensors --data labelled.npz --floor 98.5 -o e3ne.yaml
  e3ne choose model.py:net --data labelled.npz --floor 98 --cost memory -o e3ne.yaml
  e3ne choose model.py:net --data labelled.npz --floor 97 --encoding --cost cycles -o e3ne.yaml
"""
)
COSTS = ("synaptic-ops", "value-ops", "memory", "cycles")
COST_HELP = (
    "What shall be small: weights added a frame (synaptic-ops), weights used (value-ops), bits of "
    "the weights (memory), predicted cycles (only with --encoding); or several with weights, for "
    "example synaptic-ops=1,memory=0.5."
)


@click.command(epilog=EPILOG)
@model_options
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    help=".npz with x (or x_<input> for each of several) and labels y: frames to choose on.",
)
@click.option("--floor", type=float, required=True, help="Percent of the labels to keep.")
@click.option("--cost", default="synaptic-ops", show_default=True, help=COST_HELP)
@click.option(
    "--sensitivity",
    type=click.Choice(["perturbation", "hessian"]),
    default="perturbation",
    show_default=True,
    help="What the search orders its steps by: each part measured alone, or the curvature of the "
    "loss in the weights.",
)
@click.option("--encoding", is_flag=True, help="Choose one code for the whole network instead.")
@click.option("--board", default="ulx3s-85f", show_default=True, help="For predicted cycles.")
@click.option(
    *("-o", "--output"), type=click.Path(path_type=Path), required=True, help="YAML to write."
)
@command_options
def choose(
    chosen: ModelOptions,
    data: Path,
    floor: float,
    cost: str,
    sensitivity: str,
    encoding: bool,
    board: str,
    output: Path,
    as_json: bool,
) -> None:
    """Choose the bits of every layer of MODEL on labelled frames, and write a configuration.

    Measures what each layer loses with fewer bits, searches the cheapest network that keeps the
    floor, prints what it decided from, and writes the YAML that `e3ne compile -c` takes.
    """
    load_board(board)
    if chosen.config is not None and chosen.config.resolve() == output.resolve():
        raise BadInput(f"--output: found {output}, the configuration that is read; name another")
    frames = load_frames(data)
    if frames.y is None:
        raise BadInput(
            f"{data}: found no labels, accepted x and y, one class a frame; an accuracy floor "
            "needs them"
        )
    loaded = load(chosen if chosen.calibration else replace(chosen, calibration=data))

    from .. import choosing

    with progress() as tell:
        arguments: dict[str, Any] = {
            "model": traced(loaded, chosen),
            "x": frames.x,
            "y": frames.y,
            "floor": floor,
            "calibration": loaded.frames,
            "config": replace(loaded.settings, steps=chosen.steps or loaded.settings.steps),
            "progress": tell,
        }
        if encoding:
            code = choosing.choose_encoding(**arguments, cost=cost, board=board)
            config, figures = code.row.config, choosing.code_figures(code)
        else:
            bits = choosing.choose_precision(
                **arguments, cost=parse_cost(cost), sensitivity=sensitivity
            )
            config, figures = bits.config, choosing.bits_figures(bits)
    choosing.save_config(config, output)
    if as_json:
        print_json(figures | {"config": str(output)})
        return
    if encoding:
        print_codes(code)
    else:
        print_bits(bits)
    stdout.print(f"configuration: {output}", markup=False, soft_wrap=True)


def traced(loaded: Loaded, chosen: ModelOptions) -> Any:
    """The graph of the model, as `e3ne compile` traces it."""
    from ..compile import trace_model

    settings = replace(loaded.settings, steps=chosen.steps or loaded.settings.steps)
    outputs = 1 if chosen.outputs is None else chosen.outputs
    readout = chosen.readout or settings.readout
    return trace_model(
        loaded.model, loaded.example, loaded.input_has_steps, settings, readout, outputs
    )


def parse_cost(given: str) -> str | dict[str, float]:
    """`memory` as it is, `synaptic-ops=1,memory=0.5` as a dict; a usage error else."""
    if "=" not in given:
        return given
    try:
        pairs = [part.split("=") for part in given.split(",")]
        return {name.strip(): float(weight) for name, weight in pairs}
    except ValueError:
        raise click.BadParameter(
            f"found {given!r}, accepted one of {', '.join(COSTS)}, or name=weight with commas",
            param_hint="--cost",
        ) from None


def print_bits(found: Chosen) -> None:
    """Points of accuracy that each part loses alone, what was chosen, and the networks."""
    from ..choosing import networks, part_rows

    every = sorted({tried.bits for tried in found.table})
    columns = ("points lost alone at", *(f"{bits:g}" for bits in every), "bits", "chosen")
    rows = []
    for row in part_rows(found):
        points = [
            "" if row["points"].get(bits) is None else f"{row['points'][bits]:.2f}"
            for bits in every
        ]
        rows.append((row["part"], *points, f"{row['start']:g}", f"{row['chosen']:g}"))
    print_table(columns, rows)
    click.echo()
    print_table(
        ("network", "chosen on %", "held out %", "+-", "synaptic ops", "value ops", "memory bits"),
        [
            (
                row["name"],
                f"{row['percent']:.2f}",
                "-" if row["held_out_percent"] is None else f"{row['held_out_percent']:.2f}",
                f"{row['error_points']:.2f}",
                round(row["synaptic_ops"]),
                round(row["value_ops"]),
                round(row["memory_bits"]),
            )
            for row in networks(found)
        ],
    )
    click.echo(f"steps: {'; '.join(found.steps)}")


def print_codes(found: ChosenCode) -> None:
    """Every code with its figures, or why it is refused."""
    rows = []
    refused = []
    for row in found.table:
        if row.measured is None:
            refused.append(f"{row.name}: {row.refused}")
            continue
        rows.append(
            (
                ("* " if row is found.row else "  ") + row.name,
                f"{row.measured.accuracy():.2f}",
                round(row.measured.cost("synaptic_ops")),
                round(row.measured.cost("value_ops")),
                round(row.measured.spikes),
                row.cycles,
            )
        )
    columns = ("code", "percent", "synaptic ops", "value ops", "spikes", "cycles (predicted)")
    print_table(columns, rows)
    for line in refused:
        stdout.print(f"left out: {line}", markup=False, soft_wrap=True)
