"""Balances the weights of the channels of neighbouring layers, so that one scale fits them all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..config import Config
from ..ir import (
    Array,
    Conv2d,
    Flatten,
    Graph,
    Identity,
    Linear,
    MaxPool2d,
    Node,
    Rectify,
    Relay,
    SumPool2d,
    Synapse,
    Upsample2d,
    frozen,
)
from .context import Context
from .factors import weight_rows
from .rewiring import leaves, with_node
from .weight_grids import found_grid, is_no_accident

ROUNDS = 20
SETTLED = 1e-3  # relative change of every factor in a round


def equalize(graph: Graph, context: Context) -> Graph:
    """Moves a factor > 0 a channel from the weights before a ReLU into those behind it.

    f(s i) = s f(i) for s > 0, so the network stays what it is. With s = sqrt(r1 / r2) for the
    ranges r1 of a channel's weights before and r2 behind, both become sqrt(r1 r2) (Nagel et al.
    2019, arXiv:1906.04721, eq. 11), layer pair by layer pair until nothing moves. Only where
    `equalize` is set, for ReLUs without a bound of their own whose every synapse has weights, and
    whose readers, over poolings alone, all have weights. Spikes are 0 and 1 and have no such
    freedom. Weights that lie on a grid of the chosen bits already stay as they are.
    """
    if not context.config.equalize:
        return graph
    pairs = equal_pairs(graph, context.config)
    for _ in range(ROUNDS):
        largest = 0.0
        for name, readers in pairs.items():
            factors = _factors(graph, name, readers)
            graph = _moved(graph, name, readers, factors)
            largest = max(largest, float(np.abs(np.log(factors)).max()))
        if largest < SETTLED:
            break
    return graph


Reader = tuple[str, int]
"""A node and the index of one of its synapses."""


def equal_pairs(graph: Graph, config: Config) -> dict[str, tuple[Reader, ...]]:
    """For each ReLU whose channels may be scaled the weights that take the factor over."""
    pairs = {}
    for node in graph.nodes:
        readers = _readers(graph, node.name) if _starts(graph, node.name, config) else ()
        free = (
            _has_free_weights(graph.node(name), graph.node(name).synapses[index], config)
            for name, index in readers
        )
        if readers and all(free):
            pairs[node.name] = readers
    return pairs


def _starts(graph: Graph, name: str, config: Config) -> bool:
    """May the weights before this node give a factor away?"""
    node = graph.node(name)
    return (
        isinstance(node.neuron, Rectify)
        and node.neuron.bound is None
        and not leaves(graph, name)
        and all(_has_free_weights(node, synapse, config) for synapse in node.synapses)
    )


def _has_free_weights(node: Node, synapse: Synapse, config: Config) -> bool:
    """Weights that are not on a grid of the chosen bits, or on one by accident."""
    if not isinstance(synapse.op, Linear | Conv2d):
        return False
    rows = weight_rows(synapse.op.weight, per_channel=False)
    bits = config.node(node.name).weight_bits
    return not is_no_accident(rows) or found_grid(rows, bits) is None


def _readers(graph: Graph, name: str) -> tuple[Reader, ...]:
    """The weighted synapses that read `name`, over poolings; () where something else does."""
    found: list[Reader] = []
    for node, index in graph.consumers(name):
        synapse = node.synapses[index]
        if isinstance(synapse.op, Linear | Conv2d):
            found.append((node.name, index))
            continue
        further = _readers(graph, node.name) if _passes_on(graph, node) else ()
        if not further:
            return ()
        found += further
    return tuple(found)


def _passes_on(graph: Graph, node: Node) -> bool:
    """Does it make s times as much, in the same channels, of s times as much?"""
    if not isinstance(node.neuron, Relay) or len(node.synapses) != 1 or leaves(graph, node.name):
        return False
    op = node.synapses[0].op
    return isinstance(op, MaxPool2d | SumPool2d | Upsample2d | Identity | Flatten)


def _factors(graph: Graph, name: str, readers: tuple[Reader, ...]) -> Array:
    """By what each channel of `name` is divided: float64 (channels,)."""
    before = np.max(
        [
            np.abs(_weight(synapse)).reshape(len(_weight(synapse)), -1).max(axis=1)
            for synapse in graph.node(name).synapses
        ],
        axis=0,
    )
    channels = len(before)
    behind = np.max(
        [_of_inputs(graph.node(reader).synapses[index], channels) for reader, index in readers],
        axis=0,
    )
    both = (before > 0) & (behind > 0)
    return np.sqrt(np.where(both, before, 1.0) / np.where(both, behind, 1.0))


def _of_inputs(synapse: Synapse, channels: int) -> Array:
    """The largest magnitude of the weights that read each channel: float64 (channels,)."""
    spread = np.abs(_by_channel(synapse, channels))
    return np.asarray(spread.max(axis=(0, *range(2, spread.ndim))))


def _by_channel(synapse: Synapse, channels: int) -> Array:
    """The weights as float64 (outputs of a group, channels, rest): a view of one axis a channel."""
    weight = _weight(synapse)
    op = synapse.op
    if isinstance(op, Linear):
        return weight.reshape(len(weight), channels, -1)
    assert isinstance(op, Conv2d)
    outs, ins = len(weight) // op.groups, weight.shape[1]
    grouped = weight.reshape(op.groups, outs, ins, -1)
    return grouped.transpose(1, 0, 2, 3).reshape(outs, channels, -1)


def _times_channels(synapse: Synapse, factors: Array) -> Synapse:
    """The synapse with the weights that read channel c multiplied by factors[c]."""
    op, weight = synapse.op, _weight(synapse)
    if isinstance(op, Linear):
        scaled = weight.reshape(len(weight), len(factors), -1) * factors[:, None]
    else:
        assert isinstance(op, Conv2d)
        grouped = weight.reshape(op.groups, -1, weight.shape[1], *weight.shape[2:])
        scaled = grouped * factors.reshape(op.groups, 1, weight.shape[1], 1, 1)
    return replace(synapse, op=replace(op, weight=frozen(scaled.reshape(weight.shape), np.float32)))


def _divided(synapse: Synapse, factors: Array) -> Synapse:
    """The synapse whose output channels, biases included, are divided by `factors`."""
    op, weight = synapse.op, _weight(synapse)
    assert isinstance(op, Linear | Conv2d)
    scaled = weight / factors.reshape(-1, *(1,) * (weight.ndim - 1))
    bias = None if op.bias is None else frozen(op.bias / factors, np.float32)
    return replace(synapse, op=replace(op, weight=frozen(scaled, np.float32), bias=bias))


def _moved(graph: Graph, name: str, readers: tuple[Reader, ...], factors: Array) -> Graph:
    node = graph.node(name)
    divided = tuple(_divided(synapse, factors) for synapse in node.synapses)
    graph = with_node(graph, replace(node, synapses=divided))
    for reader, index in readers:
        node = graph.node(reader)
        synapses = list(node.synapses)
        synapses[index] = _times_channels(synapses[index], factors)
        graph = with_node(graph, replace(node, synapses=tuple(synapses)))
    return graph


def _weight(synapse: Synapse) -> Array:
    assert isinstance(synapse.op, Linear | Conv2d)
    return synapse.op.weight.astype(np.float64)
