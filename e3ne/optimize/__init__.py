"""Graph and mapping change here, never a number."""

from .choose_mapping import choose_mapping, with_events

__all__ = ["choose_mapping", "with_events"]
