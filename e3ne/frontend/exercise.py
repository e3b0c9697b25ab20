"""Every neuron module by itself, under currents that make it fire.

The frames of a check may leave a population silent, and then say nothing about its reset. So each
neuron module is also driven alone, with random currents of the size of its threshold.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import nn

from ..ir import Array, Readout
from .check import compare
from .drawing import drawn
from .forward import default_dtype, private_copy
from .layouts import arranged, fixed_frames, fixed_steps, taken_apart
from .nesting import flat
from .populations import populations, threshold_of
from .registry import NeuronModel, find_neuron
from .sketch import Entry, Origin, Sketch
from .spiking import SpikingModule
from .states import state_arguments
from .values import Kind, Value

FRAMES = 2
STEPS = 16
STRENGTHS = (1.0, 8.0, 64.0)  # times what reaches the threshold in a step or so
CORNER = 4  # rows and columns of an image

Steps = dict[int, torch.Tensor]  # (frames, *shape) by step


def exercise(
    path: str, module: nn.Module, seen: SpikingModule, dtype: torch.dtype, tolerance: float
) -> None:
    """TraceMismatch where `module` and its description disagree under random currents.

    `seen` says what the trace found out about it: its model, and the shapes of its tensors. Neurons
    that stay silent get stronger currents.
    """
    for strength in STRENGTHS:
        if _fires(path, module, seen, strength, dtype, tolerance):
            return


def _fires(
    path: str,
    module: nn.Module,
    seen: SpikingModule,
    strength: float,
    dtype: torch.dtype,
    tolerance: float,
) -> bool:
    """Compares under currents of this strength; False where neurons that may fire do not."""
    model = seen.model
    assert model is not None
    frames, steps = fixed_frames(module) or FRAMES, fixed_steps(module) or STEPS
    largest = strength * _strong(model)
    generator = np.random.default_rng(0)
    taken_shape, input_shape, shape = exercised_shapes(seen, model)
    size = (frames, steps, *taken_shape)
    currents = generator.uniform(-largest, 2 * largest, size).astype(np.float32)
    sketch = Sketch([Entry("input", input_shape, True)], frames)
    own = populations(sketch, model, shape, Origin(path, True, "spikes"), path)
    own.drive(sketch, 0, 0)
    spikes, membranes = _drive(private_copy(module, dtype), model, currents, dtype)
    x = currents.reshape(frames, steps, *input_shape)
    shown = {own.spikes_shown: spikes, own.membrane_shown: membranes}
    observed = {
        Value(number, Kind.STEP, step): output.reshape(frames, *shape)
        for number, outputs in shown.items()
        if number is not None
        for step, output in outputs.items()
    }
    for number in sorted({value.source for value in observed}):
        graph, names = drawn(sketch, [(number, Readout.LAST)], steps)
        compare(graph, names, observed, [x], tolerance)
    return not spikes or any(bool(train.any()) for train in spikes.values())


def exercised_shapes(
    seen: SpikingModule, model: NeuronModel
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """One frame as the module takes it, as its input is in the graph, and of its population.

    Neurons of an image that are alike in every pixel, and read that pixel alone, are driven in a
    corner of it.
    """
    alike = all(
        np.asarray(getattr(record, item.name, 0)).ndim < 2
        for record in (model, model.neuron, model.membrane)
        if record is not None
        for item in fields(record)
        if isinstance(getattr(record, item.name), np.ndarray)
    )
    alone = model.input_op is None and not model.recurrence
    shapes = {seen.taken_shape, seen.input_shape, seen.shape}
    if alike and alone and len(shapes) == 1 and len(seen.shape) == 3:
        channels, rows, columns = seen.shape
        corner = (channels, min(rows, CORNER), min(columns, CORNER))
        return corner, corner, corner
    return seen.taken_shape, seen.input_shape, seen.shape


def _drive(
    module: nn.Module, model: NeuronModel, currents: Array, dtype: torch.dtype
) -> tuple[Steps, Steps]:
    """The module's spikes and membranes; empty where it shows none."""
    neuron = find_neuron(module)
    assert neuron is not None
    x = torch.from_numpy(currents).to(dtype)

    def cast(part: nn.Module, args: Any) -> Any:
        """Layers inside get numbers of their type; some libraries make float32 spikes."""
        return tuple(a.to(dtype) if isinstance(a, torch.Tensor) else a for a in args)

    for part in nn.Module.modules(module):
        part.register_forward_pre_hook(cast)
    with torch.no_grad(), default_dtype(dtype):
        neuron.reset(module)
        if model.layout is not None:
            return _all_steps(module, model, x)
        found: tuple[Steps, Steps] = ({}, {})
        state: dict[str, Any] = {}
        for step in range(x.shape[1]):
            returned = module(x[:, step].clone(), **state)
            for kept, shown in zip(found, _shown(module, model, returned), strict=True):
                if shown is not None:
                    kept[step] = shown.clone()
            state = state_arguments(model, returned)
    return found


def _all_steps(module: nn.Module, model: NeuronModel, x: torch.Tensor) -> tuple[Steps, Steps]:
    """One call with all steps; a membrane that is kept may be that of the last step alone."""
    assert model.layout is not None
    steps = x.shape[1]
    found: tuple[Steps, Steps] = ({}, {})
    returned = module(arranged(x, model.layout))
    whole = next(item.shape for item in flat(returned) if isinstance(item, torch.Tensor))
    for kept, train in zip(found, _shown(module, model, returned), strict=True):
        if train is not None and train.shape != whole:
            kept[steps - 1] = train
        elif train is not None:
            kept.update(enumerate(taken_apart(train, model.layout, steps)))
    return found


def _shown(
    module: nn.Module, model: NeuronModel, returned: Any
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """The tensors that hold spikes and membrane after a call; None where there is none."""
    tensors = [item for item in flat(returned) if isinstance(item, torch.Tensor)]
    spikes, membrane = (
        tensors[at] if at is not None and at < len(tensors) else None
        for at in (model.spikes_at, model.membrane_at)
    )
    if membrane is None and model.membrane_name is not None:
        kept = getattr(module, model.membrane_name, None)
        membrane = kept if isinstance(kept, torch.Tensor) else None
    return spikes, membrane


def _strong(model: NeuronModel) -> float:
    """Inputs of this size drive the membrane by a threshold or so in a step."""
    size = threshold_of(model)
    for neuron in (model.neuron, model.membrane):
        if neuron is not None:
            gain = float(np.mean(np.abs(np.asarray(neuron.gain))))
            size /= gain or 1.0
            break
    if model.input_op is not None:
        weight = model.input_op.weight
        size /= float(np.sqrt(np.square(weight).sum() / len(weight))) or 1.0
    return size
