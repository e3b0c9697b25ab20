"""From a torch module to a checked graph of stage FLOAT."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from ..ir import (
    Array,
    BadInput,
    Graph,
    Integrate,
    IntegrateFire,
    Readout,
    TraceMismatch,
    UnsupportedModel,
    text,
    verify,
)
from .check import compare
from .examples import (
    RANDOM_TRIES,
    check_weights,
    checked_frames,
    checked_readout,
    random_inputs,
)
from .exercise import exercise
from .forward import Feeding, ForwardFailed, Recording, record
from .registry import find_neuron
from .values import Kind, Unknown, Value

logger = logging.getLogger(__name__)

RANDOM_CHECKS = 2  # random inputs that must agree, beside the example
TOLERANCE = {torch.float64: 1e-5, torch.float32: 1e-4}


def trace(
    model: nn.Module,
    example_input: object,
    steps: int | None = None,
    input_has_steps: bool = False,
    readout: Readout | str | None = None,
) -> Graph:
    """The graph (stage FLOAT) that computes what `model` computes, checked against it.

    `example_input` is a tensor or array of one or more frames, (frames, *shape), or
    (frames, steps, *shape) with `input_has_steps`; every frame goes through the model several
    times, so give a few that are typical. A model that loops over time itself gets (frames,
    *shape), or all steps with the steps first; a model that makes one step a call is called once
    for each of `steps`, from a reset state. The model is left as it was.

    The output is the first tensor that forward returns. Without `readout` it is read as spike
    counts where it is a record of spikes, as the last value where it is a record of membranes, by
    the sum, mean or maximum that the forward takes over time, and as it is without time.
    `readout` may be a name of a Readout: "count", "last", "max" or "mean".

    Raises UnsupportedModel with everything that e3ne cannot compute, BadInput where example,
    steps or weights are not usable, TraceMismatch where graph and model differ.
    """
    frames = checked_frames(example_input, input_has_steps)
    way = checked_readout(readout)
    if steps is not None and steps < 1:
        raise BadInput(f"steps: found {steps}, accepted 1 or more; pass the number of time steps")
    check_weights(model)
    try:
        return _trace(model, frames, steps, input_has_steps, way, torch.float64)
    except ForwardFailed as error:
        if not error.is_about_dtype:
            raise
        logger.info("the model insists on float32; its trace is checked in float32")
        return _trace(model, frames, steps, input_has_steps, way, torch.float32)


def _trace(
    model: nn.Module,
    frames: Array,
    steps: int | None,
    has_steps: bool,
    readout: Readout | None,
    dtype: torch.dtype,
) -> Graph:
    feeding, recording = find_feeding(model, frames, steps, has_steps, dtype)
    first = finished(recording, frames, feeding, readout)
    compare(first.graph, first.names, recording.recorder.observed, frames, TOLERANCE[dtype])
    agreed = 0
    for x in random_inputs(frames):
        again = record(model, x, feeding, dtype)
        agreed += _agrees(first.graph, again, x, feeding, readout, TOLERANCE[dtype])
        if agreed == RANDOM_CHECKS:
            break
    else:
        raise TraceMismatch(
            f"check of the trace: found membranes at their thresholds in every frame of "
            f"{RANDOM_TRIES} random inputs, accepted frames that can be compared; "
            "change thresholds or weights a little"
        )
    for path, neuron in recording.recorder.populations.items():
        if neuron.model is not None:
            module = model.get_submodule(path)
            exercise(path, module, neuron.model, neuron.shape, dtype, TOLERANCE[dtype])
    return first.graph


def _agrees(
    graph: Graph,
    again: Recording,
    x: Array,
    feeding: Feeding,
    readout: Readout | None,
    tolerance: float,
) -> bool:
    """Whether some frame of `x` agrees at every node; an error where any disagrees."""
    other = None if again.problems else finished(again, x, feeding, readout)
    if other is None or text(other.graph) != text(graph):
        raise UnsupportedModel(
            "forward: found other layers on another input than on the example, accepted control "
            "flow that is the same for every input; compute without looking at values"
        )
    return compare(graph, other.names, again.recorder.observed, x, tolerance) > 0


def find_feeding(
    model: nn.Module, frames: Array, steps: int | None, has_steps: bool, dtype: torch.dtype
) -> tuple[Feeding, Recording]:
    """How the model wants its frames, and what it does with them."""
    if not any(find_neuron(module) for module in nn.Module.modules(model)):
        return _feed_stateless(model, frames, steps, has_steps, dtype)
    if has_steps:
        return _feed_steps(model, frames, steps, dtype)
    whole = Feeding(False, None)
    recording = record(model, frames, whole, dtype)
    raise_problems(recording)
    made = recording.steps
    if not made:
        return _feed_stateless(model, frames, steps, has_steps, dtype)
    if made == {1} and steps is None:
        raise BadInput(
            "steps: found a model that makes one time step a call, accepted a number of steps; "
            "pass steps=..."
        )
    if made == {1} and steps != 1:
        whole = Feeding(False, steps)
        recording = record(model, frames, whole, dtype)
    elif len(made) == 1 and steps not in (None, *made):
        raise BadInput(
            f"steps: found {steps}, but the model's own loop makes {made.pop()}, accepted the same "
            "number; leave steps out or change the loop"
        )
    return whole, recording


def _feed_stateless(
    model: nn.Module, frames: Array, steps: int | None, has_steps: bool, dtype: torch.dtype
) -> tuple[Feeding, Recording]:
    if steps not in (None, 1) or has_steps:
        found = "input_has_steps=True" if has_steps else f"steps={steps}"
        raise BadInput(
            f"steps: found {found} for a model without spiking neurons, accepted one step; leave "
            "it out (the code of its edges is chosen when it is lowered)"
        )
    feeding = Feeding(False, None)
    return feeding, record(model, frames, feeding, dtype)


def _feed_steps(
    model: nn.Module, frames: Array, steps: int | None, dtype: torch.dtype
) -> tuple[Feeding, Recording]:
    """A model that loops takes all steps at once; where that fails it gets one step a call."""
    count = frames.shape[1]
    if steps not in (None, count):
        raise BadInput(
            f"steps: found steps={steps} and example_input with {count} steps, accepted the same "
            "number; leave steps out"
        )
    whole, single = Feeding(True, None), Feeding(True, count)
    try:
        looped = record(model, frames, whole, dtype)
    except ForwardFailed as failure:
        if failure.is_about_dtype:
            raise
        try:
            return single, record(model, frames, single, dtype)
        except ForwardFailed as other:
            raise BadInput((*failure.problems, *other.problems)) from failure
    if not looped.problems and looped.steps == {count}:
        return whole, looped
    try:
        stepped = record(model, frames, single, dtype)
    except ForwardFailed:
        return whole, looped
    return (whole, looped) if stepped.problems and looped.steps == {count} else (single, stepped)


def raise_problems(recording: Recording) -> Value:
    """The recording's output; UnsupportedModel with all problems where it has any."""
    if recording.problems or isinstance(recording.output, Unknown):
        raise UnsupportedModel(recording.problems)
    return recording.output


