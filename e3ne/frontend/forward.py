"""Runs a copy of the user's model once, in a way that leaves the model itself as it was."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from ..ir import Array, BadInput, E3neError, UnsupportedModel
from .arithmetic import stacked
from .calls import NotSupported, Traced
from .libraries import snntorch
from .recorder import Recorder, flat
from .registry import find_neuron
from .sketch import INPUT, Sketch
from .values import Kind, Value, unknown

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Feeding:
    """How frames reach the model.

    `has_steps` says that frames come as (frames, steps, *shape); `calls` is how often the model
    is called for one batch of frames: None where it loops over time itself (or has no time), and
    then gets all steps at once, steps first.
    """

    has_steps: bool
    calls: int | None


@dataclass(frozen=True)
class Recording:
    """What one forward was seen to do; `output` is what its first returned tensor stands for."""

    recorder: Recorder
    output: Traced

    @property
    def problems(self) -> list[str]:
        """Why the model cannot be followed; empty where it can."""
        output = () if isinstance(self.output, Value) else self.output.problems
        return list(dict.fromkeys((*output, *self.recorder.problems)))

    @property
    def steps(self) -> set[int]:
        """How many steps each neuron module made."""
        return set(self.recorder.calls.values())


def private_copy(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy in evaluation mode with float32 weights held as `dtype`; `model` stays untouched.

    States that still hang on a training graph (hidden membranes) are copied without it.
    """
    memo: dict[int, Any] = {}
    for module in nn.Module.modules(model):
        for item in (*vars(module).values(), *module._buffers.values()):
            if isinstance(item, torch.Tensor) and item.grad_fn is not None:
                memo[id(item)] = item.detach().clone()
    try:
        copied = copy.deepcopy(model, memo)
    except Exception as error:
        raise BadInput(
            f"model: found a {type(model).__name__} that cannot be copied ({error}), accepted one "
            "that copy.deepcopy copies; take locks, files and generators out of the module"
        ) from error
    return copied.cpu().float().to(dtype).eval()


def record(model: nn.Module, frames: Array, feeding: Feeding, dtype: torch.dtype) -> Recording:
    """One forward of a fresh copy of `model` from its initial state.

    `frames` is (frames, *shape) or (frames, steps, *shape). BadInput where forward itself fails.
    """
    check_watchable(model)
    check_arguments(model)
    working = private_copy(model, dtype)
    shape = frames.shape[2 if feeding.has_steps else 1 :]
    recorder = Recorder(working, dtype, Sketch(tuple(shape), feeding.has_steps))
    x = torch.from_numpy(np.array(frames)).to(dtype)
    if feeding.has_steps:
        x = x.transpose(0, 1).contiguous()
    with snntorch.only_neurons_of(working), torch.no_grad(), default_dtype(dtype):
        reset(working)
        try:
            with recorder:
                output = _run(working, recorder, x, feeding)
        except E3neError:
            raise
        except Exception as error:
            logger.debug("forward failed", exc_info=True)
            raise ForwardFailed(_failure(recorder, x, feeding, error), error) from error
    return Recording(recorder, output)


class ForwardFailed(BadInput):
    """The model's own forward raised `cause` on the frames that it was given."""

    def __init__(self, problem: str, cause: Exception) -> None:
        super().__init__(problem)
        self.cause = cause

    @property
    def is_about_dtype(self) -> bool:
        """Whether the forward insists on float32 (buffers or constants that it makes itself)."""
        text = str(self.cause)
        return isinstance(self.cause, RuntimeError) and any(
            word in text for word in ("dtype", "scalar type", "Double", "double")
        )


def check_watchable(model: nn.Module) -> None:
    """UnsupportedModel where parts of the model are compiled, and run where nobody can watch."""
    problems = [
        f"{path or 'model'}: found a compiled module ({type(module).__name__}), accepted the "
        "module that it was compiled from; pass the one before torch.jit or torch.compile"
        for path, module in model.named_modules()
        if isinstance(module, torch.jit.ScriptModule) or type(module).__name__ == "OptimizedModule"
    ]
    if problems:
        raise UnsupportedModel(problems)


def check_arguments(model: nn.Module) -> None:
    """BadInput where forward needs more than its input."""
    parameters = list(inspect.signature(model.forward).parameters.values())[1:]
    needed = [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if needed:
        raise BadInput(
            f"forward of {type(model).__name__}: found required arguments {', '.join(needed)} "
            "beside the input, accepted none; give them defaults, and keep states inside (create "
            "membranes in forward, or use init_hidden=True)"
        )


def reset(model: nn.Module) -> None:
    """Brings every neuron of `model` back to its state before the first step."""
    for module in nn.Module.modules(model):
        neuron = find_neuron(module)
        if neuron is not None:
            neuron.reset(module)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Tensors that a forward creates have the type that it computes in."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _run(model: nn.Module, recorder: Recorder, x: torch.Tensor, feeding: Feeding) -> Traced:
    if feeding.calls is None:
        kind = Kind.TRAIN if feeding.has_steps else Kind.STATIC
        recorder.bind(x, Value(INPUT, kind, len(x) if feeding.has_steps else 0))
        return _first(recorder, model(x))
    found: list[Traced] = []
    for step in range(feeding.calls):
        part = (x[step] if feeding.has_steps else x).clone()
        value = Value(INPUT, Kind.STEP, step) if feeding.has_steps else Value(INPUT, Kind.STATIC)
        recorder.bind(part, value)
        found.append(_first(recorder, model(part)))
    try:
        return stacked(found)
    except NotSupported as problem:
        return unknown(f"output: {problem}")


def _first(recorder: Recorder, output: Any) -> Traced:
    """What the first tensor of the output stands for; a list is a record of steps."""
    if isinstance(output, tuple) and output:
        output = output[0]
    if isinstance(output, list):
        try:
            return stacked([recorder.values.get(id(item)) for item in flat(output)])
        except NotSupported as problem:
            return unknown(f"output: {problem}")
    if not isinstance(output, torch.Tensor):
        return unknown(
            f"output: found {type(output).__name__}, accepted a tensor, or a tuple or list that "
            "starts with the spikes or scores; return the tensor itself"
        )
    return recorder.values.get(id(output)) or unknown(
        "output: found a tensor that e3ne cannot follow back to the input (it is constant, or made "
        "by a custom autograd.Function or another library), accepted torch functions; if it comes "
        "from a neuron, describe it with @e3ne.register_neuron"
    )


def _failure(recorder: Recorder, x: torch.Tensor, feeding: Feeding, error: Exception) -> str:
    shape = tuple(x.shape)
    if feeding.has_steps:
        shape = shape[1:] if feeding.calls is not None else shape
    order = (
        "(steps, frames, ...)" if feeding.has_steps and feeding.calls is None else "(frames, ...)"
    )
    reason = next(iter(str(error).strip().splitlines()), "no message")
    return (
        f"{recorder.where()}: found input {order} of shape {shape}, on which the model fails with "
        f"{type(error).__name__}: {reason}; accepted frames that its own forward takes; check the "
        "shape of example_input, and input_has_steps"
    )
