"""Graph and mapping change here, never a number."""

from .map_graph import map_graph, with_events

__all__ = ["map_graph", "with_events"]
