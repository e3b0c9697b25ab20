"""Hands an affine map of channels on to those who read it, through everything that lets it pass."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..ir import (
    Array,
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
    Relay,
    SumPool2d,
    Upsample2d,
    frozen,
)
from .parameters import Firing, aligned, compacted, real
from .rewiring import keeps_steps, leaves, with_node, with_synapse


@dataclass(frozen=True)
class Affine:
    """gain[c] * x[c] + offset[c]; float64 (channels,)."""

    gain: Array
    offset: Array

    @property
    def keeps_zero(self) -> bool:
        """Is silence still silence behind it?"""
        return not self.offset.any()

    def flat(self, shape: tuple[int, ...]) -> Affine:
        """The same map behind a flatten of `shape`."""
        places = math.prod(shape[1:])
        return Affine(np.repeat(self.gain, places), np.repeat(self.offset, places))


def into_readers(graph: Graph, node: Node, affine: Affine) -> Graph | None:
    """The graph in which all readers of `node` do what `affine` did before them, exactly.

    Weights and the gains of neurons take it over; poolings, flattens, upsamplings and wires let
    it pass to their readers. None where some reader can do neither: a padded or silent place, for
    one, would miss the offset.
    """
    if not isinstance(node.neuron, Relay) or len(node.synapses) != 1:
        return None
    if not keeps_steps(graph, node) or not _may_enter(graph, node, affine, frozenset()):
        return None
    return _entered(graph, node, affine)


def in_neuron(neuron: Firing, affine: Affine, own: tuple[int, ...]) -> Firing:
    """The neuron that makes of x what it made of the affine map of x."""
    spread, gain = aligned(neuron, affine.gain, own)
    _, offset = aligned(neuron, affine.offset, own)
    uniform = (affine.gain == affine.gain[0]).all() and (affine.offset == affine.offset[0]).all()
    if uniform:
        gain, offset = affine.gain[:1].reshape(()), affine.offset[:1].reshape(())
    added = np.asarray(spread.offset) + real(spread.gain) * offset
    factor = real(spread.gain) * gain
    values: dict[str, Any] = {"gain": _parameter(factor), "offset": _parameter(added)}
    return compacted(replace(spread, **values), own)


def neuron_takes(graph: Graph, node: Node, index: int, affine: Affine) -> bool:
    """May neurons with one synapse take `affine` in front of it into gain and offset?

    An offset must come at every step of the membrane, and not through a synaptic current.
    """
    neuron, synapse = node.neuron, node.synapses[index]
    if not isinstance(neuron, IntegrateFire | Integrate) or len(node.synapses) != 1:
        return False
    steps = graph.edge(synapse.source).steps
    plain = synapse.delay == 0 and neuron.synaptic_decay is None and steps in (1, node.type.steps)
    return affine.keeps_zero or plain


def passes(op: Op, affine: Affine) -> bool:
    """May `affine` and `op` change places?

    A maximum needs gains >= 0, for it keeps the order; padding and zeros in between are 0 before
    and behind only where the map leaves 0 at 0.
    """
    match op:
        case Identity() | Flatten():
            return True
        case MaxPool2d():
            return bool((affine.gain >= 0).all()) and (affine.keeps_zero or max(op.padding) == 0)
        case SumPool2d():
            mean = math.isclose(op.divisor, math.prod(op.kernel)) and max(op.padding) == 0
            return affine.keeps_zero or mean
        case Upsample2d():
            return affine.keeps_zero or op.fill == "repeat"
        case _:
            return False


def _may_enter(graph: Graph, node: Node, affine: Affine, seen: frozenset[str]) -> bool:
    """Can all readers of `node` take it?"""
    readers = list(graph.consumers(node.name))
    if not readers or node.name in seen or leaves(graph, node.name):
        return False
    for reader, index in readers:
        synapse = reader.synapses[index]
        op = synapse.op
        if synapse.delay and not affine.keeps_zero:
            return False
        if isinstance(op, Linear | Conv2d):
            if isinstance(op, Conv2d) and max(op.padding) > 0 and not affine.keeps_zero:
                return False
            continue
        if not passes(op, affine):
            return False
        after = affine.flat(node.type.shape) if isinstance(op, Flatten) else affine
        if isinstance(reader.neuron, Relay):
            alone = len(reader.synapses) == 1 and keeps_steps(graph, reader)
            if not alone or not _may_enter(graph, reader, after, seen | {node.name}):
                return False
        elif not neuron_takes(graph, reader, index, after):
            return False
    return True


def _entered(graph: Graph, node: Node, affine: Affine) -> Graph:
    for reader, index in list(graph.consumers(node.name)):
        current = graph.node(reader.name)
        synapse = current.synapses[index]
        if isinstance(synapse.op, Linear | Conv2d):
            weights = replace(synapse, op=_absorbed(synapse.op, affine, node.type.shape))
            graph = with_synapse(graph, reader.name, index, weights)
            continue
        flat = isinstance(synapse.op, Flatten)
        after = affine.flat(node.type.shape) if flat else affine
        if isinstance(current.neuron, IntegrateFire | Integrate):
            neuron = in_neuron(current.neuron, after, current.type.shape)
            graph = with_node(graph, replace(current, neuron=neuron))
        else:
            graph = _entered(graph, current, after)
    return graph


def _absorbed(op: Linear | Conv2d, affine: Affine, shape: tuple[int, ...]) -> Linear | Conv2d:
    """The op on x, of `shape`, that equals `op` on the affine map of x."""
    outs = op.weight.shape[0]
    if isinstance(op, Linear):
        flat = affine.flat(shape)
        scale, shift = flat.gain.reshape(1, -1), flat.offset.reshape(1, -1)
    else:
        groups = np.arange(outs) // (outs // op.groups)
        width = op.weight.shape[1]
        reads = groups[:, None] * width + np.arange(width)[None]
        scale = affine.gain[reads][:, :, None, None]
        shift = affine.offset[reads][:, :, None, None]
    weight = op.weight.astype(np.float64)
    op = replace(op, weight=frozen(weight * scale, np.float32))
    if affine.keeps_zero:
        return op
    bias = (weight * shift).reshape(outs, -1).sum(axis=1)
    bias = bias if op.bias is None else bias + op.bias
    return replace(op, bias=frozen(bias, np.float32))


def _parameter(values: Array) -> float | Array:
    return frozen(values, np.float32) if values.ndim else float(values)
