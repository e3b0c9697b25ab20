"""Graph and mapping change here, never a number."""

from .choose_mapping import choose_mapping
from .ports import with_ports

__all__ = ["choose_mapping", "with_ports"]
