"""Runs a copy of the user's model once, in a way that leaves the model itself as it was."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from ..ir import BadInput, E3neError, UnsupportedModel
from .arguments import check_arguments, takes_state
from .drawing import reached, undriven
from .layouts import arranged
from .libraries import sinabs, snntorch
from .nesting import flat
from .outputs import Outputs, Wanted, outputs_of, selected, stacked_outputs
from .recorder import Recorder
from .registry import reset
from .samples import Sample, Samples
from .sketch import Entry, Sketch
from .values import Kind, Layout, Unknown, Value

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Feeding:
    """How frames reach the model.

    `calls` is how often the model is called for one batch of frames: None where it loops over time
    itself (or has no time), and then gets all steps at once in `layout`. `repeat`: inputs without
    steps are repeated that often, and given like inputs with steps. `silent_layers`: how layers
    are read that an earlier step computed (`delays.py`).
    """

    calls: int | None = None
    layout: Layout = Layout.STEPS_FRAMES
    repeat: int | None = None
    silent_layers: bool = False


@dataclass(frozen=True)
class Recording:
    """What one forward was seen to do; `outputs` is what its returned tensors stand for."""

    recorder: Recorder
    outputs: Outputs

    def problems(self, wanted: Wanted = 1) -> list[str]:
        """Why the wanted outputs cannot be followed; empty where they can.

        BadInput where the model returns no such output.
        """
        found = selected(self.outputs, wanted)
        sketch = self.recorder.sketch
        known = [item.source for item in found if isinstance(item, Value)]
        problems = [text for item in found if isinstance(item, Unknown) for text in item.problems]
        used = reached(sketch, known) if len(known) == len(found) else set(sketch.undriven)
        return list(dict.fromkeys((*problems, *self.recorder.problems, *undriven(sketch, used))))

    @property
    def steps(self) -> set[int]:
        """How many steps each neuron module made."""
        return set(self.recorder.calls.values())


def raise_problems(recording: Recording, wanted: Wanted) -> list[Value]:
    """What the wanted outputs stand for; UnsupportedModel with all problems where there are any."""
    problems = recording.problems(wanted)
    if problems:
        raise UnsupportedModel(problems)
    return [item for item in selected(recording.outputs, wanted) if isinstance(item, Value)]


def private_copy(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy in evaluation mode with float32 weights held as `dtype`; `model` stays untouched.

    States that still hang on a training graph (hidden membranes) are copied without it.
    """
    memo: dict[int, Any] = {}
    for module in nn.Module.modules(model):
        for item in flat(vars(module)):
            if isinstance(item, torch.Tensor) and item.grad_fn is not None:
                memo[id(item)] = item.detach().clone()
    try:
        sinabs.copy_layers(model, memo)
        copied = copy.deepcopy(model, memo)
    except Exception as error:
        raise BadInput(
            f"model: found a {type(model).__name__} that cannot be copied ({error}), accepted one "
            "that copy.deepcopy copies; take locks, files, generators and compiled functions out "
            "of it"
        ) from error
    return copied.cpu().float().to(dtype).eval()


def record(model: nn.Module, samples: Samples, feeding: Feeding, dtype: torch.dtype) -> Recording:
    """One forward of a fresh copy of `model` from its initial state.

    ForwardFailed where forward itself fails.
    """
    check_watchable(model)
    check_arguments(model, [sample.keyword for sample in samples])
    working = private_copy(model, dtype)
    entries = [Entry(sample.name, sample.shape, sample.timed) for sample in samples]
    sketch = Sketch(entries, len(samples[0].frames), feeding.silent_layers)
    recorder = Recorder(working, dtype, sketch)
    tensors = [torch.from_numpy(np.array(sample.frames)).to(dtype) for sample in samples]
    with snntorch.only_neurons_of(working), torch.no_grad(), default_dtype(dtype):
        reset(working)
        try:
            with recorder:
                outputs = _run(working, recorder, samples, tensors, feeding)
        except E3neError:
            raise
        except Exception as error:
            logger.debug("forward failed", exc_info=True)
            raise ForwardFailed(_failure(recorder, samples, feeding, error), error) from error
    return Recording(recorder, outputs)


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


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Tensors that a forward creates have the type that it computes in."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _run(
    model: nn.Module,
    recorder: Recorder,
    samples: Samples,
    tensors: Sequence[torch.Tensor],
    feeding: Feeding,
) -> Outputs:
    if feeding.calls is None:
        whole = [
            _whole(recorder, number, sample, x, feeding)
            for number, (sample, x) in enumerate(zip(samples, tensors, strict=True))
        ]
        return outputs_of(recorder.meaning, called(model, samples, whole))
    found: list[Outputs] = []
    state: dict[str, Any] = {}
    for step in range(feeding.calls):
        parts = []
        for number, (sample, x) in enumerate(zip(samples, tensors, strict=True)):
            part = (x[:, step] if sample.timed else x).clone()
            kind = Kind.STEP if sample.timed else Kind.STATIC
            recorder.bind(part, Value(number, kind, step if sample.timed else 0))
            parts.append(part)
        returned = called(model, samples, parts, state)
        if isinstance(returned, tuple) and len(returned) > 1 and takes_state(model, len(samples)):
            state = {"state": returned[-1]}
        found.append(outputs_of(recorder.meaning, returned))
    return stacked_outputs(found)


def _whole(
    recorder: Recorder, number: int, sample: Sample, x: torch.Tensor, feeding: Feeding
) -> torch.Tensor:
    """The tensor that holds an input, all of it, bound to what it stands for."""
    if not sample.timed and feeding.repeat is None:
        recorder.bind(x, Value(number, Kind.STATIC))
        return x
    if not sample.timed:
        assert feeding.repeat is not None
        x = x.unsqueeze(1).expand(-1, feeding.repeat, *x.shape[1:])
        number = recorder.sketch.repeated(number)
    whole = arranged(x, feeding.layout)
    recorder.bind(whole, Value(number, Kind.TRAIN, x.shape[1], layout=feeding.layout))
    return whole


def called(
    model: nn.Module,
    samples: Samples,
    tensors: Sequence[torch.Tensor],
    more: Mapping[str, Any] | None = None,
) -> Any:
    """What the model returns for one tensor an input, and `more` arguments."""
    pairs = list(zip(samples, tensors, strict=True))
    positional = [tensor for sample, tensor in pairs if sample.keyword is None]
    named = {sample.keyword: tensor for sample, tensor in pairs if sample.keyword is not None}
    return model(*positional, **named, **(more or {}))


def _failure(recorder: Recorder, samples: Samples, feeding: Feeding, error: Exception) -> str:
    inputs = []
    for sample in samples:
        shape, order = sample.frames.shape, "(frames, ...)"
        if (sample.timed or feeding.repeat) and feeding.calls is None:
            steps = feeding.repeat if not sample.timed else shape[1]
            rest = shape[2:] if sample.timed else shape[1:]
            blank = torch.empty(shape[0], steps or 1, *rest, device="meta")
            shape = tuple(arranged(blank, feeding.layout).shape)
            order = feeding.layout.value.replace("*shape", "...")
        elif sample.timed:
            shape = (shape[0], *shape[2:])
        inputs.append(f"{order} of shape {tuple(shape)}")
    reason = next(iter(str(error).strip().splitlines()), "no message")
    return (
        f"{recorder.where()}: found input {' and '.join(inputs)}, on which the model fails with "
        f"{type(error).__name__}: {reason}; accepted frames that its own forward takes; check the "
        "shape of example_input, and input_has_steps"
    )
