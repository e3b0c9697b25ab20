"""Puts a selection of channels into the weights before it: no concatenation of wide currents."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir import Array, Conv2d, Graph, Linear, Node, Relay, Synapse, frozen
from .context import Context
from .drop_unread import drop_unread
from .fold_concatenation import selected
from .rewiring import is_node, is_silent, keeps_steps, sole_consumer, with_node


def compose_selections(graph: Graph, context: Context) -> Graph:
    """Weights, then a concatenation, become weights into their channels and zeros for the others.

    So neurons on joined currents are one node with a synapse for each part. Only where the zeros
    cost no more operations than the selection, and nobody else reads the currents.
    """
    for name in [node.name for node in graph.nodes]:
        node = graph.node(name)
        composed = tuple(_composed(graph, synapse) for synapse in node.synapses)
        if any(new is not old for new, old in zip(composed, node.synapses, strict=True)):
            graph = with_node(graph, replace(node, synapses=composed))
    return drop_unread(graph, context)


def _composed(graph: Graph, synapse: Synapse) -> Synapse:
    """The synapse from the source's own source, where the two ops become one."""
    places = _places(synapse)
    if places is None or not is_node(graph, synapse.source):
        return synapse
    source = graph.node(synapse.source)
    if not _is_weights(source) or sole_consumer(graph, source.name) is None:
        return synapse
    before = source.synapses[0]
    late = synapse.delay > 0 and not is_silent(before.op)
    if late or not keeps_steps(graph, source):
        return synapse
    assert isinstance(before.op, Linear | Conv2d)
    outs, weight = len(synapse.op.weight), before.op.weight  # type: ignore[union-attr]
    if (outs - len(weight)) * weight[0].size > outs * len(weight):
        return synapse
    bias = before.op.bias
    op = replace(
        before.op,
        weight=_spread(weight, places, outs),
        bias=None if bias is None else _spread(bias, places, outs),
    )
    return Synapse(op, before.source, before.delay + synapse.delay)


def _places(synapse: Synapse) -> Array | None:
    """For each channel of the source where it goes; None for anything but a selection of all."""
    places = selected(synapse.op)
    return places if places is not None and (places >= 0).all() else None


def _is_weights(node: Node) -> bool:
    """A Relay of one Linear, or of one Conv2d of a single group."""
    if not isinstance(node.neuron, Relay) or len(node.synapses) != 1:
        return False
    op = node.synapses[0].op
    return isinstance(op, Linear) or (isinstance(op, Conv2d) and op.groups == 1)


def _spread(rows: Array, places: Array, outs: int) -> Array:
    spread = np.zeros((outs, *rows.shape[1:]), np.float32)
    spread[places] = rows
    return frozen(spread, np.float32)
