"""Numbers that the LUTs and flip-flops of a piece of logic follow, and its memories."""

from __future__ import annotations

from dataclasses import dataclass, field

from .memories import Memory


@dataclass
class Features:
    """`units` of logic by kind, `ffs` of the pipelines, multipliers, memories."""

    units: dict[str, float] = field(default_factory=dict)
    ffs: float = 0
    dsps: int = 0
    memories: list[Memory] = field(default_factory=list)

    def add(self, kind: str, amount: float) -> None:
        """More of one kind."""
        self.units[kind] = self.units.get(kind, 0) + amount
