"""The words that a synapse takes, and the order of its weights."""

from __future__ import annotations

from ..ir import Conv2d, Graph, Linear, Node
from ..ir.arrays import Array
from ..ir.edge_words import wanted_lanes
from ..ir.frames import window_steps
from ..ir.order import wire_index
from .streams import Word


def synapse_word(graph: Graph, node: Node, index: int) -> Word:
    """The words that synapse `index` of a mapped node wants from its source."""
    source = graph.edge(node.synapses[index].source)
    count = wanted_lanes(graph, node, index)
    return Word(count, window_steps(graph, source.steps), source.bits, source.signed)


def in_slice_order(op: Linear | Conv2d, source: tuple[int, ...]) -> Array:
    """Weights (outputs, elements of a patch) in the order in which slices bring the elements.

    A Linear reads a vector in wire order; a Conv2d kernel row, kernel column, channel.
    """
    if isinstance(op, Linear):
        return op.weight[:, wire_index(source)]
    return op.weight.transpose(0, 2, 3, 1).reshape(op.weight.shape[0], -1)
