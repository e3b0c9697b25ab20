"""The frames of each input of a model: the user's example, and random frames like it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from ..ir import Array, BadInput
from .arguments import argument_names
from .examples import checked_frames, random_inputs
from .layouts import fixed_frames
from .values import population_shape


@dataclass(frozen=True)
class Sample:
    """Frames of one input, float32 (frames, *shape), or (frames, steps, *shape) where `timed`.

    `keyword` is the argument of forward that takes it; None: it is the next positional one.
    """

    name: str
    frames: Array
    timed: bool
    keyword: str | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the input as the graph has it."""
        shape = self.frames.shape[2 if self.timed else 1 :]
        return population_shape(shape) or shape

    @property
    def values(self) -> Array:
        """The frames for the graph's input."""
        lead = self.frames.shape[: 2 if self.timed else 1]
        return self.frames.reshape(*lead, *self.shape)


Samples = tuple[Sample, ...]


def checked_samples(
    model: nn.Module, example_input: object, has_steps: bool | Sequence[bool] | Mapping[str, bool]
) -> Samples:
    """The user's example: one array, a tuple of them, or a dict by the arguments of forward.

    BadInput where they are no frames, or numbers of frames or steps differ.
    """
    found: dict[str, tuple[str | None, object]]
    if isinstance(example_input, Mapping):
        found = {str(key): (str(key), item) for key, item in example_input.items()}
    elif isinstance(example_input, tuple):
        names = argument_names(model, len(example_input))
        found = {name: (None, item) for name, item in zip(names, example_input, strict=True)}
    else:
        found = {"input": (None, example_input)}
    if not found:
        raise BadInput("example_input: found no array, accepted one for each input; add them")
    timed = _timed(list(found), has_steps)
    samples = tuple(
        Sample(name, checked_frames(item, timed[name]), timed[name], keyword)
        for name, (keyword, item) in found.items()
    )
    counts = {len(sample.frames) for sample in samples}
    steps = {sample.frames.shape[1] for sample in samples if sample.timed}
    for what, numbers in (("frames", counts), ("steps", steps)):
        if len(numbers) > 1:
            raise BadInput(
                f"example_input: found {sorted(numbers)} {what} in its inputs, accepted the same "
                "number in all of them; make them as long"
            )
    return samples


def steps_of(samples: Samples) -> int | None:
    """How many steps the frames have; None where none has any."""
    return next((sample.frames.shape[1] for sample in samples if sample.timed), None)


def told_apart(model: nn.Module, samples: Samples) -> Samples:
    """The samples with another number of frames than of steps, so that axes cannot be confused.

    Neurons that insist on a number of frames get it.
    """
    count, steps = len(samples[0].frames), steps_of(samples)
    wanted = fixed_frames(model) or count
    if wanted == steps and fixed_frames(model) is None:
        wanted = count - 1 or count + 1
    order = np.arange(wanted) % count
    return tuple(replace(sample, frames=sample.frames[order]) for sample in samples)


def first_frames(samples: Samples, count: int) -> Samples:
    """The first `count` frames of every input, again from the first where there are fewer."""
    order = np.arange(count) % len(samples[0].frames)
    return tuple(replace(sample, frames=sample.frames[order]) for sample in samples)


def random_samples(samples: Samples) -> Iterator[Samples]:
    """Random inputs as long as the samples and within their ranges."""
    draws = [random_inputs(sample.frames, seed) for seed, sample in enumerate(samples)]
    for frames in zip(*draws, strict=True):
        yield tuple(
            replace(sample, frames=drawn) for sample, drawn in zip(samples, frames, strict=True)
        )


def _timed(
    names: Sequence[str], has_steps: bool | Sequence[bool] | Mapping[str, bool]
) -> dict[str, bool]:
    if isinstance(has_steps, bool):
        return dict.fromkeys(names, has_steps)
    given = (
        has_steps if isinstance(has_steps, Mapping) else dict(zip(names, has_steps, strict=False))
    )
    if set(given) != set(names) or len(has_steps) != len(names):
        raise BadInput(
            f"input_has_steps: found {has_steps!r} for inputs {', '.join(names)}, accepted True, "
            "False, or one of them for each input"
        )
    return {name: bool(given[name]) for name in names}
