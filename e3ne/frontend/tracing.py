"""From a torch module to a checked graph of stage FLOAT."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import torch
from torch import nn

from ..ir import BadInput, Graph, Readout, TraceMismatch, UnsupportedModel, text
from .check import compare
from .examples import RANDOM_TRIES, check_module, check_weights, checked_readout, is_large
from .exercise import exercise
from .feeding import find_feeding
from .forward import Feeding, ForwardFailed, Recording, record
from .hints import with_hints
from .layouts import fixed_frames
from .libraries import brevitas
from .outputs import Wanted
from .recorded_graph import Asked, Finished, finished
from .rounding import warn_of_halves
from .samples import (
    Samples,
    checked_samples,
    first_frames,
    random_samples,
    told_apart,
)

logger = logging.getLogger(__name__)

RANDOM_CHECKS = 2  # random inputs that must agree, beside the example
TOLERANCE = {torch.float64: 1e-5, torch.float32: 1e-4}

Readouts = Readout | str | None | list[Readout | str | None] | tuple[Readout | str | None, ...]


def trace(
    model: nn.Module,
    example_input: object,
    steps: int | None = None,
    input_has_steps: bool | Sequence[bool] | Mapping[str, bool] = False,
    readout: Readouts = None,
    outputs: Wanted = 1,
) -> Graph:
    """The graph (stage FLOAT) that computes what `model` computes, checked against it.

    `example_input` is a tensor or array of one or more frames, (frames, *shape), or
    (frames, steps, *shape) with `input_has_steps`; every frame goes through the model several
    times, so give a few that are typical. Models of several inputs get a tuple of them, or a dict
    by the arguments of forward, and `input_has_steps` may then have one entry for each.

    A model that makes one step a call is called once for each of `steps`, from a reset state; what
    it returned last comes back as `state` where its forward has an argument of that name. One
    that takes all steps at once gets them in the order that it wants: steps first, frames first,
    or both on one axis. The model is left as it was.

    `outputs` says which tensors of those that forward returns are the network's: the first so
    many, or names (keys, fields) or positions. Without `readout` each is read as spike counts
    where it is a record of spikes, as the last value where it is a record of membranes, by the
    sum, mean or maximum that the forward takes over time, and as it is without time. `readout` may
    be a name of a Readout, "count", "last", "max" or "mean", or one for each output.

    Raises UnsupportedModel with everything that e3ne cannot compute, BadInput where example,
    steps, outputs or weights are not usable, TraceMismatch where graph and model differ.
    """
    check_module(model)
    samples = checked_samples(model, example_input, input_has_steps)
    asked = Asked(outputs, _checked_readouts(readout))
    if steps is not None and steps < 1:
        raise BadInput(f"steps: found {steps}, accepted 1 or more; pass the number of time steps")
    check_weights(model)
    brevitas.warn_of_layers(model)
    samples = told_apart(model, samples)
    if not is_large(model) or fixed_frames(model) is not None or len(samples[0].frames) == 1:
        return _trace_in(model, samples, steps, asked)
    try:
        return _trace_in(model, first_frames(samples, 1), steps, asked)
    except (UnsupportedModel, BadInput):  # such as a squeeze() that drops the axis of one frame
        with suppress(UnsupportedModel, BadInput):
            two = told_apart(model, first_frames(samples, 2))
            return _trace_in(model, two, steps, asked)
        raise


def _trace_in(model: nn.Module, samples: Samples, steps: int | None, asked: Asked) -> Graph:
    """In float64, or in float32 for a model that insists on it."""
    if brevitas.insists_on_float32(model):
        return _trace(model, samples, steps, asked, torch.float32)
    try:
        return _trace(model, samples, steps, asked, torch.float64)
    except ForwardFailed as error:
        if not error.is_about_dtype:
            raise
        logger.info("the model insists on float32; its trace is checked in float32")
        return _trace(model, samples, steps, asked, torch.float32)


def _checked_readouts(readout: Readouts) -> tuple[Readout | None, ...]:
    if isinstance(readout, list | tuple):
        return tuple(map(checked_readout, readout))
    return (checked_readout(readout),)


def _trace(
    model: nn.Module, samples: Samples, steps: int | None, asked: Asked, dtype: torch.dtype
) -> Graph:
    feeding, recording = find_feeding(model, samples, steps, asked.outputs, dtype)
    try:
        first = _checked(model, samples, feeding, recording, asked, dtype)
    except TraceMismatch as error:
        if not recording.recorder.sketch.has_delays:
            raise with_hints(error, recording) from None
        feeding = replace(feeding, silent_layers=True)
        again = record(model, samples, feeding, dtype)
        try:
            first = _checked(model, samples, feeding, again, asked, dtype)
        except (TraceMismatch, UnsupportedModel):
            raise with_hints(error, recording) from None
    for path, neuron in recording.recorder.populations.items():
        if neuron.model is not None:
            exercise(path, model.get_submodule(path), neuron, dtype, TOLERANCE[dtype])
    return first


def _checked(
    model: nn.Module,
    samples: Samples,
    feeding: Feeding,
    recording: Recording,
    asked: Asked,
    dtype: torch.dtype,
) -> Graph:
    """The graph of a recording, compared with the model's forward on example and random frames."""
    first = finished(recording, samples, asked)
    halves: dict[str, float] = {}
    _compare(first, recording, samples, TOLERANCE[dtype], halves)
    warn_of_halves(halves)
    brevitas.warn_of_edges(model, first.graph)
    agreed = 0
    for drawn_samples in random_samples(samples):
        again = record(model, drawn_samples, feeding, dtype)
        agreed += _agrees(first.graph, again, drawn_samples, asked, TOLERANCE[dtype])
        if agreed == RANDOM_CHECKS:
            return first.graph
    raise TraceMismatch(
        f"check of the trace: found membranes at their thresholds in every frame of "
        f"{RANDOM_TRIES} random inputs, accepted frames that can be compared; "
        "change thresholds or weights a little"
    )


def _agrees(
    graph: Graph,
    again: Recording,
    samples: Samples,
    asked: Asked,
    tolerance: float,
) -> bool:
    """Whether some frame agrees at every node; an error where any disagrees."""
    problems = again.problems(asked.outputs)
    other = None if problems else finished(again, samples, asked)
    if other is None or text(other.graph) != text(graph):
        raise UnsupportedModel(
            "forward: found other layers on another input than on the example, accepted control "
            "flow that is the same for every input; compute without looking at values"
        )
    return _compare(other, again, samples, tolerance) > 0


def _compare(
    finished: Finished,
    recording: Recording,
    samples: Samples,
    tolerance: float,
    halves: dict[str, float] | None = None,
) -> int:
    frames = [sample.values for sample in samples]
    observed = recording.recorder.observed
    agreed = compare(finished.graph, finished.names, observed, frames, tolerance, halves)
    recording.recorder.forget()
    return agreed
