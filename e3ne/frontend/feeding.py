"""How a model wants its frames: tried out, because its forward does not say."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from ..ir import BadInput, UnsupportedModel
from .encoders import is_encoder
from .forward import (
    Feeding,
    ForwardFailed,
    Recording,
    raise_problems,
    record,
)
from .layouts import fixed_steps
from .memory import memory_problem
from .outputs import Wanted
from .registry import find_neuron
from .samples import Samples, steps_of
from .values import Layout

Fed = tuple[Feeding, Recording]


def find_feeding(
    model: nn.Module, samples: Samples, steps: int | None, wanted: Wanted, dtype: torch.dtype
) -> Fed:
    """How the model wants its frames, and what it does with them.

    A feeding is the right one where forward succeeds, every neuron makes exactly the steps of the
    frames, and everything can be followed. BadInput where the steps do not fit.
    """
    if not any(find_neuron(part) or is_encoder(part) for part in nn.Module.modules(model)):
        return _feed_stateless(model, samples, steps, wanted, dtype)
    _check_fixed_steps(model, steps_of(samples) or steps)
    if steps_of(samples) is not None:
        return _feed_steps(model, samples, steps, wanted, dtype)
    whole = Feeding()
    try:
        recording = record(model, samples, whole, dtype)
    except ForwardFailed as failure:
        if failure.is_about_dtype:
            raise
        repeated = _feed_repeated(model, samples, steps, wanted, dtype)
        if repeated is None:
            raise
        return repeated
    made = recording.steps
    if made == {1} and steps is not None and steps > 1:
        whole = Feeding(calls=steps)
        recording.recorder.forget()
        recording = record(model, samples, whole, dtype)
    if recording.problems(wanted):
        repeated = _feed_repeated(model, samples, steps, wanted, dtype)
        if repeated is not None:
            return repeated
    raise_problems(recording, wanted)
    if not made:
        return _feed_stateless(model, samples, steps, wanted, dtype)
    if made == {1} and steps is None:
        raise BadInput(
            "steps: found a model that makes one time step a call, accepted a number of steps; "
            "pass steps=..."
        )
    if made != {1} and len(made) == 1 and steps not in (None, *made):
        raise BadInput(
            f"steps: found {steps}, but the model's own loop makes {made.pop()}, accepted the same "
            "number; leave steps out or change the loop"
        )
    return whole, recording


def _check_fixed_steps(model: nn.Module, steps: int | None) -> None:
    """BadInput where neurons insist on another number of steps."""
    fixed = fixed_steps(model)
    if None not in (steps, fixed) and steps != fixed:
        raise BadInput(
            f"steps: found {steps} for neurons whose num_timesteps is {fixed}, accepted the same "
            "number; give as many steps, or set num_timesteps"
        )


def _feed_stateless(
    model: nn.Module, samples: Samples, steps: int | None, wanted: Wanted, dtype: torch.dtype
) -> Fed:
    has_steps = steps_of(samples) is not None
    feeding = Feeding(calls=steps_of(samples))
    recording = record(model, samples, feeding, dtype)
    problems = recording.problems(wanted)
    memory = memory_problem(model, samples, dtype)
    if problems or memory is not None:  # such as a neuron that nobody registered
        raise UnsupportedModel([*problems, *([] if memory is None else [memory])])
    if has_steps or steps not in (None, 1):
        found = "input_has_steps=True" if has_steps else f"steps={steps}"
        raise BadInput(
            f"steps: found {found} for a model without spiking neurons, accepted one step; leave "
            "it out (the code of its edges is chosen when it is lowered), or describe neurons of "
            "yours with @e3ne.register_neuron"
        )
    return feeding, recording


def _feed_repeated(
    model: nn.Module, samples: Samples, steps: int | None, wanted: Wanted, dtype: torch.dtype
) -> Fed | None:
    """The same frame at every step, for models that take all steps at once; None: does not work."""
    steps = steps or fixed_steps(model)
    if steps is None:
        return None
    for layout in Layout:
        feeding = Feeding(layout=layout, repeat=steps)
        try:
            recording = record(model, samples, feeding, dtype)
        except ForwardFailed:
            continue
        if _is_clean(recording, steps, wanted):
            return feeding, recording
    return None


def _feed_steps(
    model: nn.Module, samples: Samples, steps: int | None, wanted: Wanted, dtype: torch.dtype
) -> Fed:
    """All steps at once in any layout, or one step a call: the first that works.

    Where none does, the two usual ones (steps first, one step a call) have their say.
    """
    count = steps_of(samples)
    assert count is not None
    if steps not in (None, count):
        raise BadInput(
            f"steps: found steps={steps} and example_input with {count} steps, accepted the same "
            "number; leave steps out"
        )
    tried: list[Fed] = []
    failures: list[ForwardFailed] = []
    for feeding in _feedings(count):
        try:
            recording = record(model, samples, feeding, dtype)
        except ForwardFailed as failure:
            if failure.is_about_dtype:
                raise
            failures.append(failure)
            continue
        if _is_clean(recording, count, wanted):
            return feeding, recording
        tried.append((feeding, recording))
    if not tried:
        raise BadInput([text for failure in failures[:2] for text in failure.problems])
    return min(tried, key=lambda fed: _rank(fed, count, wanted))


def _feedings(count: int) -> Iterator[Feeding]:
    yield Feeding(layout=Layout.STEPS_FRAMES)
    yield Feeding(calls=count)
    for layout in (Layout.FRAMES_STEPS, Layout.MERGED_STEPS_FRAMES, Layout.MERGED_FRAMES_STEPS):
        yield Feeding(layout=layout)


def _is_clean(recording: Recording, count: int, wanted: Wanted) -> bool:
    return recording.steps == {count} and not recording.problems(wanted)


def _rank(fed: Fed, count: int, wanted: Wanted) -> tuple[bool, bool, bool, int]:
    """Which of the feedings that do not work tells the user most: the smallest.

    Best one whose only problems are neurons that are refused: it may be the right one.
    """
    feeding, recording = fed
    problems = recording.problems(wanted)
    more = not set(problems) <= recording.recorder.refused
    usual = feeding.calls is not None or feeding.layout is Layout.STEPS_FRAMES
    return more, not usual, count not in recording.steps, len(problems)
