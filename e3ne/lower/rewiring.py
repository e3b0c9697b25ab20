"""Small questions and edits that several passes share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..ir import ChannelAffine, Conv2d, Graph, Identity, Linear, Node, Op, Relay, Synapse


def sole_consumer(graph: Graph, name: str) -> tuple[Node, int] | None:
    """The one node (and index of its synapse) that reads `name`; None for several or an output."""
    if leaves(graph, name):
        return None
    found = list(graph.consumers(name))
    return found[0] if len(found) == 1 else None


def is_node(graph: Graph, name: str) -> bool:
    """True for a node, False for an input."""
    return all(source.name != name for source in graph.inputs)


def is_plain(synapse: Synapse) -> bool:
    """Neither delayed nor scaled."""
    return synapse.delay == 0 and synapse.gain == 1


def is_weighted(synapse: Synapse) -> bool:
    """Has a weight of its own."""
    return isinstance(synapse.op, Linear | Conv2d)


def is_silent(op: Op) -> bool:
    """Does it make no current of silence? A bias is there at every step, before the first, too."""
    match op:
        case Linear() | Conv2d():
            return op.bias is None or not op.bias.any()
        case ChannelAffine():
            return not op.offset.any()
        case _:
            return True


def is_selection(op: Op) -> bool:
    """Weights of zeros and ones without a bias: a concatenation, a slice, another order."""
    if not isinstance(op, Linear | Conv2d):
        return False
    return is_silent(op) and bool(((op.weight == 0) | (op.weight == 1)).all())


def without_bias(op: Op) -> Op:
    """The same weights without their bias."""
    return replace(op, bias=None) if isinstance(op, Linear | Conv2d) else op


def leaves(graph: Graph, name: str) -> bool:
    """Is it an output of the network?"""
    return any(output.source == name for output in graph.outputs)


def keeps_steps(graph: Graph, node: Node) -> bool:
    """Do all sources of `node` have its steps, so that its synapses may be delayed?"""
    return all(graph.edge(s.source).steps == node.type.steps for s in node.synapses)


def with_synapse(graph: Graph, name: str, index: int, *synapses: Synapse) -> Graph:
    """The graph with `synapses` in the place of synapse `index` of the node called `name`."""
    node = graph.node(name)
    kept = (*node.synapses[:index], *synapses, *node.synapses[index + 1 :])
    return with_node(graph, replace(node, synapses=kept))


def is_wire(graph: Graph, node: Node) -> bool:
    """Sends exactly what its one source sends."""
    if not isinstance(node.neuron, Relay) or len(node.synapses) != 1:
        return False
    synapse = node.synapses[0]
    return (
        isinstance(synapse.op, Identity)
        and is_plain(synapse)
        and graph.edge(synapse.source) == node.type
    )


def with_node(graph: Graph, node: Node) -> Graph:
    """The same graph, `node` in the place of the node of its name."""
    return graph.with_nodes([node if old.name == node.name else old for old in graph.nodes])


def renamed(graph: Graph, names: Mapping[str, str]) -> Graph:
    """Every synapse and output that reads an old name reads the new one; nodes keep theirs."""
    nodes = [
        replace(
            node,
            synapses=tuple(
                replace(synapse, source=names.get(synapse.source, synapse.source))
                for synapse in node.synapses
            ),
        )
        for node in graph.nodes
    ]
    outputs = tuple(
        replace(output, source=names.get(output.source, output.source)) for output in graph.outputs
    )
    return replace(graph, nodes=tuple(nodes), outputs=outputs)


def without_wire(graph: Graph, name: str) -> Graph:
    """The graph without the wire `name`: its consumers read its source.

    The wire stays where it leaves the network and its source is an input.
    """
    node = graph.node(name)
    source = node.synapses[0].source
    if leaves(graph, name) and not is_node(graph, source):
        return graph
    left = graph.with_nodes([other for other in graph.nodes if other.name != name])
    return renamed(left, {name: source})
