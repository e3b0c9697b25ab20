"""Every neuron module by itself, under currents that make it fire.

The frames of a check may leave a population silent, and then say nothing about its reset. So each
neuron module is also driven alone, with random currents of the size of its threshold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from ..ir import Array, Graph, Identity, Input, Node, Output, Readout, SpikeType, Stage, Synapse
from .check import compare
from .forward import default_dtype, private_copy
from .recorder import flat
from .registry import NeuronModel, find_neuron
from .values import Kind, Value

FRAMES = 2
STEPS = 16


def exercise(
    path: str,
    module: nn.Module,
    model: NeuronModel,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    """TraceMismatch where `module` and its description disagree under random currents."""
    largest = 1.0
    if model.neuron is not None:
        largest = float(np.max(np.asarray(model.neuron.threshold)))
    generator = np.random.default_rng(0)
    currents = generator.uniform(-largest, 2 * largest, (FRAMES, STEPS, *shape)).astype(np.float32)
    spikes, membranes = _drive(private_copy(module, dtype), model, currents, dtype)
    for neuron, outputs in ((model.neuron, spikes), (model.membrane, membranes)):
        if neuron is None or not outputs:
            continue
        node = Node(path, (Synapse(Identity(), "input"),), neuron, SpikeType(shape, STEPS))
        entry = Input("input", SpikeType(shape, STEPS))
        graph = Graph(Stage.FLOAT, (entry,), (node,), (Output(path, Readout.LAST),))
        observed = {Value(1, Kind.STEP, step): output for step, output in enumerate(outputs)}
        compare(graph, {1: path}, observed, currents, tolerance)


def _drive(
    module: nn.Module, model: NeuronModel, currents: Array, dtype: torch.dtype
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The module's spikes and membranes, one tensor a step; empty where it returns none."""
    neuron = find_neuron(module)
    assert neuron is not None
    found: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
    state: dict[str, Any] = {}
    with torch.no_grad(), default_dtype(dtype):
        neuron.reset(module)
        for step in range(STEPS):
            current = torch.from_numpy(np.array(currents[:, step])).to(dtype)
            outputs = [item.to(dtype) for item in flat(module(current, **state))]
            for kept, position in zip(found, (model.spikes_at, model.membrane_at), strict=True):
                if position is not None and position < len(outputs):
                    kept.append(outputs[position])
            if model.states and found[1]:
                state = {model.states[0]: found[1][-1]}
    return found
