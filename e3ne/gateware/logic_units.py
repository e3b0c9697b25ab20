"""The LOGIC engine."""

from __future__ import annotations

from typing import Any

from ..ir import Graph, Node
from .rom import RomForm


def logic_units(graph: Graph, node: Node, index: int, rom_form: RomForm) -> list[Any]:
    """From spikes to currents."""
    raise NotImplementedError
