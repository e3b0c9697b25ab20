"""Folds every batch normalisation into the weights beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..ir import (
    Array,
    ChannelAffine,
    Conv2d,
    Graph,
    Identity,
    Linear,
    MaxPool2d,
    Node,
    Relay,
    SumPool2d,
    Synapse,
    UnsupportedModel,
    frozen,
)
from .context import Context
from .rewiring import (
    is_node,
    is_plain,
    is_weighted,
    is_wire,
    sole_consumer,
    with_node,
    without_wire,
)


def fold_batchnorm(graph: Graph, context: Context) -> Graph:
    """Folds every ChannelAffine into the weights before it, or behind it, exactly.

    In this order of preference: into the Linear or Conv2d whose currents it scales; through a
    pooling into those before it; into the weights that read it (where padding cannot tell); else
    it becomes a 1x1 depthwise Conv2d. UnsupportedModel lists those on flat edges that none fits.
    """
    problems: list[str] = []
    for node in graph.nodes:
        for index, synapse in enumerate(node.synapses):
            if isinstance(synapse.op, ChannelAffine):
                folded = _folded(graph, node.name, index)
                if folded is None:
                    problems.append(
                        f"{node.name}: found a batch normalisation that neither a layer before it "
                        "nor one behind it can take over, accepted one directly after or before "
                        "Linear or Conv2d; move it there"
                    )
                else:
                    graph = folded
    if problems:
        raise UnsupportedModel(problems)
    return graph


def _folded(graph: Graph, name: str, index: int) -> Graph | None:
    node = graph.node(name)
    synapse = node.synapses[index]
    op = synapse.op
    assert isinstance(op, ChannelAffine)
    channels = node.type.channels
    gain = np.broadcast_to(op.gain.astype(np.float64).reshape(-1), (channels,))
    offset = np.broadcast_to(op.offset.astype(np.float64).reshape(-1), (channels,))
    for folded in (
        _into_source(graph, node, index, gain, offset),
        _through_pool(graph, node, index, gain, offset),
        _into_consumers(graph, node, gain, offset),
    ):
        if folded is not None:
            folded = _with_op(folded, name, index, Identity())
            if is_wire(folded, folded.node(name)):
                folded = without_wire(folded, name)
            return folded
    if len(node.type.shape) != 3:
        return None
    depthwise = Conv2d(
        frozen(gain.reshape(-1, 1, 1, 1), np.float32), frozen(offset, np.float32), groups=channels
    )
    return _with_op(graph, name, index, depthwise)


def _with_op(graph: Graph, name: str, index: int, op: Identity | Conv2d) -> Graph:
    node = graph.node(name)
    synapses = list(node.synapses)
    synapses[index] = replace(synapses[index], op=op)
    return with_node(graph, replace(node, synapses=tuple(synapses)))


def _into_source(graph: Graph, node: Node, index: int, gain: Array, offset: Array) -> Graph | None:
    synapse = node.synapses[index]
    source = _weighted_relay(graph, synapse)
    if source is None:
        return None
    return with_node(graph, replace(source, synapses=tuple(_scaled(source, gain, offset))))


def _weighted_relay(graph: Graph, synapse: Synapse) -> Node | None:
    """The source where it is a sum of weighted currents that only this synapse reads."""
    if not is_plain(synapse) or not is_node(graph, synapse.source):
        return None
    source = graph.node(synapse.source)
    summed = any(graph.edge(s.source).steps > source.type.steps for s in source.synapses)
    fits = (
        isinstance(source.neuron, Relay)
        and sole_consumer(graph, source.name) is not None
        and all(is_weighted(s) and s.gain == 1 for s in source.synapses)
        and not summed
    )
    return source if fits else None


def _scaled(source: Node, gain: Array, offset: Array) -> Iterator[Synapse]:
    """The synapses with gain on every weight, and gain and offset on the biases."""
    for position, synapse in enumerate(source.synapses):
        op = synapse.op
        assert isinstance(op, Linear | Conv2d)
        weight = op.weight * gain.reshape(-1, *(1,) * (op.weight.ndim - 1))
        bias = np.zeros(len(gain)) if op.bias is None else op.bias * gain
        if position == 0:
            bias = bias + offset
        yield replace(
            synapse,
            op=replace(op, weight=frozen(weight, np.float32), bias=frozen(bias, np.float32)),
        )


def _through_pool(graph: Graph, node: Node, index: int, gain: Array, offset: Array) -> Graph | None:
    """A pooling between weights and batch normalisation, where the two may change places.

    A maximum commutes with an affine map of gain >= 0, an average with every one; padding only
    with a map that leaves 0 at 0 (and no padded maximum, since gains only keep the order).
    """
    synapse = node.synapses[index]
    if not is_plain(synapse) or not is_node(graph, synapse.source):
        return None
    pool = graph.node(synapse.source)
    if not isinstance(pool.neuron, Relay) or len(pool.synapses) != 1:
        return None
    op = pool.synapses[0].op
    padded = isinstance(op, MaxPool2d | SumPool2d) and max(op.padding) > 0
    commutes = (isinstance(op, MaxPool2d) and bool((gain >= 0).all())) or (
        isinstance(op, SumPool2d)
        and (not offset.any() or math.isclose(op.divisor, math.prod(op.kernel)))
    )
    steps = graph.edge(pool.synapses[0].source).steps
    if not commutes or (padded and offset.any()) or steps > pool.type.steps:
        return None
    if sole_consumer(graph, pool.name) is None:
        return None
    source = _weighted_relay(graph, pool.synapses[0])
    if source is None:
        return None
    return with_node(graph, replace(source, synapses=tuple(_scaled(source, gain, offset))))


def _into_consumers(graph: Graph, node: Node, gain: Array, offset: Array) -> Graph | None:
    """Into the weights that read it: exact where no padded or silent place misses the offset."""
    if not isinstance(node.neuron, Relay) or len(node.synapses) != 1:
        return None
    readers = list(graph.consumers(node.name))
    if not readers or any(output.source == node.name for output in graph.outputs):
        return None
    if graph.edge(node.synapses[0].source).steps != node.type.steps:
        return None
    for reader, index in readers:
        synapse = reader.synapses[index]
        op = synapse.op
        misses = synapse.delay > 0 or (isinstance(op, Conv2d) and max(op.padding) > 0)
        if not isinstance(op, Linear | Conv2d) or (misses and offset.any()):
            return None
    for reader, index in readers:
        current = graph.node(reader.name)
        synapses = list(current.synapses)
        op = synapses[index].op
        assert isinstance(op, Linear | Conv2d)
        synapses[index] = replace(synapses[index], op=_absorbed(op, node, gain, offset))
        graph = with_node(graph, replace(current, synapses=tuple(synapses)))
    return graph


def _absorbed(op: Linear | Conv2d, node: Node, gain: Array, offset: Array) -> Linear | Conv2d:
    """The op on x that equals `op` on gain * x + offset."""
    outs = op.weight.shape[0]
    if isinstance(op, Linear):
        places = node.type.neurons // node.type.channels
        scale = np.repeat(gain, places).reshape(1, -1)
        shift = np.repeat(offset, places).reshape(1, -1)
    else:
        groups = np.arange(outs) // (outs // op.groups)
        width = op.weight.shape[1]
        reads = groups[:, None] * width + np.arange(width)[None]
        scale, shift = gain[reads][:, :, None, None], offset[reads][:, :, None, None]
    weight = op.weight.astype(np.float64)
    bias = (weight * shift).reshape(outs, -1).sum(axis=1)
    bias = bias if op.bias is None else bias + op.bias
    return replace(op, weight=frozen(weight * scale, np.float32), bias=frozen(bias, np.float32))
