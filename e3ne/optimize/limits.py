"""What a design may use: the user's budget, and what the board has of everything else."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..boards import Board
from ..config import Config
from ..config.budget import RESOURCES, limit_of
from ..cost import Prediction
from ..ir import BadInput

COLUMNS = RESOURCES  # the order of resources in arrays of costs


@dataclass(frozen=True)
class Limits:
    """The most of each resource and figure; `given` are those that the user's budget names.

    Cycles may be infinite. Times in microseconds are cycles of the board's clock here.
    """

    luts: float
    ffs: float
    brams: float
    dsps: float
    spram_bits: float
    latency_cycles: float = math.inf
    interval_cycles: float = math.inf
    energy_nj: float = math.inf
    given: tuple[str, ...] = ()

    @property
    def cycles(self) -> float:
        """The least of the limits in cycles."""
        return min(self.latency_cycles, self.interval_cycles)

    def exceeded(self, found: Prediction) -> list[str]:
        """The names of the limits that a prediction is above."""
        return [
            name
            for name in (*COLUMNS, "latency_cycles", "interval_cycles", "energy_nj")
            if getattr(found, name, 0) > getattr(self, name)
        ]


def limits_of(board: Board, config: Config) -> Limits:
    """The limits of a configuration on a board; BadInput with every one that cannot be meant."""
    budget, problems = config.budget, []
    most: dict[str, float] = {name: getattr(board.resources, name) for name in COLUMNS}
    most["luts"] = int(board.resources.luts * config.utilisation)
    for name in COLUMNS:
        if name not in budget:
            continue
        available = getattr(board.resources, name)
        wanted = limit_of(budget[name], available)
        if available == 0 and wanted > 0:
            problems.append(
                f"config.budget.{name}: found {budget[name]!r}, accepted 0: board {board.name} has "
                "none; leave it out or take another board"
            )
        most[name] = min(wanted, available)
    cycles = {}
    for name in ("latency", "interval"):
        most_cycles = float(budget.get(f"{name}_cycles", math.inf))
        if f"{name}_us" in budget:
            us = float(budget[f"{name}_us"])
            within = math.floor(us * board.clock_hz / 1e6 + 1e-9)
            if within < 1:
                problems.append(
                    f"config.budget.{name}_us: found {us:g}, accepted at least one cycle of the "
                    f"board's clock, {1e6 / board.clock_hz:g}"
                )
            most_cycles = min(most_cycles, within)
        cycles[f"{name}_cycles"] = most_cycles
    if problems:
        raise BadInput(problems)
    energy = float(budget.get("energy_nj", math.inf))
    return Limits(**most, **cycles, energy_nj=energy, given=tuple(budget))
