"""What a search wants: figures by name, and whether more or less of them is better."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..config.names import nearest
from ..ir import BadInput

MAXIMIZED = ("accuracy",)
MINIMIZED = (
    *("latency_us", "interval_us", "latency_cycles", "interval_cycles"),
    *("luts", "ffs", "brams", "dsps", "energy_nj"),
)
KNOWN = (*MAXIMIZED, *MINIMIZED)
USUAL = ("accuracy", "latency_us", "luts")

Row = tuple[float, ...]
"""The values of the objectives, in their order."""


def objectives_of(text: str | Sequence[str]) -> tuple[str, ...]:
    """`accuracy,latency_us,luts` as names; BadInput where one is unknown or stands twice."""
    names = text.split(",") if isinstance(text, str) else list(text)
    names = [name.strip() for name in names]
    problems = [
        f"--objectives: found {name!r}, accepted {nearest(name, KNOWN)}"
        for name in names
        if name not in KNOWN
    ]
    if len(set(names)) < len(names):
        problems.append(f"--objectives: found {', '.join(names)}, accepted each once")
    if not problems and len(names) < 2:
        problems.append(
            f"--objectives: found {names[0]} alone, accepted two or more; for bits under an "
            "accuracy floor there is `e3ne choose`"
        )
    if problems:
        raise BadInput(problems)
    return tuple(names)


def directions(names: Sequence[str]) -> list[str]:
    """As Optuna calls them."""
    return ["maximize" if name in MAXIMIZED else "minimize" for name in names]


def worst(names: Sequence[str]) -> Row:
    """The values of what cannot be built."""
    return tuple(0.0 if name in MAXIMIZED else math.inf for name in names)


def row_of(names: Sequence[str], figures: Mapping[str, Any]) -> Row:
    """The values of the objectives; BadInput where the figures have not all of them."""
    missing = [name for name in names if figures.get(name) is None]
    if missing:
        raise BadInput(
            f"--objectives: found {', '.join(missing)}, which nobody knows for this network and "
            "board; leave it out"
        )
    return tuple(float(figures[name]) for name in names)


def dominates(names: Sequence[str], one: Row, other: Row) -> bool:
    """Is `one` as good in everything, and better in something?"""
    signs = [1.0 if name in MAXIMIZED else -1.0 for name in names]
    gains = [sign * (a - b) for sign, a, b in zip(signs, one, other, strict=True)]
    return all(gain >= 0 for gain in gains) and any(gain > 0 for gain in gains)


def front(names: Sequence[str], rows: Sequence[Row]) -> list[int]:
    """The places of the rows that no other one dominates; of equal rows the first."""
    found = []
    for place, row in enumerate(rows):
        beaten = any(dominates(names, other, row) for other in rows)
        if not beaten and row not in rows[:place]:
            found.append(place)
    return found
