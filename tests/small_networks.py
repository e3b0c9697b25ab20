"""Small mapped networks with hardware in many shapes, and their builds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from e3ne.emit import Build, Details, Part, write_build
from e3ne.gateware.network import Network
from e3ne.ir import (
    Array,
    Conv2d,
    Dyadic,
    Graph,
    Input,
    IntegrateFire,
    Linear,
    Mapping,
    MaxPool2d,
    Node,
    Output,
    Readout,
    Relay,
    Requantize,
    SpikeType,
    Stage,
    Synapse,
    SynapseMapping,
    frozen,
    verify,
)

DETAILS = Details(
    "small network", "some-board", clock_hz=50e6, part=Part("ecp5", "85k", "CABGA381", "6")
)


def weights(*shape: int, seed: int = 0) -> Array:
    return frozen(np.random.default_rng(seed).integers(-3, 4, shape), np.int64)


def convolution() -> Graph:
    """4-bit radix: convolution, pooling, linear; ports of at most 64 bits."""
    nodes = (
        Node(
            "features.0",
            (Synapse(Conv2d(weights(4, 2, 3, 3)), "x"),),
            Requantize(1, 3),
            SpikeType((4, 4, 4), 1, 4),
            Mapping(out_lanes=2, synapses=(SynapseMapping(in_lanes=2),)),
        ),
        Node(
            "pool",
            (Synapse(MaxPool2d((2, 2), (2, 2)), "features.0"),),
            Relay(),
            SpikeType((4, 2, 2), 1, 4),
            Mapping(out_lanes=4, synapses=(SynapseMapping(),)),
        ),
        Node(
            "head",
            (Synapse(Linear(weights(5, 16, seed=1)), "pool"),),
            Relay(),
            SpikeType((5,), 1, 12, True),
            Mapping(out_lanes=1, synapses=(SynapseMapping(in_lanes=2),)),
        ),
    )
    source = Input("x", SpikeType((2, 6, 6), 1, 4), 0.25, lanes=2)
    return graph(source, nodes, Readout.LAST, 1)


def wide() -> Graph:
    """Words of 85 bits, a beat of 192 bits, a stream of several words of odd widths."""
    nodes = (
        Node(
            "first",
            (Synapse(Linear(weights(17, 24)), "x"),),
            Requantize(1, 2),
            SpikeType((17,), 1, 5),
            Mapping(out_lanes=17, synapses=(SynapseMapping(in_lanes=4),)),
        ),
        Node(
            "second",
            (Synapse(Linear(weights(3, 17, seed=1)), "first"),),
            Relay(),
            SpikeType((3,), 1, 13, True),
            Mapping(out_lanes=3, synapses=(SynapseMapping(in_lanes=1),)),
        ),
    )
    source = Input("x", SpikeType((24,), 1, 6), 1.0, lanes=24)
    return graph(source, nodes, Readout.LAST, 1)


def spiking() -> Graph:
    """Leaky integrate-and-fire over 6 steps in windows of 3."""
    neuron = IntegrateFire(
        threshold=6, decay=Dyadic(15, 4), gain=Dyadic(1, 0), membrane_bits=12, fire_on=">"
    )
    nodes = (
        Node(
            "hidden",
            (Synapse(Linear(weights(8, 10)), "x"),),
            neuron,
            SpikeType((8,), 6, 1),
            Mapping(out_lanes=4, synapses=(SynapseMapping(in_lanes=2, step_lanes=3),)),
        ),
        Node(
            "out",
            (Synapse(Linear(weights(4, 8, seed=1)), "hidden"),),
            neuron,
            SpikeType((4,), 6, 1),
            Mapping(out_lanes=2, synapses=(SynapseMapping(in_lanes=4, step_lanes=1),)),
        ),
    )
    return graph(Input("x", SpikeType((10,), 6, 1), 1.0, lanes=5), nodes, Readout.COUNT, 3)


def graph(source: Input, nodes: tuple[Node, ...], readout: Readout, window: int) -> Graph:
    return verify(Graph(Stage.MAPPED, (source,), nodes, (Output(nodes[-1].name, readout),), window))


def frames_of(graph: Graph, count: int, seed: int = 5) -> Array:
    type = graph.inputs[0].type
    random = np.random.default_rng(seed)
    return random.integers(type.low, type.high + 1, (count, type.steps, *type.shape))


def built(folder: Path, graph: Graph) -> Build:
    return write_build(folder, graph, Network(graph), DETAILS)
