"""A graph to search with: what takes long to build of it is estimated.

The nodes of a sketch stand for those of the graph it was made of; a layout found with it is put
onto that graph. Numbers are the same.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache

from .graph import Graph
from .ops import Conv2d, Linear, Op

FEW_WEIGHTS = 64  # of which a network is built as quickly as sketched


@dataclass(frozen=True, eq=False)
class SketchedLinear(Linear):
    """A Linear whose adder network is counted, not built (`network_sketch.py`)."""


@dataclass(frozen=True, eq=False)
class SketchedConv2d(Conv2d):
    """The same of a Conv2d."""


def is_sketch(op: Op) -> bool:
    """Whether the op is one of a sketch."""
    return isinstance(op, SketchedLinear | SketchedConv2d)


def sketch(graph: Graph) -> Graph:
    """The graph with every Linear and Conv2d as a sketch; those of one op are the same object."""
    return graph.with_nodes(
        [
            replace(node, synapses=tuple(replace(s, op=_sketched(s.op)) for s in node.synapses))
            for node in graph.nodes
        ]
    )


@lru_cache(maxsize=256)
def _sketched(op: Op) -> Op:
    match op:
        case Linear():
            return SketchedLinear(**{item.name: getattr(op, item.name) for item in fields(op)})
        case Conv2d():
            return SketchedConv2d(**{item.name: getattr(op, item.name) for item in fields(op)})
        case _:
            return op
