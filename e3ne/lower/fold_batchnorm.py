"""Folds every batch normalisation into the weights beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..ir import (
    Array,
    ChannelAffine,
    Conv2d,
    Graph,
    Identity,
    Integrate,
    IntegrateFire,
    Linear,
    MaxPool2d,
    Node,
    Op,
    Relay,
    SumPool2d,
    Synapse,
    UnsupportedModel,
    frozen,
)
from .affine_readers import Affine, in_neuron, into_readers, neuron_takes, passes
from .context import Context
from .rewiring import (
    is_node,
    is_plain,
    is_weighted,
    is_wire,
    keeps_steps,
    sole_consumer,
    with_node,
    without_wire,
)
from .synapse_scales import uniform_gain

LARGEST_DIAGONAL = 1024  # features; a diagonal of weights has the square of it


def fold_batchnorm(graph: Graph, context: Context) -> Graph:
    """Folds every ChannelAffine (a batch normalisation, the value of a graded spike) into what is
    before it or behind it, exactly.

    In this order of preference: into the Linear or Conv2d whose currents it scales; through a
    pooling into those before it; into the weights or neurons that read it (where padding and
    silence cannot tell); into the gain of its own neurons. One factor for all channels stays: it
    becomes part of a scale at the integer line. Else it becomes a depthwise 1x1 Conv2d, or on a
    flat edge a diagonal Linear. UnsupportedModel lists the flat edges that are too long for that.
    """
    problems: list[str] = []
    for node in graph.nodes:
        for index, synapse in enumerate(node.synapses):
            if isinstance(synapse.op, ChannelAffine):
                folded = _folded(graph, node.name, index)
                if folded is None:
                    problems.append(
                        f"{node.name}: found a batch normalisation of {node.type.channels} "
                        "features that neither a layer before it nor one behind it can take over, "
                        f"accepted {LARGEST_DIAGONAL} features, or one directly after or before "
                        "Linear or Conv2d; move it there"
                    )
                else:
                    graph = folded
    if problems:
        raise UnsupportedModel(problems)
    return graph


def _folded(graph: Graph, name: str, index: int) -> Graph | None:
    node = graph.node(name)
    op = node.synapses[index].op
    assert isinstance(op, ChannelAffine)
    shape = node.type.shape
    gain = np.broadcast_to(op.gain.astype(np.float64).reshape(-1), shape[:1])
    offset = np.broadcast_to(op.offset.astype(np.float64).reshape(-1), shape[:1])
    affine = Affine(gain, offset)
    for folded in (
        _into_source(graph, node, index, gain, offset),
        _through_pool(graph, node, index, affine),
        into_readers(graph, node, affine),
        _into_own_neurons(graph, node, index, affine),
    ):
        if folded is not None:
            folded = _with_op(folded, name, index, Identity())
            if is_wire(folded, folded.node(name)):
                folded = without_wire(folded, name)
            return folded
    uniform = uniform_gain(op)
    if uniform is not None:
        alone = ChannelAffine(frozen([uniform], np.float32), frozen([0], np.float32))
        return _with_op(graph, name, index, alone)
    return (
        _with_op(graph, name, index, diagonal) if (diagonal := _diagonal(affine, shape)) else None
    )


def _into_own_neurons(graph: Graph, node: Node, index: int, affine: Affine) -> Graph | None:
    if not isinstance(node.neuron, IntegrateFire | Integrate):
        return None
    if not neuron_takes(graph, node, index, affine):
        return None
    return with_node(graph, replace(node, neuron=in_neuron(node.neuron, affine, node.type.shape)))


def _diagonal(affine: Affine, shape: tuple[int, ...]) -> Conv2d | Linear | None:
    """The affine map as weights: a depthwise 1x1 convolution, or a diagonal."""
    bias = None if affine.keeps_zero else frozen(affine.offset, np.float32)
    if len(shape) == 3:
        weight = frozen(affine.gain.reshape(-1, 1, 1, 1), np.float32)
        return Conv2d(weight, bias, groups=len(affine.gain))
    if len(affine.gain) > LARGEST_DIAGONAL:
        return None
    return Linear(frozen(np.diag(affine.gain), np.float32), bias)


def _with_op(graph: Graph, name: str, index: int, op: Op) -> Graph:
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


def _through_pool(graph: Graph, node: Node, index: int, affine: Affine) -> Graph | None:
    """A pooling between weights and batch normalisation, where the two may change places."""
    synapse = node.synapses[index]
    if not is_plain(synapse) or not is_node(graph, synapse.source):
        return None
    pool = graph.node(synapse.source)
    if not isinstance(pool.neuron, Relay) or len(pool.synapses) != 1:
        return None
    op = pool.synapses[0].op
    if not isinstance(op, MaxPool2d | SumPool2d) or not passes(op, affine):
        return None
    if not keeps_steps(graph, pool) or sole_consumer(graph, pool.name) is None:
        return None
    source = _weighted_relay(graph, pool.synapses[0])
    if source is None:
        return None
    scaled = tuple(_scaled(source, affine.gain, affine.offset))
    return with_node(graph, replace(source, synapses=scaled))
