"""One neuron module of a library beside the reference, driven by the same random currents."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import numpy as np
import torch
from torch import nn

from e3ne import reference
from e3ne.frontend.registry import NeuronModel, find_neuron
from e3ne.ir import (
    Array,
    Graph,
    Identity,
    Input,
    IntegrateFire,
    Node,
    Output,
    Readout,
    SpikeType,
    Stage,
    Synapse,
    verify,
)

FRAMES = 3
STEPS = 100

import_module("e3ne.frontend.libraries")  # registers the neurons that `find_neuron` finds

Drive = Callable[[nn.Module, torch.Tensor], tuple[list[torch.Tensor], list[torch.Tensor]]]
"""(module, currents (frames, steps, *shape)) to its spikes and its membranes, one a step each."""


def described(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """The model of `module`, as the frontend finds it."""
    neuron = find_neuron(module)
    assert neuron is not None
    return neuron.describe(module, shape)


def draw_currents(shape: tuple[int, ...], largest: float, seed: int = 0) -> Array:
    """float32 (FRAMES, STEPS, *shape): most within +-largest, one in eight four times as large."""
    generator = np.random.default_rng(seed)
    currents = generator.uniform(-largest, 1.5 * largest, (FRAMES, STEPS, *shape))
    boosted = np.where(generator.random(currents.shape) < 0.125, 4 * currents, currents)
    return boosted.astype(np.float32)


def as_graph(model: NeuronModel, shape: tuple[int, ...], entering: tuple[int, ...]) -> Graph:
    """Nodes "spikes" and "membrane" of a population of `shape`, fed by an input of `entering`.

    Both read the recurrence of the model from "spikes" of the step before.
    """
    nodes = []
    loop = tuple(Synapse(op, "spikes", delay=1) for op in model.recurrence)
    current = Synapse(model.input_op or Identity(), "input")
    for name, neuron in (("spikes", model.neuron), ("membrane", model.membrane)):
        if neuron is not None:
            synapses = (current, *loop)
            nodes.append(Node(name, synapses, neuron, SpikeType(shape, STEPS)))
    entry = Input("input", SpikeType(entering, STEPS))
    graph = Graph(Stage.FLOAT, (entry,), tuple(nodes), (Output(nodes[0].name, Readout.LAST),))
    verify(graph)
    return graph


def assert_same(
    module: nn.Module,
    shape: tuple[int, ...],
    drive: Drive,
    currents: Array,
    entering: tuple[int, ...] | None = None,
    tolerance: float = 1e-9,
) -> NeuronModel:
    """Every spike equal and every membrane within `tolerance`; the model, for further checks.

    Spikes must come in some places and not in others, or the test would say nothing.
    """
    model = described(module, shape)
    values = reference.run(as_graph(model, shape, entering or shape), currents)
    held = (*module.named_parameters(), *module.named_buffers())  # rockpool changes parameters()
    dtype = next((item.dtype for _, item in held if item.is_floating_point()), torch.float64)
    with torch.no_grad():
        spikes, membranes = drive(module, torch.from_numpy(np.array(currents)).to(dtype))
    if model.neuron is not None:
        got = values["spikes"] * reference_shape(model.spike_value, shape)
        np.testing.assert_allclose(got, as_train(spikes), rtol=0, atol=tolerance)
        assert 0.02 < (got != 0).mean() < 0.98
    if membranes:
        assert model.membrane is not None
        shown = values["membrane"] * reference_shape(model.membrane_gain, shape)
        shown = shown + reference_shape(model.membrane_offset, shape)
        np.testing.assert_allclose(shown, as_train(membranes), rtol=0, atol=tolerance)
    return model


def as_train(steps: list[torch.Tensor]) -> Array:
    """(frames, steps, *shape) in float64."""
    return torch.stack(steps, dim=1).double().numpy()


def reference_shape(values: float | Array, shape: tuple[int, ...]) -> Array:
    """A scalar or one value a channel, to broadcast over (frames, steps, *shape)."""
    array = np.asarray(values, np.float64)
    return array if array.ndim == 0 else array.reshape(-1, *(1,) * (len(shape) - 1))


def fires(model: NeuronModel) -> IntegrateFire:
    """The neuron of a model that has one."""
    assert model.neuron is not None
    return model.neuron
