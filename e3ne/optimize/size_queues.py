"""A queue behind every node or input whose words come faster, for a while, than they are taken.

A sliding window gives nothing at the top of an image and then more than the next node can take,
though on average that one keeps up; and where branches join again, the words of the short one wait
for the long one. Without a queue they would hold up everything before them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..cost import frame_interval
from ..cost.pace import Times
from ..cost.periodic import periodic_times
from ..cost.schedule import node_times, taken_times
from ..ir import Graph, Node
from ..ir.edge_words import source_lanes, wanted_lanes
from ..ir.frames import window_steps

LEAST_WORDS = 3  # fewer words find room in the units themselves
MOST_BITS = 1 << 17  # of one queue; a longer backlog holds up the node instead
FRAMES = 5  # back to back, to see what waits
SPARE = 2  # words, as units begin and end their work a little earlier or later than evenly


def size_queues(graph: Graph) -> Graph:
    """The same layout with `queue_words` for every node and input (a graph with mappings).

    A queue has room for what waits while a single frame passes as fast as it can, so that nothing
    is held up then; and for what waits while frames come evenly at the interval of the network, so
    that its slowest part never waits. Only the latter counts behind an input: nobody minds when a
    frame comes in less fast than it could.
    """
    single, steady = _single(graph), _steady(graph)
    nodes = []
    for node in graph.nodes:
        assert node.mapping is not None
        most = max(single.get(node.name, 0), steady.get(node.name, 0))
        mapping = replace(node.mapping, queue_words=_depth(graph, node.name, most))
        nodes.append(replace(node, mapping=mapping))
    inputs = [
        replace(source, queue_words=_depth(graph, source.name, steady.get(source.name, 0)))
        for source in graph.inputs
    ]
    return replace(graph, nodes=tuple(nodes), inputs=tuple(inputs))


def _depth(graph: Graph, name: str, words: int) -> int:
    """The depth of a queue for a backlog of `words`; 0 where the units themselves have the room."""
    lanes, type = source_lanes(graph, name), graph.edge(name)
    assert lanes is not None
    word_bits = lanes * type.bits * window_steps(graph, type.steps)
    return min(words, MOST_BITS // word_bits) if words >= LEAST_WORDS else 0


def _single(graph: Graph) -> dict[str, int]:
    """The backlog behind each node while one frame passes; none of feedback."""
    times = node_times(graph)
    found = {}
    for node in graph.nodes:
        most = 0
        for consumer, index in _takers(graph, node.name):
            taken, lanes = taken_times(graph, consumer, index, times[node.name])
            most = max(most, _backlog(graph, node.name, times[node.name], taken, lanes))
        found[node.name] = most
    return found


def _steady(graph: Graph) -> dict[str, int]:
    """The same while frames follow each other; nothing of networks with delays."""
    bare = replace(
        graph,
        nodes=tuple(
            replace(n, mapping=replace(n.mapping, queue_words=0)) for n in graph.nodes if n.mapping
        ),
        inputs=tuple(replace(source, queue_words=0) for source in graph.inputs),
    )
    schedule = periodic_times(bare, frame_interval(bare), FRAMES)
    if schedule is None:
        return {}
    found = {}
    for name, sent in schedule.sent.items():
        most = 0
        for consumer, index in _takers(graph, name):
            lanes = wanted_lanes(graph, consumer, index)
            taken = schedule.taken[consumer.name, index]
            most = max(most, _backlog(graph, name, sent, taken, lanes))
        found[name] = most + SPARE if most else 0
    return found


def _takers(graph: Graph, name: str) -> list[tuple[Node, int]]:
    """The synapses that take words of the node or input `name` as they come."""
    return [
        (consumer, index)
        for consumer, index in graph.consumers(name)
        if consumer.name != name and not consumer.synapses[index].delay
    ]


def _backlog(graph: Graph, name: str, sent: Times, taken: Times, taken_lanes: int) -> int:
    lanes = source_lanes(graph, name)
    assert lanes is not None
    return backlog(sent, taken, taken_lanes, lanes)


def backlog(sent: Times, taken: Times, taken_lanes: int, sent_lanes: int) -> int:
    """Most words of `sent_lanes` elements that were sent and not yet taken, at any time."""
    gone = np.searchsorted(np.maximum.accumulate(taken), sent, side="right") * taken_lanes
    collecting = max(taken_lanes - sent_lanes, 0)  # a wider word gathers outside of the queue
    waiting = (np.arange(len(sent)) + 1) * sent_lanes - gone - collecting
    return int(-(-int(waiting.max(initial=0)) // sent_lanes))
