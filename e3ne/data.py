"""Frames of a data set: real samples from an `.npz` file, in chunks, as integers of an input."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from .ir import Array, BadInput, Graph, Input
from .reference import encode_input

CHUNK_VALUES = 1 << 24  # values of all nodes that are held at once
FAR_SPANS = 3.0  # widths of the range; a value farther away than this was scaled otherwise


@dataclass(frozen=True)
class Frames:
    """`x` (frames, *shape) or (frames, steps, *shape), real; `y` int64 (frames,) or None."""

    x: Array
    y: Array | None = None


def load_frames(path: Path) -> Frames:
    """The arrays `x` and, where it is there, `y` of an .npz file; BadInput lists every problem."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, TypeError, EOFError, BadZipFile) as error:
        raise BadInput(
            f"{path}: found no readable .npz file ({error}), accepted one with an array x "
            "(frames, ...) and, where labels are known, y (frames,)"
        ) from error
    if "x" not in arrays:
        raise BadInput(f"{path}: found arrays {sorted(arrays)}, accepted x and y; name them so")
    return checked_frames(str(path), arrays["x"], arrays.get("y"))


def checked_frames(where: str, x: Array, y: Array | None = None) -> Frames:
    """`x` and `y` where they are frames and labels; BadInput with every problem."""
    problems = []
    if x.dtype.kind not in "buif":
        problems.append(f"{where}: x: found dtype {x.dtype}, accepted real numbers")
    elif x.ndim < 2 or not x.size:
        problems.append(f"{where}: x: found shape {x.shape}, accepted (frames, ...), one or more")
    elif not np.isfinite(x).all():
        problems.append(f"{where}: x: found NaN or infinite values, accepted finite ones")
    if y is not None and (y.ndim != 1 or len(y) != len(x) or y.dtype.kind not in "ui"):
        problems.append(
            f"{where}: y: found shape {y.shape} of {y.dtype}, accepted integers ({len(x)},), one "
            "label a frame"
        )
    if problems:
        raise BadInput(problems)
    return Frames(x, None if y is None else y.astype(np.int64))


def encoded(source: Input, x: Array) -> Array:
    """Real frames as integers (frames, steps, *shape); single values out of range are clipped.

    BadInput where the shape does not fit, or where most values (zeros apart) are far out of range:
    such frames are not scaled like those that the ranges were taken from.
    """
    x = with_steps(source, x)
    check_range(source, x)
    return encode_input(source, x)


def check_range(source: Input, x: Array) -> None:
    """BadInput where more than half of all values but zeros lie far outside of the input's range.

    Clipping is a part of quantisation (a net may be trained with it), so a value is far outside
    only where it is FAR_SPANS times the width of the range away from it.
    """
    low, high = source.scale * source.type.low, source.scale * source.type.high
    margin = FAR_SPANS * (high - low)
    far = np.count_nonzero((x < low - margin) | (x > high + margin))
    if 2 * far > np.count_nonzero(x):
        raise BadInput(
            f"input {source.name}: found values {x.min():g} .. {x.max():g}, most of them far "
            f"outside of what it holds, accepted {low:g} .. {high:g}; scale the frames as in "
            "training and calibration"
        )


def with_steps(source: Input, x: Array) -> Array:
    """Frames as (frames, steps, *shape); BadInput where their shape does not fit the input."""
    wanted = (source.type.steps, *source.type.shape)
    x = np.asarray(x)
    if source.type.steps == 1 and x.shape[1:] == source.type.shape:
        x = x[:, None]
    if x.shape[1:] != wanted:
        shape = ", ".join(map(str, wanted if source.type.steps > 1 else source.type.shape))
        raise BadInput(
            f"input {source.name}: found frames of shape {x.shape[1:]}, accepted ({shape})"
        )
    return x


def chunks(graph: Graph, frames: int) -> Iterator[slice]:
    """Ranges of frames whose trains fit into memory together."""
    edges = [source.type for source in graph.inputs] + [node.type for node in graph.nodes]
    per_frame = sum(type.neurons * type.steps for type in edges)
    size = max(1, CHUNK_VALUES // max(1, patch_factor(graph) * per_frame))
    for start in range(0, frames, size):
        yield slice(start, min(start + size, frames))


def patch_factor(graph: Graph) -> int:
    """How many times larger the widest unfolded kernel makes an edge, roughly; at least 1."""
    kernels = [
        math.prod(getattr(synapse.op, "kernel", (1,)))
        for node in graph.nodes
        for synapse in node.synapses
    ]
    return max(1, max(kernels, default=1) // 4)
