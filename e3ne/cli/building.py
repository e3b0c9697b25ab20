"""`e3ne compile`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import click

from ..boards import load_board
from ..config import Target, budget_of
from ..data import first_frames, load_frames
from .options import MODEL_HELP, ModelOptions, load, model_options
from .terminal import command_options, print_json, print_table, progress, stdout

EPILOG = (
    MODEL_HELP
    + """
\b
Examples:
  e3ne compile model.py:net --weights net.safetensors --calibration train.npz -o build/net
  e3ne compile my.package:net --input-shape 1,28,28 --steps 10 --board icebreaker -o build/net
  e3ne compile model.py:net --calibration train.npz -c e3ne.yaml --dump passes -o build/net
  e3ne compile model.py:net --calibration train.npz --target latency --budget 'luts<=50%' -o build
  e3ne compile net.nir --dt 1e-3 --reset subtract --convention norse --steps 50 -o build/net
"""
)

LABELLED_FRAMES = 200  # of the calibration: enough to see that much accuracy is lost


@click.command(epilog=EPILOG)
@model_options
@click.option("--board", default="ulx3s-85f", show_default=True, help="A name of `e3ne boards`.")
@click.option(
    *("-o", "--output"), type=click.Path(path_type=Path), required=True, help="Build folder."
)
@click.option("--dump", type=click.Path(path_type=Path), help="Folder: the graph after each pass.")
@click.option(
    "--target",
    type=click.Choice(get_args(Target)),
    help="What is to be best (default: as the configuration says, throughput).",
)
@click.option(
    "--budget",
    metavar="NAME<=LIMIT",
    multiple=True,
    help="What may be used: luts, ffs, brams, dsps, spram_bits (a number, or 50% of the board's), "
    "latency_cycles, interval_cycles, latency_us, interval_us, energy_nj. Once for each.",
)
@command_options
def compile(
    chosen: ModelOptions,
    board: str,
    output: Path,
    dump: Path | None,
    target: Target | None,
    budget: tuple[str, ...],
    as_json: bool,
) -> None:
    """Compile a trained MODEL into a folder of Verilog, ROM files and a manifest.

    Where the calibration file has labels y, the accuracy of its first 200 frames in float and in
    integers goes into the report, and a warning says what to do where much is lost."""
    load_board(board)  # a wrong name is told before torch is loaded
    limits = budget_of(budget)
    loaded = load(chosen)
    settings = replace(
        loaded.settings,
        target=target or loaded.settings.target,
        budget={**loaded.settings.budget, **limits},
    )

    from ..compile import compile as compile_model

    with progress() as tell:
        hardware = compile_model(
            loaded.model,
            loaded.example,
            steps=chosen.steps,
            input_has_steps=loaded.input_has_steps,
            readout=chosen.readout,
            outputs=1 if chosen.outputs is None else chosen.outputs,
            board=board,
            calibration=loaded.frames,
            config=settings,
            output=output,
            name=chosen.model,
            dump=dump,
            progress=tell,
        )
        labels = None if chosen.calibration is None else load_frames(chosen.calibration).y
        if labels is not None and loaded.frames is not None:
            some = first_frames(loaded.frames, LABELLED_FRAMES)
            hardware.compare_accuracy(some, labels[:LABELLED_FRAMES], progress=tell)
    figures = hardware.figures()
    if as_json:
        print_json(figures)
        return
    print_summary(figures)
    stdout.print(f"build: {hardware.folder}", markup=False, soft_wrap=True)


def print_summary(figures: dict[str, Any]) -> None:
    """What a compile knows: prediction against what the board has, and times."""
    cycles, resources = figures["cycles"], figures["resources"]
    latency_us = cycles["predicted_latency"] / figures["clock_hz"] * 1e6
    middle, worst = (cycles[f"predicted_latency_{name}"] for name in ("p50", "worst"))
    by_data = f", median {middle:,}, at most {worst:,} as frames have less zeros"
    frames = cycles["predicted_frames"]
    trust = "exact" if cycles["predicted_is_exact"] else "estimated"
    trust += f" for {frames} frames" if worst > cycles["predicted_latency"] else ""
    stdout.print(
        f"predicted latency {cycles['predicted_latency']:,} cycles "
        f"({latency_us:,.1f} us at {figures['clock_hz'] / 1e6:g} MHz)"
        f"{by_data if worst > cycles['predicted_latency'] else ''}, "
        f"one frame every {cycles['predicted_interval']:,} cycles (modelled, {trust})",
        soft_wrap=True,
    )
    rows = [
        (name, used, resources["available"].get(name))
        for name, used in resources["predicted"].items()
    ]
    print_table(("resource", "predicted (modelled)", "available"), rows)
