"""Folds concatenations and slices of channels into the weights that read them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..ir import (
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
    Node,
    Op,
    Rectify,
    Relay,
    SumPool2d,
    Synapse,
    Upsample2d,
    frozen,
)
from .context import Context
from .parameters import of_channels
from .rewiring import keeps_steps, leaves, with_node, without_bias

Channelwise = MaxPool2d | SumPool2d | Upsample2d | Identity | Flatten | ChannelAffine


def fold_concatenation(graph: Graph, context: Context) -> Graph:
    """Each part of a concatenation gets its own columns of the weights that read the whole.

    A concatenation is a Relay whose synapses pick channels (weights 0 and 1). What works on each
    channel by itself between it and the weights (pooling, upsampling, flatten, depthwise
    convolutions, neurons) is split into a node for each part, called `name.0`, `name.1`. Where
    not every reader ends in weights the concatenation stays, which is exact, too.
    """
    while True:
        found = next((node for node in graph.nodes if _folds(graph, node, frozenset())), None)
        if found is None:
            return graph
        graph = _folded(graph, found)


@dataclass(frozen=True)
class Part:
    """What of a concatenation comes from one source.

    `places`: for each channel (of a vector: feature) of the source its place in the
    concatenation, or -1 where it is left out.
    """

    source: str
    delay: int
    places: Array


def parts_of(graph: Graph, node: Node) -> list[Part]:
    """The parts of a concatenation or slice; none where `node` is something else."""
    if not isinstance(node.neuron, Relay) or not keeps_steps(graph, node):
        return []
    parts = []
    for synapse in node.synapses:
        places = selected(synapse.op)
        if places is None or synapse.source == node.name:
            return []
        parts.append(Part(synapse.source, synapse.delay, places))
    return parts


def selected(op: Op) -> Array | None:
    """For each channel of the source its place in what `op` makes of it, -1 where it has none.

    None where `op` is no selection: weights 0 and 1, at most one 1 a row and a column.
    """
    matrix = _matrix(op)
    if matrix is None or not _selects(matrix):
        return None
    return np.where(matrix.any(axis=0), matrix.argmax(axis=0), -1)


def _matrix(op: Op) -> Array | None:
    """The weights (outputs, inputs) of a Linear or of a 1x1 convolution, without a bias."""
    if isinstance(op, Linear):
        return op.weight if op.bias is None or not op.bias.any() else None
    if not isinstance(op, Conv2d) or op.kernel != (1, 1) or op.groups != 1:
        return None
    plain = op.stride == (1, 1) and op.padding == (0, 0)
    return op.weight[:, :, 0, 0] if plain and (op.bias is None or not op.bias.any()) else None


def _selects(matrix: Array) -> bool:
    """Zeros and ones, at most one a row and a column?"""
    ones = matrix == 1
    return bool(
        (ones | (matrix == 0)).all() and ones.sum(axis=0).max() <= 1 and ones.sum(axis=1).max() <= 1
    )


def _folds(graph: Graph, node: Node, seen: frozenset[str], split: bool = False) -> bool:
    """Do all readers of a concatenation (`split`: of what it becomes) end in weights?"""
    if node.name in seen or leaves(graph, node.name):
        return False
    parts = [] if split else parts_of(graph, node)
    if not parts and not split:
        return False
    late = any(part.delay for part in parts)
    readers = list(graph.consumers(node.name))
    for reader, index in readers:
        synapse = reader.synapses[index]
        if reader.name == node.name or ((late or synapse.delay) and not keeps_steps(graph, reader)):
            return False
        if _is_dense(synapse.op):
            continue
        if not _is_channelwise(reader) or (parts and not _is_whole(graph, node, parts)):
            return False
        if not _folds(graph, reader, seen | {node.name}, split=True):
            return False
    return bool(readers)


def _is_dense(op: Op) -> bool:
    """Weights from every channel (of a group) to every other; a depthwise one is none."""
    return (
        isinstance(op, Linear)
        or (isinstance(op, Conv2d) and op.weight.shape[1] > 1)
        or (isinstance(op, Conv2d) and op.groups == 1)
    )


def _is_channelwise(node: Node) -> bool:
    """Does each channel that `node` sends follow from one channel of its one source?"""
    if len(node.synapses) != 1:
        return False
    op = node.synapses[0].op
    if isinstance(op, Flatten):
        return isinstance(node.neuron, Relay)
    depthwise = isinstance(op, Conv2d) and op.groups == op.weight.shape[0] and op.groups > 1
    neurons = Relay | Rectify | IntegrateFire | Integrate
    return isinstance(node.neuron, neurons) and (isinstance(op, Channelwise) or depthwise)


def _is_whole(graph: Graph, node: Node, parts: list[Part]) -> bool:
    """Has every channel just one source, and no source a channel that is left out?"""
    places = np.concatenate([part.places for part in parts])
    vector = len(node.type.shape) == 1
    flat = all(len(graph.edge(part.source).shape) == len(node.type.shape) for part in parts)
    wanted = node.type.neurons if vector else node.type.channels
    return flat and sorted(places.tolist()) == list(range(wanted))


def _folded(graph: Graph, node: Node) -> Graph:
    """The graph without `node`; what is split is followed by a concatenation of its own."""
    parts = parts_of(graph, node)
    graph = graph.with_nodes([other for other in graph.nodes if other.name != node.name])
    for reader in {reader.name: reader for reader, _ in graph.consumers(node.name)}.values():
        if _is_dense(reader.synapses[_first(reader, node)].op) or len(reader.synapses) > 1:
            graph = with_node(graph, _with_columns(reader, node, parts))
        else:
            graph = _split(graph, reader, node, parts)
    return graph


def _first(reader: Node, node: Node) -> int:
    return next(i for i, synapse in enumerate(reader.synapses) if synapse.source == node.name)


def _with_columns(reader: Node, node: Node, parts: list[Part]) -> Node:
    """`reader` with one synapse a part in the place of each synapse from the concatenation."""
    synapses: list[Synapse] = []
    for synapse in reader.synapses:
        if synapse.source != node.name:
            synapses.append(synapse)
            continue
        for number, part in enumerate(parts):
            op = _columns(synapse.op, node, part.places)
            if number:
                op = without_bias(op)
            synapses.append(Synapse(op, part.source, synapse.delay + part.delay, synapse.gain))
    return replace(reader, synapses=tuple(synapses))


def _columns(op: Op, node: Node, places: Array) -> Op:
    """The weights from one part: its columns, and zeros for channels that are left out."""
    assert isinstance(op, Linear | Conv2d)
    if isinstance(op, Conv2d):
        weight = _dense(op)
        columns = weight[:, np.maximum(places, 0)] * (places >= 0).reshape(-1, 1, 1)
        return replace(op, weight=frozen(columns, np.float32), groups=1)
    weight = op.weight
    if len(node.type.shape) == 3:  # a Linear that reads an image: whole channels
        table = weight.reshape(len(weight), node.type.channels, -1)
        columns = (table[:, np.maximum(places, 0)] * (places >= 0).reshape(-1, 1)).reshape(
            len(weight), -1
        )
    else:
        columns = weight[:, np.maximum(places, 0)] * (places >= 0)
    return replace(op, weight=frozen(columns, np.float32))


def _dense(op: Conv2d) -> Array:
    """Weights of groups as weights of one group, zeros between the groups."""
    outs, width = op.weight.shape[:2]
    if op.groups == 1:
        return op.weight
    dense = np.zeros((outs, width * op.groups, *op.kernel), np.float32)
    for group in range(op.groups):
        rows = slice(group * outs // op.groups, (group + 1) * outs // op.groups)
        dense[rows, group * width : (group + 1) * width] = op.weight[rows]
    return dense


def _split(graph: Graph, reader: Node, node: Node, parts: list[Part]) -> Graph:
    """`reader` once for each part, and a concatenation of them in its place."""
    nodes: list[Node] = []
    taken = {source.name for source in graph.inputs} | {other.name for other in graph.nodes}
    for other in graph.nodes:
        if other.name != reader.name:
            nodes.append(other)
            continue
        whole: list[Synapse] = []
        for number, part in enumerate(parts):
            name = f"{reader.name}.{number}"
            while name in taken:
                name += "_"
            nodes.append(_part_node(reader, node, part, name))
            whole.append(_selection(reader, node, part.places, name))
        nodes.append(Node(reader.name, tuple(whole), Relay(), reader.type))
    return graph.with_nodes(nodes)


def _part_node(reader: Node, node: Node, part: Part, name: str) -> Node:
    """What `reader` does, for the channels of one part."""
    synapse = reader.synapses[0]
    op: Op = synapse.op
    if isinstance(op, ChannelAffine) and len(op.gain) > 1:
        gain, offset = op.gain[part.places], op.offset[part.places]
        op = ChannelAffine(frozen(gain, np.float32), frozen(offset, np.float32))
    if isinstance(op, Conv2d):
        bias = None if op.bias is None else frozen(op.bias[part.places], np.float32)
        weight = frozen(op.weight[part.places], np.float32)
        op = replace(op, weight=weight, bias=bias, groups=len(weight))
    neuron = of_channels(reader.neuron, part.places, reader.type.shape)
    if isinstance(op, Flatten):
        shape: tuple[int, ...] = (len(part.places) * (node.type.neurons // node.type.channels),)
    else:
        shape = (len(part.places), *reader.type.shape[1:])
    read = Synapse(op, part.source, synapse.delay + part.delay, synapse.gain)
    return Node(name, (read,), neuron, replace(reader.type, shape=shape))


def _selection(reader: Node, node: Node, places: Array, source: str) -> Synapse:
    """From the part called `source` to its places among what `reader` sent."""
    if isinstance(reader.synapses[0].op, Flatten):
        area = node.type.neurons // node.type.channels
        places = (places[:, None] * area + np.arange(area)).reshape(-1)
    image = len(reader.type.shape) == 3
    weight = np.zeros((reader.type.channels, len(places)), np.float32)
    weight[places, np.arange(len(places))] = 1
    if image:
        return Synapse(Conv2d(frozen(weight.reshape(*weight.shape, 1, 1), np.float32)), source)
    return Synapse(Linear(frozen(weight, np.float32)), source)
