"""Recordings of address events as frames: what event cameras and silicon cochleas send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from .ir import Array, BadInput

KEYS = ("x", "t_us", "offsets")
CHOICES = "x, y, p, t_us, offsets and label"


def are_events(arrays: Mapping[str, Array]) -> bool:
    """Do these arrays of an .npz file hold events?"""
    return {"t_us", "offsets"} <= set(arrays)


def events_to_frames(
    events: Mapping[str, Array],
    shape: Sequence[int],
    steps: int,
    duration_us: int | None = None,
    most: int = 1,
) -> Array:
    """Events counted in `steps` time steps of equal length: (recordings, steps, *shape), uint8.

    `events` has one integer an event in `t_us` (microseconds), `x` (column) and, for images of
    `shape` (channels, rows, columns), `y` (row) and `p` (polarity, the channel; not needed where
    there is one channel); of a `shape` (neurons,) the neuron is `x`. Recording k has the events
    `offsets[k]` to `offsets[k + 1]`. So N-MNIST of tonic is
    `{"x": e["x"], "y": e["y"], "p": e["p"], "t_us": e["t"], "offsets": [0, len(e)]}`.

    Steps divide `duration_us` from time 0, and later events are left out; None: the time from each
    recording's first event to its last. Several events of one place and step count up to `most`
    (1 .. 255; 1: there was one). BadInput with every problem.
    """
    shape = tuple(shape)
    names = ("x", "t_us", "offsets", *(("y",) if len(shape) == 3 else ()))
    missing = [name for name in names if name not in events]
    problems = [f"events: found no {name}, accepted {CHOICES}" for name in missing]
    if problems:
        raise BadInput(problems)
    time, offsets = np.asarray(events["t_us"]), np.asarray(events["offsets"])
    axes = _axes(events, shape)
    problems = _problems({"t_us": time, **axes}, offsets, shape)
    if not 1 <= most <= 255:
        problems.append(f"events: found most={most}, accepted 1 .. 255")
    if steps < 1 or (duration_us is not None and duration_us < 1):
        problems.append(
            f"events: found {steps} steps and duration_us={duration_us}, accepted 1 or more"
        )
    if problems:
        raise BadInput(problems)
    recording = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    step = _steps(time.astype(np.int64), offsets, recording, steps, duration_us)
    kept = step < steps
    whole = (len(offsets) - 1, steps, *shape)
    indices = (recording, step, *(axis.astype(np.int64) for axis in axes.values()))
    places = np.ravel_multi_index(tuple(index[kept] for index in indices), whole)
    counts = np.bincount(places, minlength=prod(whole))
    return np.minimum(counts, most).astype(np.uint8).reshape(whole)


def _axes(events: Mapping[str, Array], shape: tuple[int, ...]) -> dict[str, Array]:
    """The coordinates of each event, in the order of `shape`."""
    column = np.asarray(events["x"])
    if len(shape) == 1:
        return {"x": column}
    polarity = np.zeros_like(column) if shape[0] == 1 else np.asarray(events.get("p", ()))
    return {"p": polarity, "y": np.asarray(events["y"]), "x": column}


def _problems(arrays: dict[str, Array], offsets: Array, shape: tuple[int, ...]) -> list[str]:
    count = len(arrays["t_us"]) if arrays["t_us"].ndim else 0
    problems = []
    for name, array in arrays.items():
        if array.dtype.kind not in "bui" or array.shape != (count,):
            problems.append(
                f"events: {name}: found shape {array.shape} of {array.dtype}, accepted ({count},) "
                "integers, one an event"
            )
    whole = offsets.dtype.kind in "ui" and offsets.ndim == 1 and len(offsets) > 1
    if not whole or offsets[0] != 0 or offsets[-1] != count or (offsets[1:] < offsets[:-1]).any():
        problems.append(
            f"events: offsets: found {offsets.tolist()[:4]} ..., accepted where each recording "
            f"begins: from 0, not decreasing, {count} (all events) at the end"
        )
    if problems:
        return problems
    for size, name in zip(shape, [name for name in arrays if name != "t_us"], strict=True):
        array = arrays[name]
        if count and (array.min() < 0 or array.max() >= size):
            problems.append(
                f"events: {name}: found {array.min()} .. {array.max()}, accepted 0 .. {size - 1} "
                f"of the shape {shape}"
            )
    if count and arrays["t_us"].min() < 0:
        problems.append("events: t_us: found times below 0, accepted 0 or later")
    return problems


def _steps(
    time: Array, offsets: Array, recording: Array, steps: int, duration_us: int | None
) -> Array:
    """The time step of each event; `steps` or more where it is left out."""
    if duration_us is not None:
        return time * steps // duration_us
    first, last = (np.zeros(len(offsets) - 1, np.int64) for _ in range(2))
    last[:] = -1
    np.maximum.at(last, recording, time)
    first[:] = np.iinfo(np.int64).max
    np.minimum.at(first, recording, time)
    first, length = first[recording], (last - first + 1)[recording]
    found: Array = (time - first) * steps // length
    return found
