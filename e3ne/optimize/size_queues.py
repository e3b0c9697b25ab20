"""A queue behind every node whose words come faster, for a while, than they are taken.

A sliding window gives nothing at the top of an image and then more than the next node can take,
though on average that one keeps up. Without a queue it would hold up everything before it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..cost import node_cycles
from ..cost.pace import Times
from ..cost.schedule import node_times, taken_times
from ..ir import Flatten, Graph, Identity, Linear, Node, Upsample2d
from ..ir.geometry import op_window, wanted_lanes

LEAST_WORDS = 3  # fewer words find room in the units themselves
MOST_BITS = 1 << 17  # of one queue; a longer backlog holds up the node instead


def size_queues(graph: Graph) -> Graph:
    """The same layout with `queue_words` for every node (a graph with mappings)."""
    times = node_times(graph)
    nodes = []
    for node in graph.nodes:
        assert node.mapping is not None
        most = 0
        for consumer, index in graph.consumers(node.name):
            if consumer.name != node.name and not consumer.synapses[index].delay:
                taken, lanes = taken_times(graph, consumer, index, times[node.name])
                words = backlog(times[node.name], taken, lanes, node.mapping.lanes)
                if node_cycles(graph, consumer) >= node_cycles(graph, node):
                    words += -(-first_patch(graph, consumer, index) // node.mapping.lanes)
                most = max(most, words)
        word_bits = node.mapping.lanes * node.type.bits * (graph.steps_in_window or 1)
        depth = min(most, MOST_BITS // word_bits) if most >= LEAST_WORDS else 0
        nodes.append(replace(node, mapping=replace(node.mapping, queue_words=depth)))
    return graph.with_nodes(nodes)


def first_patch(graph: Graph, node: Node, index: int) -> int:
    """Elements of the next frame that synapse `index` can use as soon as it ends a frame.

    The pixels before the first patch is whole, which a busy sliding window takes in one go; a row
    memory takes them ahead but for the rows that do not fit its ring.
    """
    assert node.mapping is not None
    op, source = node.synapses[index].op, graph.edge(node.synapses[index].source)
    if isinstance(op, Identity | Flatten | Linear | Upsample2d):
        return 0
    window = op_window(op, source.shape)
    rows, columns = (span - pad for span, pad in zip(window.span, window.padding, strict=True))
    if wanted_lanes(graph, node, index) == source.channels:
        return (max(rows - 1, 0) * window.columns + max(columns, 0)) * source.channels
    return max(rows - window.stride[0], 0) * window.columns * source.channels


def backlog(sent: Times, taken: Times, taken_lanes: int, sent_lanes: int) -> int:
    """Most words of `sent_lanes` elements that were sent and not yet taken, at any time."""
    gone = np.searchsorted(np.maximum.accumulate(taken), sent, side="right") * taken_lanes
    collecting = max(taken_lanes - sent_lanes, 0)  # a wider word gathers outside of the queue
    waiting = (np.arange(len(sent)) + 1) * sent_lanes - gone - collecting
    return int(-(-int(waiting.max(initial=0)) // sent_lanes))
