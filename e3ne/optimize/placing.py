"""Some nodes of a graph with a layout, before the others have one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..ir import Graph, Node
from ..ir import Mapping as Layout
from ..ir.edge_words import wanted_lanes


def with_lanes(graph: Graph, nodes: Iterable[Node], lanes: Mapping[str, int]) -> Graph:
    """The graph with `nodes` in place, and with others that send words of `lanes` elements."""
    placed = {node.name: node for node in nodes}
    found = [
        placed[node.name]
        if node.name in placed
        else replace(node, mapping=Layout(out_lanes=lanes[node.name]))
        if node.name in lanes
        else node
        for node in graph.nodes
    ]
    return graph.with_nodes(found)


def fitting(graph: Graph, nodes: Iterable[Node]) -> Graph:
    """The graph with `nodes`, and with sources that send words as these take them."""
    nodes = tuple(nodes)
    inside = {source.name for source in graph.inputs} | {node.name for node in nodes}
    within = graph.with_nodes([*nodes, *(n for n in graph.nodes if n.name not in inside)])
    lanes = {
        synapse.source: wanted_lanes(within, node, index)
        for node in nodes
        for index, synapse in enumerate(node.synapses)
        if synapse.source not in inside
    }
    return with_lanes(graph, nodes, lanes)
