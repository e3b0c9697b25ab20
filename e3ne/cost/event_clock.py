"""Cycles of the EVENT engine."""

from __future__ import annotations

from ..ir import Graph, Node
from .pace import EngineClock


def event_clock(graph: Graph, node: Node, index: int) -> tuple[EngineClock, int, int]:
    """As `dense_clock`."""
    raise NotImplementedError


def event_cycles(graph: Graph, node: Node, index: int) -> tuple[int, int]:
    """As `dense_cycles`."""
    raise NotImplementedError
