"""Merges sums of currents into the neurons that take them: one node a population."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..ir import Graph, Identity, Node, Relay, Synapse
from .context import Context
from .rewiring import is_node, is_plain, is_weighted, is_wire, renamed, sole_consumer, without_wire


def fuse_nodes(graph: Graph, context: Context) -> Graph:
    """Merges every Relay into its only consumer, where that reads it unchanged; drops plain wires.

    conv + relu, fc + LIF, conv + conv + add + relu become one node with one or several synapses.
    It is named after the module of its weights where just one synapse has weights, else after the
    neuron's own node.
    """
    return fuse(graph).graph


@dataclass(frozen=True)
class Fused:
    """The fused graph, and where its parts come from.

    `origins`: for each synapse of each node the module path of its weights; `part_of`: the node
    that a module which is no node any more belongs to.
    """

    graph: Graph
    origins: dict[str, tuple[str | None, ...]]
    part_of: dict[str, str]


def fuse(graph: Graph) -> Fused:
    """As `fuse_nodes`, with the origins of what was merged."""
    for name in [node.name for node in graph.nodes]:
        node = graph.node(name)
        if is_wire(graph, node) and not _is_relayed(graph, node.synapses[0]):
            graph = without_wire(graph, name)
    parts: dict[str, _Part] = {}
    for node in graph.nodes:
        part = _Part(node)
        for synapse in node.synapses:
            if _is_relayed(graph, synapse) and _keeps_steps(graph, parts[synapse.source], node):
                source = parts.pop(synapse.source)
                members = (*source.members, source.node.name)
                part = part.plus(source.synapses, source.origins, members)
            else:
                part = part.plus((synapse,), (node.name if is_weighted(synapse) else None,))
        parts[node.name] = part
    names = {name: part.name for name, part in parts.items()}
    fused = renamed(
        graph.with_nodes([replace(part.node, synapses=part.synapses) for part in parts.values()]),
        names,
    )
    nodes = [replace(node, name=names[node.name]) for node in fused.nodes]
    return Fused(
        fused.with_nodes(nodes),
        {part.name: part.origins for part in parts.values()},
        {
            member: part.name
            for part in parts.values()
            for member in (*part.members, part.node.name)
            if member != part.name
        },
    )


@dataclass(frozen=True)
class _Part:
    """A node that grows: its synapses so far, the module path of each one's weights, and the
    nodes that it has taken in."""

    node: Node
    synapses: tuple[Synapse, ...] = ()
    origins: tuple[str | None, ...] = ()
    members: tuple[str, ...] = ()

    def plus(
        self,
        synapses: tuple[Synapse, ...],
        origins: tuple[str | None, ...],
        members: tuple[str, ...] = (),
    ) -> _Part:
        return _Part(
            self.node, self.synapses + synapses, self.origins + origins, self.members + members
        )

    @property
    def name(self) -> str:
        paths = [path for path in self.origins if path is not None]
        return paths[0] if len(paths) == 1 else self.node.name


def _is_relayed(graph: Graph, synapse: Synapse) -> bool:
    """Is the source a sum of currents that this synapse alone reads, unchanged?"""
    return (
        isinstance(synapse.op, Identity)
        and is_plain(synapse)
        and is_node(graph, synapse.source)
        and sole_consumer(graph, synapse.source) is not None
        and isinstance(graph.node(synapse.source).neuron, Relay)
    )


def _keeps_steps(graph: Graph, source: _Part, node: Node) -> bool:
    """May the currents of `source` go straight into `node`, as far as steps are concerned?

    A source that changes the number of steps can be merged only as the one synapse of a node
    that has these steps itself.
    """
    steps = source.node.type.steps
    if {graph.edge(synapse.source).steps for synapse in source.synapses} == {steps}:
        return True
    return len(node.synapses) == 1 and steps == node.type.steps
