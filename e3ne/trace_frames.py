"""Frames to trace a model with, where the user gives none: the first of the calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .config import Config
from .data import first_frames
from .ir import Array, BadInput, Graph
from .ir.user_arrays import UserArrays

EXAMPLE_FRAMES = 2  # enough to trace with

HasSteps = bool | Sequence[bool] | Mapping[str, bool]
"""For all inputs, or for each in their order or by name."""


def example_of(
    calibration: UserArrays,
    input_has_steps: HasSteps,
    config: Config,
    names: Sequence[str] = ("input",),
) -> UserArrays:
    """The first calibration frames as the model takes them.

    Samples for an encoder of the configuration are repeated at every step where the model takes
    trains. `names` are those of the inputs where `calibration` is no dict. BadInput where the
    number of steps is not known.
    """
    example = first_frames(calibration, EXAMPLE_FRAMES)
    if isinstance(example, Mapping):
        names = list(example)
    arrays = list(example.values()) if isinstance(example, Mapping) else example
    listed = list(arrays) if isinstance(arrays, list | tuple) else [np.asarray(arrays)]
    timed = _timed(input_has_steps, names, len(listed))
    waiting = [
        place
        for place, name in enumerate(names[: len(listed)])
        if timed[place] and config.input_of(name).encoder not in (None, "delta")
    ]
    if not waiting:
        return example
    steps = config.steps or _steps_of_others(listed, timed, waiting)
    if steps is None:
        raise BadInput(
            "steps: found none for a model of trains behind an encoder, accepted their number, "
            "1 .. 4096; give steps, or an example_input of trains"
        )
    for place in waiting:
        listed[place] = np.repeat(np.asarray(listed[place])[:, None], steps, axis=1)
    if isinstance(example, Mapping):
        return dict(zip(names, listed, strict=True))
    return tuple(listed) if isinstance(example, tuple) else listed[0]


def input_names(model: Any, arrays: UserArrays) -> tuple[str, ...]:
    """What the inputs of a model are called that `arrays` without names stand for."""
    if isinstance(model, Graph):
        return tuple(source.name for source in model.inputs)
    if not isinstance(arrays, tuple) or not hasattr(model, "forward"):
        return ("input",)
    from .frontend.arguments import argument_names

    return tuple(argument_names(model, len(arrays)))


def _timed(given: HasSteps, names: Sequence[str], count: int) -> list[bool]:
    """Whether each input has steps; what does not match is left to the trace to refuse."""
    if isinstance(given, bool):
        return [given] * count
    flags = [given.get(name, False) for name in names] if isinstance(given, Mapping) else [*given]
    return [*flags, *[False] * count][:count]


def _steps_of_others(
    arrays: Sequence[Array], timed: Sequence[bool], waiting: Sequence[int]
) -> int | None:
    """The steps of an input that has trains of its own."""
    others = [
        array.shape[1]
        for place, array in enumerate(arrays)
        if timed[place] and place not in waiting and array.ndim > 2
    ]
    return others[0] if others else None
