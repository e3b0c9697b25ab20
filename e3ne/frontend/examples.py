"""What goes into a trace: the user's frames and weights, checked, and random frames like them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from ..ir import Array, BadInput, Readout

LARGE_WEIGHTS = 4_000_000
RANDOM_TRIES = 6  # random inputs at most, where ties leave some without a word


def checked_frames(example_input: object, has_steps: bool) -> Array:
    """(frames, [steps,] *shape) in float32; BadInput where it is anything else."""
    if isinstance(example_input, torch.Tensor):
        example_input = example_input.detach().cpu().numpy()
    frames = np.asarray(example_input)
    if frames.dtype.kind not in "fiub":
        raise BadInput(
            f"example_input: found {frames.dtype}, accepted an array of numbers; pass frames as a "
            "torch tensor or NumPy array"
        )
    lead = "(frames, steps" if has_steps else "(frames"
    lengths = (3, 4, 5) if has_steps else (2, 3, 4)
    if frames.ndim not in lengths or 0 in frames.shape:
        raise BadInput(
            f"example_input: found shape {frames.shape}, accepted {lead}, features), "
            f"{lead}, channels, length) or {lead}, channels, rows, columns) without an empty "
            "axis; add the axis that is missing"
        )
    frames = frames.astype(np.float32)
    if not np.isfinite(frames).all():
        raise BadInput(
            "example_input: found NaN or infinite values, accepted finite ones; drop them"
        )
    return frames


def checked_readout(readout: Readout | str | None) -> Readout | None:
    """The readout of that name; BadInput where there is none."""
    if readout is None or isinstance(readout, Readout):
        return readout
    names = [way.value for way in Readout]
    if readout not in names:
        raise BadInput(
            f"readout: found {readout!r}, accepted {', '.join(names)} or None; leave it out to "
            "read the output as the model's forward does"
        )
    return Readout(readout)


def check_module(model: object) -> None:
    """BadInput where `model` is no torch module."""
    if isinstance(model, nn.Module):
        return
    library = type(model).__module__.partition(".")[0]
    hints = {"rockpool": "build it of its torch modules, such as LinearTorch and LIFTorch"}
    raise BadInput(
        f"model: found {type(model).__name__} of {library}, accepted a torch.nn.Module; "
        + hints.get(library, "pass the model itself, not its file, its weights or its factory")
    )


def check_weights(model: nn.Module) -> None:
    """BadInput where parameters or saved buffers hold NaN or infinite values, listing them all."""
    problems = []
    for name, values in model.state_dict().items():
        if not isinstance(values, torch.Tensor) or not values.is_floating_point():
            continue
        count = int((~torch.isfinite(values)).sum())
        if count:
            problems.append(
                f"{name}: found {count} NaN or infinite values of {values.numel()}, accepted "
                "finite ones; check the training"
            )
    if problems:
        raise BadInput(problems)


def is_large(model: nn.Module) -> bool:
    """Whether the model has so many weights that tracing should get by with few frames."""
    return sum(weight.numel() for weight in nn.Module.parameters(model)) > LARGE_WEIGHTS


def random_inputs(frames: Array, seed: int = 0) -> Iterator[Array]:
    """Inputs as long as the example and within its range; whole numbers where it has only those."""
    generator = np.random.default_rng(seed)
    low, high = float(frames.min()), float(frames.max())
    if low == high:
        low, high = min(low, 0.0), max(high, 1.0)
    whole = bool((frames == np.rint(frames)).all())
    for _ in range(RANDOM_TRIES):
        if whole:
            drawn = generator.integers(int(low), int(high) + 1, frames.shape)
        else:
            drawn = generator.uniform(low, high, frames.shape)  # type: ignore[assignment]
        yield drawn.astype(np.float32)
