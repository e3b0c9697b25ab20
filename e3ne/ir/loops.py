"""Feedback: which populations drive each other across steps, and an order to compute them in."""

from __future__ import annotations

from .graph import Graph, Node


def computing_order(graph: Graph) -> tuple[tuple[Node, ...], ...]:
    """The nodes in groups; whoever drives a group from outside stands in an earlier one.

    A group is one node, or all nodes of one feedback loop (a strongly connected component) in
    graph order. Groups keep the order of the graph as far as loops allow.
    """
    number = {node.name: index for index, node in enumerate(graph.nodes)}
    sources = [
        [number[synapse.source] for synapse in node.synapses if synapse.source in number]
        for node in graph.nodes
    ]
    return tuple(
        tuple(graph.nodes[index] for index in sorted(group)) for group in _components(sources)
    )


def in_loop(graph: Graph, name: str) -> bool:
    """Does what `name` sends come back to it, over itself or over others?"""
    group = loop_of(graph, name)
    return len(group) > 1 or any(synapse.source == name for synapse in group[0].synapses)


def loop_of(graph: Graph, name: str) -> tuple[Node, ...]:
    """The group of `computing_order` that `name` belongs to."""
    return next(
        group for group in computing_order(graph) if any(node.name == name for node in group)
    )


def _components(sources: list[list[int]]) -> list[list[int]]:
    """Strongly connected components, sources first (Tarjan 1972, without recursion)."""
    index: dict[int, int] = {}
    lowest: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    found: list[list[int]] = []
    for root in range(len(sources)):
        if root in index:
            continue
        work = [(root, iter(sources[root]))]
        index[root] = lowest[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, waiting = work[-1]
            for source in waiting:
                if source not in index:
                    index[source] = lowest[source] = len(index)
                    stack.append(source)
                    on_stack.add(source)
                    work.append((source, iter(sources[source])))
                    break
                if source in on_stack:
                    lowest[node] = min(lowest[node], index[source])
            else:
                work.pop()
                if work:
                    lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[node])
                if lowest[node] == index[node]:
                    at = stack.index(node)
                    found.append(stack[at:])
                    on_stack.difference_update(stack[at:])
                    del stack[at:]
    return found
