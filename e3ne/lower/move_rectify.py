"""Moves a ReLU in front of the max pooling that feeds it."""

from __future__ import annotations

from dataclasses import replace

from ..ir import Graph, Identity, MaxPool2d, Node, Rectify, Relay, Synapse
from .context import Context
from .rewiring import is_node, is_plain, renamed, sole_consumer


def move_rectify(graph: Graph, context: Context) -> Graph:
    """conv, max pooling, ReLU becomes conv, ReLU, max pooling: the same numbers, as both keep the
    order of values, and the pooling then works on a few bits instead of whole currents."""
    for node in graph.nodes:
        pool = _pool_before(graph, graph.node(node.name))
        if pool is not None:
            graph = _swapped(graph, graph.node(node.name), pool)
    return graph


def _pool_before(graph: Graph, node: Node) -> Node | None:
    """The max pooling in front of a ReLU, where currents that nobody else reads feed it."""
    if not isinstance(node.neuron, Rectify) or not _has_one(node, Identity):
        return None
    if not is_node(graph, node.synapses[0].source):
        return None
    pool = graph.node(node.synapses[0].source)
    if not isinstance(pool.neuron, Relay) or not _has_one(pool, MaxPool2d):
        return None
    if not is_node(graph, pool.synapses[0].source):
        return None
    source = graph.node(pool.synapses[0].source)
    free = sole_consumer(graph, pool.name) and sole_consumer(graph, source.name)
    alike = source.type.steps == pool.type.steps == node.type.steps
    return pool if free and alike and isinstance(source.neuron, Relay) else None


def _has_one(node: Node, op: type) -> bool:
    synapses = node.synapses
    return len(synapses) == 1 and isinstance(synapses[0].op, op) and is_plain(synapses[0])


def _swapped(graph: Graph, node: Node, pool: Node) -> Graph:
    source = pool.synapses[0].source
    rectify = replace(node, synapses=(Synapse(Identity(), source),), type=graph.edge(source))
    nodes: list[Node] = []
    for old in renamed(graph, {node.name: pool.name}).nodes:
        if old.name == pool.name:
            nodes.append(rectify)
            nodes.append(replace(pool, synapses=(replace(pool.synapses[0], source=node.name),)))
        elif old.name != node.name:
            nodes.append(old)
    return replace(renamed(graph, {node.name: pool.name}), nodes=tuple(nodes))
