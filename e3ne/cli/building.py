"""`e3ne compile`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from ..boards import load_board
from ..data import first_frames, load_frames
from ..ir import BadInput
from ..ir.user_arrays import UserArrays
from .terminal import command_options, print_json, print_table, progress, stdout

EXAMPLE_FRAMES = 2

EPILOG = """\b
MODEL is file.py:factory or package.module:factory. The factory is a function
without arguments that returns the torch module: e3ne executes that code.
Weights are a state dict as .safetensors or .pt; nothing in them is executed.

\b
Examples:
  e3ne compile model.py:net --weights net.safetensors --calibration train.npz -o build/net
  e3ne compile my.package:net --input-shape 1,28,28 --steps 10 --board icebreaker -o build/net
  e3ne compile model.py:net --calibration train.npz -c e3ne.yaml --dump passes -o build/net
"""


@click.command(epilog=EPILOG)
@click.argument("model")
@click.option("--weights", type=click.Path(path_type=Path), help="State dict of the model.")
@click.option("--input-shape", metavar="C,H,W", help="Shape of one frame, without its steps.")
@click.option("--steps", type=click.IntRange(1), help="Time steps of a frame.")
@click.option("--input-has-steps", is_flag=True, help="Frames are trains: (frames, steps, *shape).")
@click.option(
    "--readout",
    type=click.Choice(["count", "last", "max", "mean"]),
    help="How the output trains become class scores (default: as in the model's forward).",
)
@click.option(
    "--outputs",
    metavar="N|NAMES",
    help="Which tensors of those that forward returns leave the network: the first N, or their "
    "names with commas (default: the first).",
)
@click.option("--board", default="ulx3s-85f", show_default=True, help="A name of `e3ne boards`.")
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    help=".npz with x (or x_<input> for each of several): frames to take ranges from.",
)
@click.option("-c", "--config", type=click.Path(path_type=Path), help="YAML: bits, layer by layer.")
@click.option(
    *("-o", "--output"), type=click.Path(path_type=Path), required=True, help="Build folder."
)
@click.option("--dump", type=click.Path(path_type=Path), help="Folder: the graph after each pass.")
@command_options
def compile(
    model: str,
    weights: Path | None,
    input_shape: str | None,
    steps: int | None,
    input_has_steps: bool,
    readout: str | None,
    outputs: str | None,
    board: str,
    calibration: Path | None,
    config: Path | None,
    output: Path,
    dump: Path | None,
    as_json: bool,
) -> None:
    """Compile a trained MODEL into a folder of Verilog, ROM files and a manifest."""
    load_board(board)  # a wrong name is told before torch is loaded
    shape = parse_shape(input_shape)
    frames = None if calibration is None else load_frames(calibration).x
    has_steps = input_has_steps or frames_have_steps(frames, shape)

    from ..compile import compile as compile_model
    from ..compile import read_config
    from ..frontend import load_model

    settings = read_config(config)
    example = example_frames(frames, shape, (steps or settings.steps) if has_steps else None)
    with progress() as tell:
        hardware = compile_model(
            load_model(model, weights),
            example,
            steps=steps,
            input_has_steps=has_steps,
            readout=readout,
            outputs=parse_outputs(outputs),
            board=board,
            calibration=frames,
            config=settings,
            output=output,
            name=model,
            dump=dump,
            progress=tell,
        )
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
    stdout.print(
        f"predicted latency {cycles['predicted_latency']:,} cycles "
        f"({latency_us:,.1f} us at {figures['clock_hz'] / 1e6:g} MHz), "
        f"one frame every {cycles['predicted_interval']:,} cycles (modelled)"
    )
    rows = [
        (name, used, resources["available"].get(name))
        for name, used in resources["predicted"].items()
    ]
    print_table(("resource", "predicted (modelled)", "available"), rows)


def parse_shape(given: str | None) -> tuple[int, ...] | None:
    """`1,28,28` as (1, 28, 28); a usage error where it is no list of positive integers."""
    if given is None:
        return None
    try:
        shape = tuple(int(part) for part in given.split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise click.BadParameter(
            f"found {given!r}, accepted positive integers with commas: 1,28,28",
            param_hint="--input-shape",
        )
    return shape


def parse_outputs(given: str | None) -> int | list[str]:
    """`2` as 2, `class,map` as two names; 1 where nothing is given."""
    if given is None:
        return 1
    return int(given) if given.isdecimal() else [name.strip() for name in given.split(",")]


def frames_have_steps(frames: UserArrays | None, shape: tuple[int, ...] | None) -> bool:
    """Whether calibration frames have one axis more than the shape that the user gave."""
    return isinstance(frames, np.ndarray) and shape is not None and frames.ndim == len(shape) + 2


def example_frames(
    frames: UserArrays | None, shape: tuple[int, ...] | None, steps: int | None
) -> UserArrays:
    """Two frames to trace with: the first of the calibration, else random ones of `shape`.

    `steps` is their number of steps where frames have any. BadInput where frames and shape
    disagree, or there is neither.
    """
    if frames is None:
        if shape is None:
            raise BadInput(
                "input shape: found neither --input-shape nor --calibration, accepted one of them; "
                "give the shape of a frame, for example --input-shape 1,28,28"
            )
        axes = shape if steps is None else (steps, *shape)
        return np.random.default_rng(0).random((2, *axes), dtype=np.float32)
    if shape is None or not isinstance(frames, np.ndarray):
        return first_frames(frames, EXAMPLE_FRAMES)
    if frames.shape[-len(shape) :] != shape:
        raise BadInput(
            f"calibration: found frames of shape {frames.shape[1:]}, accepted {shape} as "
            "--input-shape says; leave the option out or mend the data"
        )
    return frames[:EXAMPLE_FRAMES]
