"""Small streaming networks of every kind that remembers something, and trains for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from e3ne.ir import (
    ONE,
    Array,
    Conv2d,
    Dyadic,
    Encode,
    Graph,
    Identity,
    Input,
    Integrate,
    IntegrateFire,
    Linear,
    Mapping,
    Node,
    Output,
    Readout,
    SpikeType,
    Stage,
    Synapse,
    SynapseMapping,
    frozen,
    verify,
)
from tests.random_frames import frames_of

FRAMES, STEPS = 5, 4


def matrix(outs: int, ins: int, seed: int = 0) -> Linear:
    return Linear(frozen(np.random.default_rng(seed).integers(-3, 5, (outs, ins)), np.int64))


def network(*nodes: Node, source: SpikeType | None = None, steps: int = STEPS) -> Graph:
    entry = Input("x", source or SpikeType((4,), steps, 2))
    outputs = (Output(nodes[-1].name, Readout.COUNT),)
    return verify(Graph(Stage.INTEGER, (entry,), nodes, outputs, streaming=True))


def of_steps(graph: Graph, steps: int) -> Graph:
    """The same network with frames of `steps` steps."""
    nodes = [replace(node, type=replace(node.type, steps=steps)) for node in graph.nodes]
    inputs = tuple(replace(i, type=replace(i.type, steps=steps)) for i in graph.inputs)
    return verify(replace(graph, inputs=inputs, nodes=tuple(nodes)))


LIF = IntegrateFire(6, Dyadic(3, 2), ONE, membrane_bits=12)
FILTER = replace(LIF, synaptic_decay=Dyadic(1, 1), reset_step="same")


def spiking(name: str, *synapses: Synapse, neuron: Any = LIF, steps: int = STEPS) -> Node:
    return Node(name, synapses, neuron, SpikeType((4,), steps, 1))


def conv_network() -> Graph:
    image = SpikeType((2, 3, 3), STEPS, 1)
    op = Conv2d(frozen(np.arange(36).reshape(2, 2, 3, 3) % 5 - 2, np.int64), None, (1, 1), (1, 1))
    back = Synapse(op, "conv", delay=1)
    return network(Node("conv", (Synapse(op, "x"), back), LIF, image), source=image)


def integrator() -> Graph:
    node = Node(
        "li",
        (Synapse(matrix(4, 4), "x"),),
        Integrate(Dyadic(7, 3), ONE, membrane_bits=12),
        SpikeType((4,), STEPS, 12, signed=True),
    )
    return network(node)


def loop() -> Graph:
    first = spiking("a", Synapse(Identity(), "x"), Synapse(matrix(4, 4, 1), "b", delay=3))
    return network(first, spiking("b", Synapse(matrix(4, 4, 2), "a", delay=1), neuron=FILTER))


def encoded(threshold: int, bits: int, signed: bool, steps: int = STEPS) -> Graph:
    """A delta encoder in front of spiking neurons."""
    neuron = Encode("delta", bits, threshold=threshold, signed=signed)
    encoder = Node(
        "delta", (Synapse(Identity(), "x"),), neuron, SpikeType((4,), steps, 2, signed=True)
    )
    fires = spiking("lif", Synapse(matrix(4, 4), "delta"), steps=steps)
    return network(encoder, fires, source=SpikeType((4,), steps, bits, signed))


NETWORKS = {
    "lif": network(spiking("lif", Synapse(matrix(4, 4), "x"))),
    "synaptic": network(spiking("lif", Synapse(matrix(4, 4), "x"), neuron=FILTER)),
    "integrator": integrator(),
    "recurrent": network(
        spiking("lif", Synapse(matrix(4, 4), "x"), Synapse(matrix(4, 4, 1), "lif", delay=1))
    ),
    "delayed": network(
        spiking("lif", Synapse(matrix(4, 4), "x", delay=2), Synapse(Identity(), "x", delay=9))
    ),
    "loop": loop(),
    "conv": conv_network(),
    "delta": encoded(3, 5, signed=False),
    "signed_delta": encoded(4, 4, signed=True),
}


def train(graph: Graph, frames: int = FRAMES) -> Array:
    return frames_of(graph, frames, 3)


def mapped(graph: Graph, lanes: int = 1) -> Graph:
    """The network in windows of one step, `lanes` elements a word."""
    nodes = []
    for node in graph.nodes:
        out = lanes if node.type.channels % lanes == 0 else 1
        layout = Mapping(out_lanes=out, synapses=(SynapseMapping(),) * len(node.synapses))
        nodes.append(replace(node, mapping=layout))
    inputs = tuple(replace(source, lanes=lanes) for source in graph.inputs)
    return verify(
        replace(graph, stage=Stage.MAPPED, inputs=inputs, nodes=tuple(nodes), steps_in_window=1)
    )
