"""Takes channels out of a FLOAT graph that send nothing, always the same, or what nobody uses.

Pruning leaves them: channels without weights, neurons that no input ever lifts to their threshold,
ReLUs that send their bias alone (the offset of a folded batch normalisation), and channels whose
readers' weights are all zero. What the network computes stays equal; a constant moves into the
biases of its readers, so those are rounded to float32 once more.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from ..ir import (
    Array,
    ChannelAffine,
    Conv2d,
    Flatten,
    Graph,
    Linear,
    Neuron,
    Node,
    Op,
    SpikeType,
    Synapse,
    frozen,
    verify,
)
from .channel_ranges import Channels, channel_ranges

log = logging.getLogger(__name__)


def remove_silent(graph: Graph) -> Graph:
    """The graph without the channels that do nothing; as it is where there are none.

    A channel goes where every reader can do without it: through Linear and Conv2d, pools, sums,
    flattens and depthwise convolutions that all lose it. Outputs, inputs and grouped convolutions
    keep their channels, constants stay in front of padding and delays, and every population keeps
    one channel. What stays although it does nothing is logged by name. Names do not change.
    """
    while True:
        ranges = channel_ranges(graph)
        wanted = used(graph)
        idle = {node.name: _idle(graph, node, ranges, wanted) for node in graph.nodes}
        dropped = _droppable(graph, idle)
        if not any(channels.any() for channels in dropped.values()):
            _log_left(idle)
            return graph
        for name, channels in dropped.items():
            if channels.any():
                log.info("%s: %d of %d channels removed", name, channels.sum(), len(channels))
        graph = verify(_without(graph, ranges, dropped))


def used(graph: Graph) -> dict[str, Array]:
    """For every input and node a mask of its channels: does an output depend on them?

    Zero weights carry no dependence.
    """
    found = {item.name: np.zeros(item.type.channels, bool) for item in (*graph.inputs,)}
    found |= {node.name: np.zeros(node.type.channels, bool) for node in graph.nodes}
    for output in graph.outputs:
        found[output.source][:] = True
    changed = True
    while changed:
        changed = False
        for node in reversed(graph.nodes):
            for synapse in node.synapses:
                type = graph.edge(synapse.source)
                now = found[synapse.source] | _reads(synapse, type, found[node.name])
                changed |= bool((now != found[synapse.source]).any())
                found[synapse.source] = now
    return found


@dataclass(frozen=True)
class _Pairs:
    """Channels of source and node that a synapse ties to each other: both go, or none does."""

    source: Array
    node: Array


def _pairs(synapse: Synapse, type: SpikeType, node: Node) -> _Pairs | None:
    """The tied channels; None for weights over all channels, which tie none."""
    op = synapse.op
    channels = node.type.channels
    every = np.arange(channels)
    if isinstance(op, Linear) or (isinstance(op, Conv2d) and op.groups == 1):
        return None
    if isinstance(op, Conv2d):
        return _Pairs(every // (channels // type.channels), every) if _is_depthwise(op) else None
    return _Pairs(every // prod(type.shape[1:]) if isinstance(op, Flatten) else every, every)


def _is_depthwise(op: Conv2d) -> bool:
    return op.groups > 1 and op.weight.shape[1] == 1


def _is_grouped(synapse: Synapse) -> bool:
    """Groups of several channels, which have to stay equal in size."""
    op = synapse.op
    return isinstance(op, Conv2d) and op.groups > 1 and not _is_depthwise(op)


def _reads(synapse: Synapse, type: SpikeType, wanted: Array) -> Array:
    """The channels of the source that the `wanted` channels of the node depend on."""
    op = synapse.op
    if isinstance(op, Linear):
        columns = (op.weight[wanted] != 0).any(axis=0)
        return np.asarray(columns.reshape(type.channels, -1).any(axis=1))
    if isinstance(op, Conv2d):
        outs, ins = len(op.weight) // op.groups, int(op.weight.shape[1])
        taps = (op.weight != 0).any(axis=(2, 3)) & wanted[:, None]
        groups = taps.reshape(op.groups, outs, ins).any(axis=1)
        return np.asarray(groups.reshape(-1))
    if isinstance(op, Flatten):
        return np.asarray(np.any(wanted.reshape(type.channels, -1), axis=1))
    return wanted.copy()


def _idle(graph: Graph, node: Node, ranges: dict[str, Channels], wanted: dict[str, Array]) -> Array:
    """The channels of a node that carry nothing: unused, silent, or constant and taken over."""
    mine = ranges[node.name]
    constant = mine.fixed & np.isfinite(mine.low)
    for reader, index in graph.consumers(node.name):
        synapse = reader.synapses[index]
        padded = isinstance(synapse.op, Conv2d) and max(synapse.op.padding) > 0
        if padded or synapse.delay:
            constant = constant & (mine.low == 0)
    return np.asarray(constant | ~wanted[node.name])


def _droppable(graph: Graph, idle: dict[str, Array]) -> dict[str, Array]:
    """Of the idle channels those that can go: the most that all ties allow, one left a node."""
    dropped = {name: channels.copy() for name, channels in idle.items()}
    dropped |= {source.name: np.zeros(source.type.channels, bool) for source in graph.inputs}
    for output in graph.outputs:
        dropped[output.source][:] = False
    while True:
        before = {name: channels.copy() for name, channels in dropped.items()}
        for node in graph.nodes:
            if dropped[node.name].all():
                dropped[node.name][0] = False
            for synapse in node.synapses:
                _tie(graph, node, synapse, dropped)
        if all((before[name] == channels).all() for name, channels in dropped.items()):
            return dropped


def _tie(graph: Graph, node: Node, synapse: Synapse, dropped: dict[str, Array]) -> None:
    """Keeps in `dropped` only what both ends of a synapse can lose together."""
    if _is_grouped(synapse):
        dropped[node.name][:] = False
        dropped[synapse.source][:] = False
    pairs = _pairs(synapse, graph.edge(synapse.source), node)
    if pairs is None:
        return
    both = dropped[synapse.source][pairs.source] & dropped[node.name][pairs.node]
    kept = np.zeros_like(dropped[synapse.source])
    np.logical_or.at(kept, pairs.source, ~both)
    dropped[synapse.source] &= ~kept
    dropped[node.name][pairs.node] &= dropped[synapse.source][pairs.source]


def _log_left(idle: dict[str, Array]) -> None:
    for name, channels in idle.items():
        if channels.any():
            log.info(
                "%s: %d of %d channels do nothing and stay: outputs, ties to channels that do "
                "something, or the last one",
                *(name, channels.sum(), len(channels)),
            )


def _without(graph: Graph, ranges: dict[str, Channels], dropped: dict[str, Array]) -> Graph:
    """The graph without the dropped channels."""
    nodes = []
    for node in graph.nodes:
        synapses = [
            replace(synapse, op=_smaller(graph, node, synapse, ranges, dropped))
            for synapse in node.synapses
        ]
        kept = ~dropped[node.name]
        type = replace(node.type, shape=(int(kept.sum()), *node.type.shape[1:]))
        neuron = _chosen(node, kept) if dropped[node.name].any() else node.neuron
        nodes.append(replace(node, synapses=tuple(synapses), neuron=neuron, type=type))
    return graph.with_nodes(nodes)


def _smaller(
    graph: Graph,
    node: Node,
    synapse: Synapse,
    ranges: dict[str, Channels],
    dropped: dict[str, Array],
) -> Op:
    """The op of a synapse between what its two ends keep."""
    op, rows, gone = synapse.op, ~dropped[node.name], dropped[synapse.source]
    if rows.all() and not gone.any():
        return op
    if isinstance(op, ChannelAffine):
        if len(op.gain) == 1:
            return op
        return ChannelAffine(frozen(op.gain[rows], np.float32), frozen(op.offset[rows], np.float32))
    if not isinstance(op, Linear | Conv2d):
        return op
    if isinstance(op, Conv2d) and op.groups > 1:
        groups = int((~gone).sum()) if _is_depthwise(op) else op.groups
        weight, bias = op.weight, op.bias
    else:
        groups = 1
        places = prod(graph.edge(synapse.source).shape[1:]) if isinstance(op, Linear) else 1
        columns = np.repeat(gone, places)
        source = ranges[synapse.source]
        constants = np.where(source.fixed & np.isfinite(source.low), source.low, 0.0)
        bias = _with_constants(op, columns, np.repeat(constants, places))
        weight = op.weight[:, ~columns]
    small = replace(
        op,
        weight=frozen(weight[rows], np.float32),
        bias=None if bias is None else frozen(bias[rows], np.float32),
    )
    return replace(small, groups=groups) if isinstance(small, Conv2d) else small


def _with_constants(op: Linear | Conv2d, columns: Array, values: Array) -> Array | None:
    """The bias with what the columns that go have always added."""
    taps = tuple(range(2, op.weight.ndim))
    added = op.weight[:, columns].astype(np.float64).sum(axis=taps) @ values[columns]
    if not added.any():
        return op.bias
    return np.asarray(added if op.bias is None else op.bias + added)


def _chosen(node: Node, kept: Array) -> Neuron:
    """The neurons with the parameters of the channels that stay."""
    changes: dict[str, Any] = {}
    for name, value in vars(node.neuron).items():
        if isinstance(value, np.ndarray) and value.shape in (kept.shape, node.type.shape):
            changes[name] = frozen(value[kept], np.float32)
    return replace(node.neuron, **changes)