@dataclass(frozen=True)
class Finished:
    """A graph, and the names of the populations of the recording that it was made from."""

    graph: Graph
    names: dict[int, str]


def finished(
    recording: Recording, frames: Array, feeding: Feeding, readout: Readout | None
) -> Finished:
    """The verified graph of a recording."""
    output = raise_problems(recording)
    made = recording.steps
    if len(made) > 1:
        listed = ", ".join(f"{path} {n}" for path, n in sorted(recording.recorder.calls.items()))
        raise UnsupportedModel(
            f"forward: found neurons that make different numbers of steps ({listed}), accepted one "
            "number for all; call every neuron once in every step"
        )
    steps = frames.shape[1] if feeding.has_steps else max(made, default=1)
    sketch = recording.recorder.sketch
    problems = list(_step_problems(output, steps, made, sketch.summed_steps))
    if problems:
        raise UnsupportedModel(problems)
    if output.source == 0:
        raise UnsupportedModel(
            "output: found the input itself, accepted a layer's output; add a layer"
        )
    neuron = sketch.drafts[output.source].neuron
    way = readout or natural_readout(output, neuron)
    graph, names = sketch.graph(output.source, way, steps)
    return Finished(verify(graph), names)


def _step_problems(
    output: Value, steps: int, made: set[int], summed_steps: set[int]
) -> Iterator[str]:
    if made and made != {steps}:
        yield (
            f"forward: found neurons that make {made.pop()} steps of an input of {steps}, accepted "
            "one step for each; loop over all of the input"
        )
    if output.kind in (Kind.TRAIN, Kind.SUM, Kind.MAX) and output.steps != steps:
        yield (
            f"output: found a record of {output.steps} of {steps} steps, accepted all steps; "
            "record every step"
        )
    if output.kind is Kind.STEP and output.steps != steps - 1:
        yield (
            f"output: found step {output.steps} of {steps}, accepted the last one or a record of "
            "all; return the last step"
        )
    for count in sorted(summed_steps - {steps}):
        yield (
            f"forward: found a sum over {count} of {steps} steps, accepted all steps; sum the "
            "whole record"
        )


def natural_readout(output: Value, neuron: object) -> Readout:
    """How the forward itself reads its output population."""
    match output.kind:
        case Kind.STATIC | Kind.STEP:
            return Readout.LAST
        case Kind.MAX:
            return Readout.MAX
        case Kind.TRAIN if isinstance(neuron, Integrate):
            return Readout.LAST
        case _:
            return Readout.COUNT if isinstance(neuron, IntegrateFire) else Readout.MEAN
