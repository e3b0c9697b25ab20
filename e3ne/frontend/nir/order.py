"""An order for the nodes of a network with cycles, and the step that closes each of them.

A cycle takes time: what comes back was sent at the step before. The edge that closes a cycle,
the one back to where the walk from the inputs entered it, gets a delay of one step; cycles with a
Delay of a step or more need none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...ir import Node


def ordered(nodes: Sequence[Node], inputs: Sequence[str]) -> list[Node]:
    """The nodes, sources first but for feedback: reverse postorder of a walk from the inputs."""
    by_name = {node.name: node for node in nodes}
    readers: dict[str, list[str]] = {name: [] for name in (*inputs, *by_name)}
    for node in nodes:
        for synapse in node.synapses:
            if synapse.delay == 0 and node.name not in readers[synapse.source]:
                readers[synapse.source].append(node.name)
    done: list[str] = []
    seen: set[str] = set()
    for root in (*inputs, *by_name):
        if root not in seen:
            _walk(root, readers, seen, done)
    return [by_name[name] for name in reversed(done) if name in by_name]


def with_closing_delays(nodes: Sequence[Node]) -> list[Node]:
    """The nodes in their order; synapses from a node itself or a later one take a step at least."""
    number = {node.name: index for index, node in enumerate(nodes)}
    return [
        replace(
            node,
            synapses=tuple(
                replace(synapse, delay=max(1, synapse.delay))
                if number.get(synapse.source, -1) >= index
                else synapse
                for synapse in node.synapses
            ),
        )
        for index, node in enumerate(nodes)
    ]


def _walk(root: str, readers: dict[str, list[str]], seen: set[str], done: list[str]) -> None:
    seen.add(root)
    work = [(root, reversed(readers[root]))]
    while work:
        name, waiting = work[-1]
        for reader in waiting:
            if reader not in seen:
                seen.add(reader)
                work.append((reader, reversed(readers[reader])))
                break
        else:
            done.append(name)
            work.pop()
