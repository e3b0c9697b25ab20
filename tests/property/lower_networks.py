"""Random small networks of stage FLOAT for the properties of lowering."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from e3ne.ir import (
    Array,
    ChannelAffine,
    Conv2d,
    Flatten,
    Graph,
    Identity,
    Integrate,
    IntegrateFire,
    Linear,
    MaxPool2d,
    Neuron,
    Node,
    Op,
    Rectify,
    Relay,
    SpikeType,
    SumPool2d,
    Synapse,
    frozen,
    op_shape,
)
from tests.unit.lower_graphs import add, chain, then

SHAPE = (2, 6, 6)


def weights(draw: Any, *shape: int) -> Array:
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    values = rng.normal(size=shape) / np.sqrt(max(1, np.prod(shape[1:])))
    return frozen(values * draw(st.sampled_from((0.1, 1.0, 5.0))), np.float32)


def biases(draw: Any, channels: int) -> Array | None:
    return weights(draw, channels) if draw(st.booleans()) else None


def convolution(draw: Any, shape: tuple[int, ...]) -> Conv2d:
    groups = draw(st.sampled_from([g for g in (1, 2) if shape[0] % g == 0]))
    outs = groups * draw(st.integers(1, 2))
    kernel = (draw(st.integers(1, min(3, shape[1]))), draw(st.integers(1, min(3, shape[2]))))
    return Conv2d(
        weights(draw, outs, shape[0] // groups, *kernel),
        biases(draw, outs),
        stride=(draw(st.integers(1, 2)), 1),
        padding=(draw(st.integers(0, kernel[0] // 2)), draw(st.integers(0, kernel[1] // 2))),
        groups=groups,
    )


def normalisation(draw: Any, channels: int) -> ChannelAffine:
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    gain = rng.uniform(0.3, 2.0, channels) * rng.choice([-1, 1], channels)
    return ChannelAffine(frozen(gain, np.float32), frozen(rng.normal(size=channels), np.float32))


def pooling(draw: Any) -> Op:
    if draw(st.booleans()):
        return MaxPool2d((2, 2), (2, 2))
    return SumPool2d((2, 2), (2, 2), divisor=4)


def block(draw: Any, shape: tuple[int, ...], neuron: Neuron) -> tuple[list[Op | Neuron], tuple]:
    """Weights, perhaps normalised and pooled in any order, and neurons; the shape they make."""
    layers: list[Op | Neuron] = [convolution(draw, shape)]
    shape = op_shape(layers[0], shape)  # type: ignore[arg-type]
    middle: list[Op | Neuron] = [neuron]
    if draw(st.booleans()):
        middle.append(normalisation(draw, shape[0]))
    if draw(st.booleans()) and min(shape[1:]) >= 2:
        middle.append(pooling(draw))
    for layer in draw(st.permutations(middle)):
        layers.append(layer)
        if isinstance(layer, MaxPool2d | SumPool2d):
            shape = op_shape(layer, shape)
    return layers, shape


@st.composite
def radix_networks(draw: Any) -> Graph:
    """One or two convolution blocks, a flatten, one or two Linears; perhaps a residual sum."""
    layers: list[Op | Neuron] = []
    shape: tuple[int, ...] = SHAPE
    for _ in range(draw(st.integers(1, 2))):
        part, shape = block(draw, shape, Rectify(draw(st.sampled_from((None, 0.7)))))
        layers += part
    layers.append(Flatten())
    features = int(np.prod(shape))
    middle = draw(st.integers(1, 4))
    layers += [Linear(weights(draw, middle, features), biases(draw, middle)), Rectify()]
    if draw(st.booleans()):
        layers.append(Linear(weights(draw, 3, middle), biases(draw, 3)))
    graph = chain(SHAPE, {f"{index}": layer for index, layer in enumerate(layers)})
    if draw(st.booleans()):
        graph = residual(draw, graph)
    return graph


def residual(draw: Any, graph: Graph) -> Graph:
    """A Linear of the output beside a wire from it, summed and rectified."""
    last = graph.outputs[0].source
    type = graph.edge(last)
    op = Linear(weights(draw, type.neurons, type.neurons), biases(draw, type.neurons))
    graph = then(graph, Node("branch", (Synapse(op, last),), Relay(), type))
    graph = add(graph, "add", "branch", last)
    return then(graph, Node("relu", (Synapse(Identity(), "add"),), Rectify(), type))


@st.composite
def spiking_neurons(draw: Any, channels: int) -> IntegrateFire:
    """Every option of IntegrateFire, scalars and parameters a channel."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))

    def scalar_or_channels(low: float, high: float) -> float | Array:
        if draw(st.booleans()):
            return float(rng.uniform(low, high))
        return frozen(rng.uniform(low, high, channels), np.float32)

    reset = draw(st.sampled_from(("subtract", "to_value", "none")))
    step = draw(
        st.sampled_from(("same", "next", "both") if reset == "subtract" else ("same", "next"))
    )
    return IntegrateFire(
        threshold=scalar_or_channels(0.3, 1.2),
        decay=draw(st.sampled_from((1.0, 0.5, 0.9)))
        if draw(st.booleans())
        else scalar_or_channels(0, 1),
        gain=draw(st.sampled_from((1.0, 0.3, -2.0))),
        synaptic_decay=draw(st.sampled_from((None, 0.8))),
        offset=draw(st.sampled_from((0, 0.05, -0.1))),
        fire_on=draw(st.sampled_from((">", ">="))),
        reset=reset,
        reset_value=draw(st.sampled_from((0, 0.1, -0.2))) if reset == "to_value" else 0,
        reset_step=step,
        reset_keeps_input=draw(st.booleans()),
        max_spikes=1 if step == "both" else draw(st.integers(1, 3)),
        floor=draw(st.sampled_from((None, -0.5))),
    )


@st.composite
def spiking_networks(draw: Any) -> Graph:
    """A convolution and a Linear of spiking neurons, the second perhaps recurrent; a readout."""
    steps, input_steps = draw(st.sampled_from(((5, 1), (5, 5))))
    op = convolution(draw, SHAPE)
    shape = op_shape(op, SHAPE)
    layers: dict[str, Op | Neuron] = {"conv": op, "lif1": draw(spiking_neurons(shape[0]))}
    layers |= {"flat": Flatten(), "fc": Linear(weights(draw, 3, int(np.prod(shape))))}
    graph = chain(SHAPE, layers, steps, input_steps)
    synapses = [Synapse(Identity(), "fc")]
    if draw(st.booleans()):
        synapses.append(Synapse(Linear(weights(draw, 3, 3)), "lif2", delay=draw(st.integers(1, 2))))
    type = SpikeType((3,), steps)
    graph = then(graph, Node("lif2", tuple(synapses), draw(spiking_neurons(3)), type))
    if draw(st.booleans()):
        readout = Integrate(0.9, synaptic_decay=draw(st.sampled_from((None, 0.5))))
        graph = then(graph, Node("out", (Synapse(Identity(), "lif2"),), readout, type))
    return graph


def inputs(graph: Graph, frames: int, seed: int) -> Array:
    """Samples in -0.2 .. 1, or spikes where the input has several steps."""
    type = graph.inputs[0].type
    rng = np.random.default_rng(seed)
    if type.steps > 1:
        return rng.integers(0, 2, (frames, type.steps, *type.shape)).astype(float)
    return rng.uniform(-0.2, 1.0, (frames, *type.shape))
