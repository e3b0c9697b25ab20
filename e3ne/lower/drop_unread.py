"""Takes out what no output depends on."""

from __future__ import annotations

from ..ir import Graph
from .context import Context


def drop_unread(graph: Graph, context: Context) -> Graph:
    """Keeps the nodes that some output depends on, over any number of synapses and steps."""
    wanted = {output.source for output in graph.outputs}
    waiting = sorted(wanted)
    nodes = {node.name: node for node in graph.nodes}
    while waiting:
        name = waiting.pop()
        sources = {s.source for s in nodes[name].synapses} if name in nodes else set()
        waiting += sorted(sources - wanted)
        wanted |= sources
    return graph.with_nodes([node for node in graph.nodes if node.name in wanted])
