"""Takes feedback out of the sums in front of weights: the weights read each part by itself."""

from __future__ import annotations

from dataclasses import replace

from ..ir import Conv2d, Graph, Identity, Linear, Node, Relay, Synapse
from ..ir.loops import loop_of
from .context import Context
from .rewiring import keeps_steps, leaves, with_node, without_bias


def distribute_sums(graph: Graph, context: Context) -> Graph:
    """W(x + y) of a recurrent y becomes W(x) + W(y): synapses that share their weights, with one
    bias, so that the recurrence is one from spikes to neurons.

    Only sums inside of a feedback loop change, and only for what comes back in the loop; what
    else they add up stays a sum.
    """
    for name in [node.name for node in graph.nodes]:
        moved = _fed_back(graph, graph.node(name))
        if moved:
            graph = _distributed(graph, graph.node(name), moved)
    return graph


def _fed_back(graph: Graph, node: Node) -> list[Synapse]:
    """The synapses of a sum that its readers, all of them weights, can read by themselves."""
    if not isinstance(node.neuron, Relay) or leaves(graph, node.name):
        return []
    loop = {other.name for other in loop_of(graph, node.name)}
    moved = [s for s in node.synapses if isinstance(s.op, Identity) and s.source in loop]
    readers = list(graph.consumers(node.name))
    fits = keeps_steps(graph, node) and all(
        isinstance(reader.synapses[index].op, Linear | Conv2d)
        and reader.name != node.name
        and keeps_steps(graph, reader)
        for reader, index in readers
    )
    return moved if fits and readers and node.name not in {s.source for s in moved} else []


def _distributed(graph: Graph, node: Node, moved: list[Synapse]) -> Graph:
    kept = tuple(synapse for synapse in node.synapses if synapse not in moved)
    for reader in {reader.name: reader for reader, _ in graph.consumers(node.name)}:
        synapses: list[Synapse] = []
        for synapse in graph.node(reader).synapses:
            if synapse.source != node.name:
                synapses.append(synapse)
                continue
            parts = [
                replace(synapse, source=part.source, delay=synapse.delay + part.delay)
                for part in moved
            ]
            parts = [synapse, *parts] if kept else parts
            synapses.append(parts[0])
            synapses += [replace(part, op=without_bias(part.op)) for part in parts[1:]]
        graph = with_node(graph, replace(graph.node(reader), synapses=tuple(synapses)))
    if kept:
        return with_node(graph, replace(node, synapses=kept))
    return graph.with_nodes([other for other in graph.nodes if other.name != node.name])
