"""The options that say which network is meant: shared by `e3ne compile` and `e3ne check`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np

from ..config import Config
from ..data import first_frames, load_frames
from ..ir import Array, BadInput, E3neError, Graph
from ..ir.user_arrays import UserArrays
from ..network_file import is_network_file, load_network

EXAMPLE_FRAMES = 2

MODEL_HELP = """\b
MODEL is file.py:factory, package.module:factory, net.nir, or a network that
e3ne saved as net.safetensors. A factory is a function without arguments that
returns the torch module: e3ne executes that code. Weights are a state dict as
.safetensors or .pt; nothing in them, and nothing in a file as MODEL, is
executed. A .nir file needs --dt and --reset, and --convention with the library
that wrote it, unless e3ne wrote it. The configuration in a saved network
applies unless -c gives another.
"""

Function = TypeVar("Function", bound=Callable[..., Any])
Shape = tuple[int, ...]


@dataclass(frozen=True)
class ModelOptions:
    """What the user said about the network; None where nothing."""

    model: str
    weights: Path | None = None
    input_shape: tuple[Shape, ...] = ()
    steps: int | None = None
    input_has_steps: bool | None = None
    readout: str | None = None
    outputs: int | list[str] | None = None
    calibration: Path | None = None
    config: Path | None = None
    dt: float | None = None
    reset: str | None = None
    convention: str | None = None

    @property
    def is_nir(self) -> bool:
        """Is it a file of the Neuromorphic Intermediate Representation?"""
        return self.model.endswith(".nir")

    @property
    def is_network(self) -> bool:
        """Is it a file that `e3ne.save_network` wrote, graph and configuration?"""
        return is_network_file(self.model)


def model_options(function: Function) -> Function:
    """The argument MODEL and the options of ModelOptions, handed on as `chosen`."""

    @click.argument("model")
    @click.option("--weights", type=click.Path(path_type=Path), help="State dict of the model.")
    @click.option(
        "--input-shape",
        metavar="C,H,W",
        multiple=True,
        callback=lambda context, option, values: tuple(map(parse_shape, values)),
        help="Shape of one frame, without its steps; once for each input.",
    )
    @click.option("--steps", type=click.IntRange(1), help="Time steps of a frame.")
    @click.option(
        "--input-has-steps/--input-is-static",
        default=None,
        help="Frames are trains (frames, steps, *shape), or the same at every step (default: as "
        "the frames look; a .nir gets trains).",
    )
    @click.option(
        "--readout",
        type=click.Choice(["count", "last", "max", "mean"]),
        help="How the output trains become class scores (default: as in the model's forward).",
    )
    @click.option(
        "--outputs",
        metavar="N|NAMES",
        callback=lambda context, option, value: parse_outputs(value),
        help="Which tensors of those that forward returns leave the network: the first N, or "
        "their names with commas (default: the first).",
    )
    @click.option(
        "--calibration",
        type=click.Path(path_type=Path),
        help=".npz with x (or x_<input> for each of several): frames to take ranges from.",
    )
    @click.option(
        *("-c", "--config"), type=click.Path(path_type=Path), help="YAML: bits, layer by layer."
    )
    @click.option("--dt", type=float, metavar="SECONDS", help=".nir: the time step.")
    @click.option("--reset", metavar="RESET", help=".nir: subtract, value, zero or none.")
    @click.option("--convention", metavar="LIBRARY", help=".nir: who wrote it, or euler.")
    @functools.wraps(function)
    def wrapped(**options: Any) -> None:
        names = [item.name for item in fields(ModelOptions)]
        chosen = ModelOptions(**{name: options.pop(name) for name in names})
        function(chosen=chosen, **options)

    return wrapped  # type: ignore[return-value]


@dataclass(frozen=True)
class Loaded:
    """The network as the frontend takes it: a torch module, or a graph read from a file."""

    model: Any
    example: UserArrays | None
    input_has_steps: bool
    frames: UserArrays | None
    settings: Config


def load(chosen: ModelOptions) -> Loaded:
    """Model, example, calibration frames and configuration; BadInput with what is wrong."""
    problems = misplaced(chosen)
    if problems:
        raise BadInput(problems)
    frames = None if chosen.calibration is None else load_frames(chosen.calibration).x

    from ..compile import read_config
    from ..trace_frames import example_of

    if chosen.is_network:
        graph, own, _ = load_network(chosen.model)
        settings = own if chosen.config is None else read_config(chosen.config)
        return Loaded(graph, None, True, frames, settings)
    settings = read_config(chosen.config)
    if chosen.is_nir:
        return Loaded(read_file(chosen, settings), None, True, frames, settings)
    shapes = chosen.input_shape
    has_steps = chosen.input_has_steps
    if has_steps is None:
        has_steps = frames_have_steps(frames, shapes[0] if len(shapes) == 1 else None)
    steps = chosen.steps or settings.steps
    if has_steps and frames is None and steps is None:
        raise BadInput(
            "steps: found none, accepted the time steps of a frame; give --steps or --calibration"
        )
    example = example_frames(frames, shapes, steps if has_steps else None)
    if frames is not None and settings.input.encoder:  # samples; the model may take trains
        example = example_of(frames, has_steps, replace(settings, steps=steps))

    from ..frontend import load_model

    model = load_model(chosen.model, chosen.weights)
    if chosen.input_has_steps is None and not shapes and isinstance(frames, np.ndarray):
        trial = replace(settings, steps=steps)
        several = frames.ndim > 2 and frames.shape[1] > 1
        has_steps = several and only_with_steps(model, frames[:EXAMPLE_FRAMES], trial)
    return Loaded(model, example, has_steps, frames, settings)


def only_with_steps(model: Any, example: Array, settings: Config) -> bool:
    """Whether frames of unknown meaning trace as trains and not as the same at every step."""
    from ..compile import trace_model

    for has_steps in (False, True):
        try:
            trace_model(model, example, has_steps, settings)
        except E3neError:
            continue
        return has_steps
    return False


def read_file(chosen: ModelOptions, settings: Config) -> Graph:
    """The graph of a .nir file; BadInput or UnsupportedModel with every problem."""
    from ..frontend.nir import read_nir

    return read_nir(
        chosen.model,
        chosen.dt,
        chosen.reset,
        chosen.convention,
        chosen.steps or settings.steps,
        chosen.input_has_steps is not False,
        chosen.readout or settings.readout,
    )


def misplaced(chosen: ModelOptions) -> list[str]:
    """A problem for each option that this kind of model does not take."""
    torch_only = ("weights", "outputs", "input_shape")
    nir_only = ("dt", "reset", "convention")
    if chosen.is_network:
        return [
            f"--{name.replace('_', '-')}: found with a saved network, accepted with a torch "
            "module or a .nir file; leave it out, the file has it"
            for name in (*torch_only, "steps", "input_has_steps", "readout", *nir_only)
            if getattr(chosen, name) not in (None, ())
        ]
    if chosen.is_nir:
        return [
            f"--{name.replace('_', '-')}: found with a .nir file, accepted with a torch module; "
            "leave it out, the file has it"
            for name in torch_only
            if getattr(chosen, name)
        ]
    return [
        f"--{name}: found with a torch module, accepted with a .nir file; leave it out, the "
        "module has it"
        for name in nir_only
        if getattr(chosen, name) is not None
    ]


def parse_shape(given: str) -> Shape:
    """`1,28,28` as (1, 28, 28); a usage error where it is no list of positive integers."""
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


def parse_outputs(given: str | None) -> int | list[str] | None:
    """`2` as 2, `class,map` as two names."""
    if given is None:
        return None
    return int(given) if given.isdecimal() else [name.strip() for name in given.split(",")]


def frames_have_steps(frames: UserArrays | None, shape: Shape | None) -> bool:
    """Whether calibration frames have one axis more than the shape that the user gave."""
    return isinstance(frames, np.ndarray) and shape is not None and frames.ndim == len(shape) + 2


def example_frames(
    frames: UserArrays | None, shapes: tuple[Shape, ...], steps: int | None
) -> UserArrays:
    """Two frames to trace with: the first of the calibration, else random ones of `shapes`.

    `steps` is their number of steps where frames have any. BadInput where frames and shape
    disagree, or there is neither.
    """
    if frames is None:
        if not shapes:
            raise BadInput(
                "input shape: found neither --input-shape nor --calibration, accepted one of them; "
                "give the shape of a frame, for example --input-shape 1,28,28"
            )
        generator = np.random.default_rng(0)
        before = () if steps is None else (steps,)
        arrays = tuple(
            generator.random((EXAMPLE_FRAMES, *before, *shape), dtype=np.float32)
            for shape in shapes
        )
        return arrays[0] if len(arrays) == 1 else arrays
    if len(shapes) != 1 or not isinstance(frames, np.ndarray):
        return first_frames(frames, EXAMPLE_FRAMES)
    shape = shapes[0]
    if frames.shape[-len(shape) :] != shape:
        raise BadInput(
            f"calibration: found frames of shape {frames.shape[1:]}, accepted {shape} as "
            "--input-shape says; leave the option out or mend the data"
        )
    return frames[:EXAMPLE_FRAMES]
