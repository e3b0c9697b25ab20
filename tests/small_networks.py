"""Small mapped networks with hardware in many shapes, and their builds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from e3ne.emit import Build, Details, Part, write_build
from e3ne.gateware.network import Network
from e3ne.ir import (
    ONE,
    Array,
    Conv2d,
    Dyadic,
    Graph,
    Identity,
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
    Upsample2d,
    frozen,
    verify,
)
from e3ne.ir.ranges import current_range

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


def feedback() -> Graph:
    """A loop of three populations; a population of many spikes, one with parameters a neuron.

    The output is the membrane of neurons that fire.
    """
    train, image = SpikeType((4,), 5, 1), SpikeType((2, 2, 3), 5, 1)
    own = frozen(np.random.default_rng(5).integers(2, 7, image.shape), np.int64)
    leaky = IntegrateFire(4, Dyadic(7, 3), ONE, membrane_bits=10)
    lanes = SynapseMapping(in_lanes=1)
    nodes = (
        Node(
            "a",
            (
                Synapse(Conv2d(weights(2, 1, 1, 1, seed=11)), "x"),
                Synapse(Conv2d(weights(2, 2, 3, 3, seed=12), None, (1, 1), (1, 1)), "relay", 1),
            ),
            replace(leaky, threshold=own),
            image,
            Mapping(out_lanes=1, synapses=(lanes, lanes)),
        ),
        Node(
            "b",
            (Synapse(Linear(weights(4, 12, seed=13)), "a"), Synapse(Identity(), "b", 2, 3)),
            replace(leaky, max_spikes=9, threshold=2),
            replace(train, bits=4),
            Mapping(out_lanes=2, synapses=(SynapseMapping(in_lanes=3), lanes)),
        ),
        Node(
            "relay",
            (Synapse(Identity(), "a", 1),),
            Relay(),
            image,
            Mapping(out_lanes=2, synapses=(lanes,)),
        ),
        Node(
            "end",
            (Synapse(Linear(weights(4, 4, seed=14)), "b", 1), Synapse(Identity(), "b")),
            replace(leaky, reset_step="same", sends="membrane"),
            replace(train, bits=10, signed=True),
            Mapping(out_lanes=4, synapses=(SynapseMapping(in_lanes=4), lanes)),
        ),
    )
    source = Input("x", SpikeType((1, 2, 3), 5, 3, signed=True), 0.5, lanes=3)
    return verify(Graph(Stage.MAPPED, (source,), nodes, (Output("end", Readout.MAX),), 1))


def two_inputs() -> Graph:
    """An image, through a convolution, and a vector of signed samples: their sum."""
    left = Input("left", SpikeType((2, 4, 4), 1, 4), 0.25, lanes=2)
    right = Input("right.x", SpikeType((6,), 1, 5, True), 0.5, lanes=3)
    nodes: tuple[Node, ...] = (
        Node(
            "eye",
            (Synapse(Conv2d(weights(3, 2, 3, 3), padding=(1, 1)), "left"),),
            Requantize(1, 3),
            SpikeType((3, 4, 4), 1, 4),
            Mapping(out_lanes=1, synapses=(SynapseMapping(in_lanes=2),)),
        ),
    )
    synapses = (
        Synapse(Linear(weights(5, 48, seed=1)), "eye"),
        Synapse(Linear(weights(5, 6, seed=2)), "right.x", gain=2),
    )
    lanes = Mapping(out_lanes=1, synapses=(SynapseMapping(in_lanes=4), SynapseMapping(in_lanes=2)))
    return with_relay((left, right), nodes, "both", synapses, (5,), lanes, (Readout.LAST,), 1)


def two_outputs() -> Graph:
    """One trunk over 4 steps in windows of 2; a class and an image leave it."""
    source = Input("x", SpikeType((2, 4, 4), 4, 1), 1.0, lanes=2)
    trunk = Node(
        "trunk",
        (Synapse(Conv2d(weights(4, 2, 3, 3), padding=(1, 1)), "x"),),
        IntegrateFire(4, ONE, ONE, membrane_bits=10),
        SpikeType((4, 4, 4), 4, 1),
        Mapping(out_lanes=2, synapses=(SynapseMapping(in_lanes=2, step_lanes=1),)),
    )
    shown = Node(
        "shown",
        (Synapse(Conv2d(weights(2, 4, 1, 1, seed=3)), "trunk"),),
        IntegrateFire(2, ONE, ONE, membrane_bits=8),
        SpikeType((2, 4, 4), 4, 1),
        Mapping(out_lanes=2, synapses=(SynapseMapping(in_lanes=4, step_lanes=2),)),
    )
    head = (Synapse(Linear(weights(3, 64, seed=1)), "trunk"),)
    lanes = Mapping(out_lanes=3, synapses=(SynapseMapping(in_lanes=4, step_lanes=2),))
    readouts = (Readout.MEAN, Readout.COUNT)
    return with_relay((source,), (trunk, shown), "head", head, (3,), lanes, readouts, 2, "shown")


def segmentation() -> Graph:
    """Down by a stride, up by repeated pixels and by a transposed convolution, a skip: an image."""
    source = Input("x", SpikeType((1, 6, 6), 1, 4), 0.25, lanes=1)
    down = Node(
        "down",
        (Synapse(Conv2d(weights(4, 1, 3, 3), stride=(2, 2), padding=(1, 1)), "x"),),
        Requantize(1, 2),
        SpikeType((4, 3, 3), 1, 3),
        Mapping(out_lanes=4, synapses=(SynapseMapping(in_lanes=3),)),
    )
    spread = Node(
        "up.spread",
        (Synapse(Upsample2d((2, 2), "zero", (0, 0)), "down"),),
        Relay(),
        SpikeType((4, 6, 6), 1, 3),
        Mapping(out_lanes=2, synapses=(SynapseMapping(),)),
    )
    up = Node(
        "up",
        (
            Synapse(Conv2d(weights(2, 4, 3, 3, seed=1), padding=(1, 1)), "up.spread"),
            Synapse(Conv2d(weights(2, 1, 1, 1, seed=2)), "x"),
        ),
        Requantize(1, 2),
        SpikeType((2, 6, 6), 1, 4),
        Mapping(out_lanes=1, synapses=(SynapseMapping(in_lanes=4), SynapseMapping(in_lanes=1))),
    )
    repeated = (Synapse(Upsample2d((2, 2), "repeat", (1, 1)), "up"),)
    lanes = Mapping(out_lanes=2, synapses=(SynapseMapping(),))
    return with_relay(
        (source,), (down, spread, up), "map", repeated, (2, 11, 11), lanes, (Readout.LAST,), 1
    )


def with_relay(
    inputs: tuple[Input, ...],
    nodes: tuple[Node, ...],
    name: str,
    synapses: tuple[Synapse, ...],
    shape: tuple[int, ...],
    mapping: Mapping,
    readouts: tuple[Readout, ...],
    window: int,
    *others: str,
) -> Graph:
    """A network that ends in the sum of `synapses`; `name` and `others` are its outputs."""
    draft = Graph(Stage.MAPPED, inputs, nodes, (), window)
    steps = draft.edge(synapses[0].source).steps
    node = Node(name, synapses, Relay(), SpikeType(shape, steps, 1), mapping)
    bits = current_range(draft, node).signed_bits
    node = Node(name, synapses, Relay(), SpikeType(shape, steps, bits, True), mapping)
    outputs = tuple(map(Output, (name, *others), readouts))
    return verify(Graph(Stage.MAPPED, inputs, (*nodes, node), outputs, window))


def graph(source: Input, nodes: tuple[Node, ...], readout: Readout, window: int) -> Graph:
    return verify(Graph(Stage.MAPPED, (source,), nodes, (Output(nodes[-1].name, readout),), window))


def built(folder: Path, graph: Graph) -> Build:
    return write_build(folder, graph, Network(graph), DETAILS)
