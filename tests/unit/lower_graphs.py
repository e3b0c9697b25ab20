"""Small graphs of stage FLOAT, as the frontend makes them: one node an op or a neuron."""

from __future__ import annotations

import numpy as np

from e3ne import reference
from e3ne.ir import (
    Array,
    ChannelAffine,
    Conv2d,
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
    Rectify,
    Relay,
    SpikeType,
    Stage,
    SumPool2d,
    Synapse,
    frozen,
    op_shape,
    verify,
)


def real(*shape: int, seed: int = 0, size: float = 1.0) -> Array:
    """Normal weights of which a sum over all axes but the first has about `size`."""
    fan_in = np.prod(shape[1:]) if len(shape) > 1 else 1
    values = np.random.default_rng(seed + sum(shape)).normal(size=shape) * size / np.sqrt(fan_in)
    return frozen(values, np.float32)


def frames(*shape: int, seed: int = 0) -> Array:
    """Samples in 0 .. 1."""
    return np.random.default_rng(seed).random(shape)


def chain(
    shape: tuple[int, ...], layers: dict[str, Op | Neuron], steps: int = 1, input_steps: int = 1
) -> Graph:
    """Node after node; from the first neuron with a state on, edges have `steps` steps."""
    nodes: list[Node] = []
    before, type = "x", SpikeType(shape, input_steps)
    source = Input("x", type)
    for name, layer in layers.items():
        if isinstance(layer, IntegrateFire | Integrate):
            type = SpikeType(type.shape, steps)
        if isinstance(layer, IntegrateFire | Integrate | Relay | Rectify):
            node = Node(name, (Synapse(Identity(), before),), layer, type)
        else:
            type = SpikeType(op_shape(layer, type.shape), type.steps)
            node = Node(name, (Synapse(layer, before),), Relay(), type)
        nodes.append(node)
        before = name
    return verify(Graph(Stage.FLOAT, (source,), tuple(nodes), (Output(before, Readout.LAST),)))


def add(graph: Graph, name: str, *sources: str) -> Graph:
    """The graph with the sum of `sources` as its new output."""
    node = Node(
        name,
        tuple(Synapse(Identity(), source) for source in sources),
        Relay(),
        graph.edge(sources[0]),
    )
    return then(graph, node)


def then(graph: Graph, node: Node) -> Graph:
    """The graph with one more node, the new output."""
    nodes = (*graph.nodes, node)
    return verify(Graph(Stage.FLOAT, graph.inputs, nodes, (Output(node.name, Readout.LAST),)))


def norm(
    channels: int, seed: int = 0, positive: bool = False, offset: bool = True
) -> ChannelAffine:
    """A batch normalisation in evaluation; gains of both signs unless `positive`."""
    rng = np.random.default_rng(seed)
    gain = rng.uniform(0.5, 1.5, channels) * (1 if positive else rng.choice([-1, 1], channels))
    shift = rng.normal(size=channels) * offset
    return ChannelAffine(frozen(gain, np.float32), frozen(shift, np.float32))


def conv(outs: int, ins: int, kernel: int = 3, **options: object) -> Conv2d:
    """A Conv2d with a bias."""
    groups = int(options.get("groups", 1))  # type: ignore[call-overload]
    weight = real(outs, ins // groups, kernel, kernel)
    return Conv2d(weight, real(outs, seed=1), **options)  # type: ignore[arg-type]


def linear(outs: int, ins: int, seed: int = 0) -> Linear:
    """A Linear with a bias."""
    return Linear(real(outs, ins, seed=seed), real(outs, seed=seed + 1, size=0.2))


def max_pool() -> MaxPool2d:
    """2x2, stride 2."""
    return MaxPool2d((2, 2), (2, 2))


def average_pool() -> SumPool2d:
    """2x2, stride 2."""
    return SumPool2d((2, 2), (2, 2), divisor=4)


def output(graph: Graph, x: Array) -> Array:
    """(frames, steps, neurons) that leaves the network."""
    trains = reference.run(graph, x)[graph.outputs[0].source]
    return trains.reshape(*trains.shape[:2], -1)


def assert_same(before: Graph, after: Graph, x: Array, tolerance: float = 1e-9) -> None:
    """Both networks send the same, and `after` is legal."""
    verify(after)
    np.testing.assert_allclose(output(after, x), output(before, x), atol=tolerance, rtol=tolerance)


def names(graph: Graph) -> list[str]:
    """The names of the nodes, in graph order."""
    return [node.name for node in graph.nodes]
