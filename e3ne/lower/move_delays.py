"""Moves the delay of a wire to those who read it."""

from __future__ import annotations

from dataclasses import replace

from ..ir import Flatten, Graph, Identity, Node, Relay
from .context import Context
from .rewiring import keeps_steps, leaves, with_node, with_synapse


def move_delays(graph: Graph, context: Context) -> Graph:
    """A delayed wire (or flatten) becomes a plain one whose readers have its delay: wires vanish.

    Exact, since a wire makes silence of silence. A delay stays where the wire is an output, and
    where a reader changes the number of steps.
    """
    for name in [node.name for node in graph.nodes]:
        if _may_pass_on(graph, graph.node(name)):
            graph = _passed_on(graph, graph.node(name))
    return graph


def _may_pass_on(graph: Graph, node: Node) -> bool:
    synapse = node.synapses[0]
    if not isinstance(node.neuron, Relay) or len(node.synapses) != 1 or synapse.delay == 0:
        return False
    readers = [reader for reader, _ in graph.consumers(node.name)]
    return (
        isinstance(synapse.op, Identity | Flatten)
        and not leaves(graph, node.name)
        and all(keeps_steps(graph, reader) and reader.name != node.name for reader in readers)
    )


def _passed_on(graph: Graph, node: Node) -> Graph:
    """The readers have the delay. The wire goes behind its source, which may be a later node:
    whoever stands between the two reads it with a delay now."""
    synapse = node.synapses[0]
    for reader, index in list(graph.consumers(node.name)):
        read = graph.node(reader.name).synapses[index]
        late = replace(read, delay=read.delay + synapse.delay)
        graph = with_synapse(graph, reader.name, index, late)
    plain = replace(node, synapses=(replace(synapse, delay=0),))
    names = [other.name for other in graph.nodes]
    if synapse.source not in names[names.index(node.name) :]:
        return with_node(graph, plain)
    nodes: list[Node] = []
    for other in graph.nodes:
        if other.name != node.name:
            nodes.append(other)
        if other.name == synapse.source:
            nodes.append(plain)
    return graph.with_nodes(nodes)
