"""What the LOGIC engine is made of."""

from __future__ import annotations

from ..ir import Conv2d, Graph, Linear, Node
from .counts import Features


def logic_features(
    found: Features, graph: Graph, node: Node, index: int, op: Linear | Conv2d
) -> None:
    """Adds what one synapse takes."""
    raise NotImplementedError
