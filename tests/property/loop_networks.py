"""Random networks of stage FLOAT with feedback, concatenations, residual sums and delays.

Weights, affine maps and gains are small binary fractions, so that folding them is exact in
float32 and every number of a simplified network can be asked to be equal.
"""

from __future__ import annotations

from dataclasses import replace
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
    Input,
    Integrate,
    IntegrateFire,
    Linear,
    MaxPool2d,
    Neuron,
    Node,
    Op,
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    SumPool2d,
    Synapse,
    Upsample2d,
    frozen,
    op_shape,
    verify,
)

STEPS = 6


def binary(rng: np.random.Generator, *shape: int) -> Array:
    """Multiples of 1/8 in -1 .. 1."""
    return frozen(rng.integers(-8, 9, shape) / 8, np.float32)


def selection(outs: int, ins: int, first: int, image: bool) -> Linear | Conv2d:
    """Channels `first` and on are those of the source, the others zero."""
    weight = np.zeros((outs, ins), np.float32)
    weight[first : first + ins] = np.eye(ins)
    return (
        Conv2d(frozen(weight[:, :, None, None], np.float32))
        if image
        else Linear(frozen(weight, np.float32))
    )


class Builder:
    """A graph that grows node by node; every choice is drawn."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 2**16)))
        self.nodes: list[Node] = []
        shapes = draw(st.sampled_from((((2, 4, 4),), ((6,),), ((2, 4, 4), (6,)), ((2, 4, 4),) * 2)))
        self.inputs = [Input(f"x{k}", SpikeType(s, STEPS)) for k, s in enumerate(shapes)]
        self.shapes = {source.name: source.type.shape for source in self.inputs}

    def pick(self, images: bool | None = None) -> str | None:
        names = [name for name, shape in self.shapes.items() if images in (None, len(shape) == 3)]
        return self.draw(st.sampled_from(names[-4:])) if names else None

    def add(self, synapses: list[Synapse], neuron: Neuron, shape: tuple[int, ...]) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(Node(name, tuple(synapses), neuron, SpikeType(shape, STEPS)))
        self.shapes[name] = shape
        return name

    def bias(self, outs: int) -> Array | None:
        return binary(self.rng, outs) if self.draw(st.booleans()) else None

    def weights(self, shape: tuple[int, ...], outs: int | None = None) -> Linear | Conv2d:
        """A Linear or convolution that reads `shape`; `outs` None for any number of channels."""
        outs = outs or self.draw(st.integers(1, 4))
        if len(shape) == 1:
            return Linear(binary(self.rng, outs, shape[0]), self.bias(outs))
        kernel = self.draw(st.sampled_from((1, 3)))
        return Conv2d(
            binary(self.rng, outs, shape[0], kernel, kernel),
            self.bias(outs),
            padding=(kernel // 2, kernel // 2),
        )

    def affine(self, channels: int) -> ChannelAffine:
        gain = self.rng.choice([0.5, 1.0, 2.0, -1.0], channels)
        if self.draw(st.booleans()):
            gain[:] = 2.0
        offset = self.rng.choice([0.0, 0.25], channels) * self.draw(st.booleans())
        return ChannelAffine(frozen(gain, np.float32), frozen(offset, np.float32))

    def delay(self) -> int:
        return self.draw(st.sampled_from((0, 0, 0, 1, 2)))

    def layer(self) -> str:
        """A Relay with one op on a node that is there."""
        source = self.pick()
        assert source is not None
        shape = self.shapes[source]
        ops: list[Op] = [self.weights(shape), self.affine(shape[0]), Identity()]
        if len(shape) == 3:
            ops += [Flatten(), Upsample2d((2, 1), self.draw(st.sampled_from(("repeat", "zero"))))]
            if min(shape[1:]) >= 2:
                ops += [MaxPool2d((2, 2), (2, 2)), SumPool2d((2, 2), (2, 2), divisor=4)]
        op = self.draw(st.sampled_from(ops))
        shape = op_shape(op, shape)
        if np.prod(shape) > 128:
            return source
        return self.add([Synapse(op, source, self.delay())], Relay(), shape)

    def concatenation(self) -> str:
        """Of sources whose images have one size."""
        first = self.pick()
        assert first is not None
        rest = self.shapes[first][1:]
        names = [name for name, shape in self.shapes.items() if shape[1:] == rest]
        parts = [first, self.draw(st.sampled_from(names))]
        outs = sum(self.shapes[name][0] for name in parts)
        synapses, at = [], 0
        for name in parts:
            ins = self.shapes[name][0]
            synapses.append(Synapse(selection(outs, ins, at, bool(rest)), name, self.delay()))
            at += ins
        return self.add(synapses, Relay(), (outs, *rest))

    def residual(self) -> str:
        """A sum of two nodes of one shape."""
        first = self.pick()
        assert first is not None
        shape = self.shapes[first]
        names = [name for name, other in self.shapes.items() if other == shape]
        other = self.draw(st.sampled_from(names))
        synapses = [Synapse(Identity(), first), Synapse(Identity(), other, self.delay())]
        return self.add(synapses, Relay(), shape)

    def parameter(self, low: float, high: float, shape: tuple[int, ...]) -> float | Array:
        """A scalar, one a channel or one a neuron."""
        kind = self.draw(st.sampled_from(("scalar", "channel", "neuron")))
        if kind == "scalar":
            return float(np.float32(self.rng.uniform(low, high)))
        size = shape[:1] if kind == "channel" else shape
        return frozen(self.rng.uniform(low, high, size), np.float32)

    def spiking(self) -> str:
        """Neurons, perhaps with a recurrence of their own."""
        source = self.pick()
        assert source is not None
        shape = self.shapes[source]
        neuron = IntegrateFire(
            threshold=self.parameter(0.3, 1.2, shape),
            decay=self.parameter(0.0, 1.0, shape),
            gain=self.draw(st.sampled_from((1.0, 0.5, 2.0))),
            synaptic_decay=self.draw(st.sampled_from((None, None, 0.75))),
            offset=self.draw(st.sampled_from((0, 0.0625))),
            reset=self.draw(st.sampled_from(("subtract", "to_value"))),
            reset_step=self.draw(st.sampled_from(("same", "next"))),
            max_spikes=self.draw(st.sampled_from((1, 1, 3, None))),
        )
        synapses = [Synapse(Identity(), source, self.delay())]
        name = f"n{len(self.nodes)}"
        back = self.draw(st.sampled_from((None, None, "weights", "affine", "wire")))
        if back == "weights":
            synapses.append(Synapse(self.weights(shape, shape[0]), name, 1))
        elif back == "affine":
            synapses.append(Synapse(self.affine(shape[0]), name, self.draw(st.integers(1, 2))))
        elif back == "wire":
            synapses.append(Synapse(Identity(), name, 1))
        return self.add(synapses, neuron, shape)

    def feedback(self) -> None:
        """Spikes that come back to an earlier sum or neuron: straight, or through weights."""
        spikes = [node for node in self.nodes if isinstance(node.neuron, IntegrateFire)]
        if not spikes:
            return
        last = self.draw(st.sampled_from(spikes))
        index = self.draw(st.integers(0, len(self.nodes) - 1))
        goal = self.nodes[index]
        shape, wanted = last.type.shape, goal.type.shape
        if shape == wanted and self.draw(st.booleans()):
            back = Synapse(Identity(), last.name, 1)
        elif shape[1:] == wanted[1:]:
            op = self.weights(shape, wanted[0])
            relay = self.add([Synapse(op, last.name)], Relay(), wanted)
            back = Synapse(Identity(), relay, self.draw(st.integers(1, 2)))
        else:
            return
        self.nodes[index] = replace(goal, synapses=(*goal.synapses, back))

    def graph(self) -> Graph:
        last = self.nodes[-1].name
        outputs = [Output(last, Readout.LAST)]
        if self.draw(st.booleans()):
            outputs.append(Output(self.draw(st.sampled_from(self.nodes)).name, Readout.COUNT))
        return verify(Graph(Stage.FLOAT, tuple(self.inputs), tuple(self.nodes), tuple(outputs)))


@st.composite
def loop_networks(draw: Any) -> Graph:
    """4 to 12 nodes with all that a trace can hold, the last one neurons or a readout."""
    builder = Builder(draw)
    for _ in range(draw(st.integers(1, 4))):
        for kind in draw(st.permutations(("layer", "concatenation", "residual")))[:2]:
            getattr(builder, kind)()
        builder.spiking()
    builder.feedback()
    if draw(st.booleans()):
        source = builder.pick()
        assert source is not None
        shape = builder.shapes[source]
        builder.add([Synapse(builder.weights(shape, 3), source)], Integrate(0.875),
                    (3, *shape[1:]))  # fmt: skip
    return builder.graph()


def trains(graph: Graph, frames: int, seed: int) -> list[Array]:
    """Random spikes, one array an input."""
    rng = np.random.default_rng(seed)
    return [
        rng.integers(0, 2, (frames, source.type.steps, *source.type.shape)).astype(float)
        for source in graph.inputs
    ]
