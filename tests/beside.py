"""A neuron module of a library beside e3ne's reference: the description alone, without a trace."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import e3ne.frontend.libraries  # noqa: F401  (registers the neurons)
from e3ne import reference
from e3ne.frontend.registry import NeuronModel, find_neuron
from e3ne.ir import (
    Array,
    Graph,
    Identity,
    Input,
    Integrate,
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
TOLERANCE = 1e-5


def described(module: nn.Module, shape: tuple[int, ...]) -> NeuronModel:
    """What the registered function of the library file says; UnsupportedModel where it refuses."""
    neuron = find_neuron(module)
    assert neuron is not None, type(module)
    return neuron.describe(module, shape)


def currents(
    *shape: int, low: float = -0.6, high: float = 1.4, seed: int = 0, steps: int = STEPS
) -> Array:
    """Random float32 (FRAMES, steps, *shape)."""
    generator = np.random.default_rng(seed)
    return generator.uniform(low, high, (FRAMES, steps, *shape)).astype(np.float32)


def by_reference(
    model: NeuronModel,
    neuron: IntegrateFire | Integrate,
    x: Array,
    shape: tuple[int, ...],
) -> Array:
    """(frames, steps, *shape) that a population of `neuron`, with the layers of `model`, sends.

    Recurrent layers read spikes: those of a population beside it where it sends a membrane.
    """
    steps = x.shape[1]
    entry = Input("input", SpikeType(x.shape[2:], steps))
    names = (
        {"shown": neuron}
        if model.neuron in (None, neuron)
        else {"spikes": model.neuron, "shown": neuron}
    )
    synapses = [Synapse(model.input_op or Identity(), "input")]
    synapses += [Synapse(op, next(iter(names)), delay=1) for op in model.recurrence]
    nodes = [
        Node(name, tuple(synapses), each, SpikeType(shape, steps))
        for name, each in names.items()
        if each is not None
    ]
    graph = Graph(Stage.FLOAT, (entry,), tuple(nodes), (Output("shown", Readout.LAST),))
    verify(graph)
    return reference.run(graph, x)["shown"]


def assert_spikes(model: NeuronModel, x: Array, spikes: torch.Tensor) -> None:
    """Each of `spikes`, (frames, steps, *shape), is that of the reference; some are sent."""
    assert model.neuron is not None
    expected = spikes.detach().numpy()
    got = by_reference(model, model.neuron, x, tuple(spikes.shape[2:]))
    wrong = np.argwhere(np.abs(got * model.spike_value - expected) > TOLERANCE)
    assert len(wrong) == 0, f"{len(wrong)} of {got.size}, the first at {wrong[0]}"
    assert 0.02 < (expected > 0).mean() < 0.98, "hardly a test: the neurons sleep or never rest"


def assert_membranes(model: NeuronModel, x: Array, membranes: torch.Tensor) -> None:
    """Each of `membranes`, (frames, steps, *shape), is that of the reference."""
    assert model.membrane is not None
    expected = membranes.detach().numpy()
    got = by_reference(model, model.membrane, x, tuple(membranes.shape[2:]))
    shown = np.asarray(model.membrane_gain) * got + np.asarray(model.membrane_offset)
    np.testing.assert_allclose(shown, expected, rtol=0, atol=TOLERANCE)
    assert np.abs(expected).max() > 0.1
