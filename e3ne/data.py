"""Frames of a data set: real samples from an `.npz` file, in chunks, as integers of an input."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, is_zipfile

import numpy as np

from .event_data import are_events, events_to_frames
from .ir import Array, BadInput, Graph, Input
from .ir.user_arrays import UserArrays, as_frames, input_arrays
from .reference import encode_input

__all__ = [
    "Frames",
    "check_range",
    "checked_frames",
    "chunks",
    "encoded",
    "encoded_inputs",
    "events_to_frames",
    "first_frames",
    "inputs_with_steps",
    "load_frames",
    "named_arrays",
    "patch_factor",
    "with_steps",
]

CHUNK_VALUES = 1 << 24  # values of all nodes that are held at once
FAR_SPANS = 3.0  # widths of the range; a value farther away than this was scaled otherwise


@dataclass(frozen=True)
class Frames:
    """Real frames, and labels int64 or None.

    `x` is (frames, *shape) or (frames, steps, *shape), or several such arrays in the order or by
    the names of the inputs. `y` is (frames,), or (frames, rows, columns) where the first output is
    an image.
    """

    x: UserArrays
    y: Array | None = None


def load_frames(path: Path, inputs: Sequence[Input] = (), duration_us: int | None = None) -> Frames:
    """The arrays of an .npz file; BadInput lists every problem.

    `x`, or `x_<name>` for each input of that name where there are several; `y` where it is there.
    Recordings of events (`event_data.events_to_frames`: x, y, p, t_us, offsets, and label) become
    frames of the only one of `inputs`, in steps of which `duration_us` has so many.
    """
    arrays = _arrays(path)
    if are_events(arrays):
        return _frames_of_events(path, arrays, inputs, duration_us)
    if duration_us is not None:
        raise BadInput(
            f"--duration-us: found frames in {path}, accepted recordings of events; leave it out"
        )
    by_name = {name[2:]: array for name, array in arrays.items() if name.startswith("x_")}
    if ("x" in arrays) == bool(by_name):
        raise BadInput(
            f"{path}: found arrays {sorted(arrays)}, accepted x and y; name them so, or x_<input> "
            "for each input where there are several"
        )
    return checked_frames(str(path), by_name or arrays["x"], arrays.get("y"))


def _arrays(path: Path) -> dict[str, Array]:
    """The arrays of an .npz file by their names."""
    try:
        if path.is_file() and not is_zipfile(path):  # NumPy would take it for pickled objects
            raise BadZipFile("it is no zip archive")
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, TypeError, EOFError, BadZipFile) as error:
        raise BadInput(
            f"{path}: found no readable .npz file ({error}), accepted one with an array x "
            "(frames, ...) and, where labels are known, y (frames,)"
        ) from error


def _frames_of_events(
    path: Path, arrays: dict[str, Array], inputs: Sequence[Input], duration_us: int | None
) -> Frames:
    """Recordings as frames of the input: as many events a place and step as it can tell apart."""
    if len(inputs) != 1:
        why = f"a network of {len(inputs)} inputs" if inputs else "the shape is not known"
        raise BadInput(
            f"{path}: found recordings of events where {why}, accepted frames; make them with "
            "e3ne.data.events_to_frames and numpy.savez"
        )
    type = inputs[0].type
    most = min(255, max(1, round(inputs[0].scale * type.high)))
    x = events_to_frames(arrays, type.shape, type.steps, duration_us, most)
    return checked_frames(str(path), x, arrays.get("label"))


def checked_frames(where: str, x: UserArrays, y: Array | None = None) -> Frames:
    """`x` and `y` where they are frames and labels; BadInput with every problem."""
    named = named_arrays(x)
    problems = [
        f"{where}: {name}: {problem}"
        for name, array in named.items()
        if (problem := _frame_problem(array))
    ]
    lengths = {len(array) for array in named.values() if array.ndim}
    if len(lengths) > 1:
        problems.append(
            f"{where}: found {', '.join(map(str, sorted(lengths)))} frames, accepted as many for "
            "each input"
        )
    if y is not None and not _are_labels(y, lengths):
        problems.append(
            f"{where}: y: found shape {y.shape} of {y.dtype}, accepted integers ("
            f"{max(lengths, default=0)},), one label a frame (and pixel, where an image leaves)"
        )
    if problems:
        raise BadInput(problems)
    return Frames(x, None if y is None else y.astype(np.int64))


def named_arrays(x: UserArrays) -> dict[str, Array]:
    """The arrays by the names that messages use: x, x_<input>, or x[0], x[1], ..."""
    if isinstance(x, Mapping):
        return {f"x_{name}": np.asarray(array) for name, array in x.items()}
    if isinstance(x, tuple):
        return {f"x[{place}]": np.asarray(array) for place, array in enumerate(x)}
    return {"x": np.asarray(x)}


def first_frames(x: UserArrays, frames: int | None) -> UserArrays:
    """The first so many frames of each array; all of them where `frames` is None."""
    if isinstance(x, Mapping):
        return {name: np.asarray(array)[:frames] for name, array in x.items()}
    if isinstance(x, tuple):
        return tuple(np.asarray(array)[:frames] for array in x)
    return np.asarray(x)[:frames]


def _are_labels(y: Array, lengths: set[int]) -> bool:
    """One integer a frame, or one a pixel: (frames, rows, columns), (frames, length)."""
    axes = y.ndim in (1, 3) or (y.ndim == 2 and y.shape[1] > 1)
    return axes and {len(y)} == lengths and y.dtype.kind in "ui"


def _frame_problem(x: Array) -> str:
    if x.dtype.kind not in "buif":
        return f"found dtype {x.dtype}, accepted real numbers"
    if x.ndim < 2 or not x.size:
        return f"found shape {x.shape}, accepted (frames, ...), one or more"
    if not np.isfinite(x).all():
        return "found NaN or infinite values, accepted finite ones"
    return ""


def encoded_inputs(inputs: Sequence[Input], x: UserArrays) -> tuple[Array, ...]:
    """Real frames of every input as integers (frames, steps, *shape); see `encoded`."""
    arrays = input_arrays("data", inputs, x)
    return tuple(encoded(source, array) for source, array in zip(inputs, arrays, strict=True))


def inputs_with_steps(inputs: Sequence[Input], x: UserArrays) -> tuple[Array, ...]:
    """Real frames of every input as (frames, steps, *shape); see `with_steps`."""
    arrays = input_arrays("data", inputs, x)
    return tuple(with_steps(source, array) for source, array in zip(inputs, arrays, strict=True))


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
    """Frames as (frames, steps, *shape); BadInput where their shape does not fit the input.

    Axes of length 1 may be missing or too many (`ir.user_arrays.as_frames`).
    """
    x = np.asarray(x)
    shaped = as_frames(source.type, x)
    if shaped is None:
        wanted = (source.type.steps, *source.type.shape)
        shape = ", ".join(map(str, wanted if source.type.steps > 1 else source.type.shape))
        raise BadInput(
            f"input {source.name}: found frames of shape {x.shape[1:]}, accepted ({shape})"
        )
    return shaped


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
