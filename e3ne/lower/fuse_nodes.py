"""Merges sums of currents into the neurons that take them: one node a population."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..ir import Graph, Identity, Node, Relay, Synapse
from .context import Context
from .rewiring import (
    is_node,
    is_silent,
    is_weighted,
    is_wire,
    renamed,
    sole_consumer,
    without_wire,
)


def fuse_nodes(graph: Graph, context: Context) -> Graph:
    """Merges every Relay into its only consumer, where that reads it unchanged; drops plain wires.

    conv + relu, fc + LIF, conv + conv + add + relu become one node with one or several synapses.
    A Relay that is read with a delay is merged, too, where it makes silence of silence: a bias
    would come too early otherwise. A node is named after the module of its weights where just one
    module has weights, else after the neuron's own node.
    """
    return fuse(graph).graph


@dataclass(frozen=True)
class Fused:
    """The fused graph, and where its parts come from.

    `origins`: for each synapse of each node the module path of its weights; `part_of`: the node
    that a module which is no node any more belongs to; `neurons`: for each node the module of its
    neurons (or, of a sum that stays, its last one).
    """

    graph: Graph
    origins: dict[str, tuple[str | None, ...]]
    part_of: dict[str, str]
    neurons: dict[str, str]


def fuse(graph: Graph) -> Fused:
    """As `fuse_nodes`, with the origins of what was merged."""
    for name in [node.name for node in graph.nodes]:
        node = graph.node(name)
        if is_wire(graph, node) and not _is_relayed(graph, node, node.synapses[0]):
            graph = without_wire(graph, name)
    parts = {node.name: _started(node) for node in graph.nodes}
    for name in [node.name for node in graph.nodes]:
        while name in parts and (found := _to_merge(graph, graph.node(name))) is not None:
            source = graph.node(name).synapses[found].source
            parts[name] = parts[name].merged(found, parts.pop(source))
            nodes = [node for node in graph.nodes if node.name != source]
            graph = graph.with_nodes(
                [parts[name].node if node.name == name else node for node in nodes]
            )
    names = {name: part.name for name, part in parts.items()}
    fused = renamed(graph, names)
    return Fused(
        fused.with_nodes([replace(node, name=names[node.name]) for node in fused.nodes]),
        {part.name: part.origins for part in parts.values()},
        {
            member: part.name
            for part in parts.values()
            for member in (*part.members, part.node.name)
            if member != part.name
        },
        {part.name: part.node.name for part in parts.values()},
    )


@dataclass(frozen=True)
class _Part:
    """A node that grows: the module path of each synapse's weights, and the nodes that it has
    taken in."""

    node: Node
    origins: tuple[str | None, ...]
    members: tuple[str, ...] = ()

    def merged(self, index: int, source: _Part) -> _Part:
        """With the synapses of `source` in the place of synapse `index`, which read it."""
        old = self.node.synapses
        late = tuple(replace(s, delay=s.delay + old[index].delay) for s in source.node.synapses)
        return _Part(
            replace(self.node, synapses=(*old[:index], *late, *old[index + 1 :])),
            (*self.origins[:index], *source.origins, *self.origins[index + 1 :]),
            (*self.members, *source.members, source.node.name),
        )

    @property
    def name(self) -> str:
        paths = {path for path in self.origins if path is not None}
        return paths.pop() if len(paths) == 1 else self.node.name


def _started(node: Node) -> _Part:
    return _Part(node, tuple(node.name if is_weighted(s) else None for s in node.synapses))


def _to_merge(graph: Graph, node: Node) -> int | None:
    """The first synapse of `node` whose source can be merged into it."""
    for index, synapse in enumerate(node.synapses):
        if _is_relayed(graph, node, synapse) and _keeps_steps(graph, node, synapse):
            return index
    return None


def _is_relayed(graph: Graph, node: Node, synapse: Synapse) -> bool:
    """Is the source a sum of currents that this synapse of `node` alone reads, unchanged?"""
    if not isinstance(synapse.op, Identity) or synapse.gain != 1 or synapse.source == node.name:
        return False
    if not is_node(graph, synapse.source) or sole_consumer(graph, synapse.source) is None:
        return False
    source = graph.node(synapse.source)
    in_time = synapse.delay == 0 or all(is_silent(s.op) for s in source.synapses)
    return isinstance(source.neuron, Relay) and in_time


def _keeps_steps(graph: Graph, node: Node, synapse: Synapse) -> bool:
    """May the currents of the source go straight into `node`, as far as steps are concerned?

    A source that changes the number of steps can be merged only as the one synapse, without a
    delay, of a node that has these steps itself; a delayed one only where no steps change.
    """
    source = graph.node(synapse.source)
    steps = source.type.steps
    late = synapse.delay > 0 or any(s.delay for s in source.synapses)
    if {graph.edge(s.source).steps for s in source.synapses} == {steps}:
        return not late or steps == node.type.steps
    return len(node.synapses) == 1 and steps == node.type.steps and not late
