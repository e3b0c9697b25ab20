"""A graph to search with: what takes long to build of it is estimated.

The nodes of a sketch stand for those of the graph it was made of; a layout found with it is put
onto that graph. Numbers are the same.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from .graph import Graph
from .ops import Conv2d, Linear, Op

FEW_WEIGHTS = 512  # of which a network is built as quickly as sketched


@dataclass(frozen=True, eq=False)
class SketchedLinear(Linear):
    """A Linear whose adder network shares nothing: quickly built, and larger than in hardware."""


@dataclass(frozen=True, eq=False)
class SketchedConv2d(Conv2d):
    """The same of a Conv2d."""


def is_sketch(op: Op) -> bool:
    """Whether the op is one of a sketch."""
    return isinstance(op, SketchedLinear | SketchedConv2d)


def sketch(graph: Graph) -> Graph:
    """The graph with every Linear and Conv2d of more than a few weights as a sketch."""
    return graph.with_nodes(
        [
            replace(node, synapses=tuple(replace(s, op=_sketched(s.op)) for s in node.synapses))
            for node in graph.nodes
        ]
    )


def _sketched(op: Op) -> Op:
    if isinstance(op, Linear | Conv2d) and op.weight.size <= FEW_WEIGHTS:
        return op
    match op:
        case Linear():
            return SketchedLinear(**{item.name: getattr(op, item.name) for item in fields(op)})
        case Conv2d():
            return SketchedConv2d(**{item.name: getattr(op, item.name) for item in fields(op)})
        case _:
            return op
