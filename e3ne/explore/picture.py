"""The Pareto front as a picture: one self-contained SVG, a panel for each cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from .objectives import MAXIMIZED, Row

PANEL_WIDTH, PANEL_HEIGHT, MARGIN_LEFT, MARGIN_TOP, GAP = 360, 260, 70, 50, 80
DOT, RING = 3, 6
STYLE = """
text { font: 12px sans-serif; fill: #222 }
.title { font-size: 15px; font-weight: bold }
.frame { fill: none; stroke: #888 }
.grid { stroke: #e4e4e4 }
.trial { fill: #b8c0cc }
.front { fill: #c03028 }
.unconfirmed { fill: #fff; stroke: #c03028; stroke-width: 1.5 }
"""

LEGEND = (
    ("trial", "trial"),
    ("front", "on the front"),
    ("unconfirmed", "on the front, beaten on held out frames"),
)


@dataclass(frozen=True)
class Axis:
    """The scale of one objective; costs that span more than a decade are logarithmic."""

    name: str
    low: float
    high: float
    logarithmic: bool

    def place(self, value: float) -> float:
        """0 .. 1 along the axis."""
        low, high, value = map(self._scaled, (self.low, self.high, value))
        return (value - low) / (high - low)

    def ticks(self) -> list[float]:
        """Round values inside."""
        if self.logarithmic:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            every = [step * 10.0**power for power in powers for step in (1, 2, 5)]
        else:
            raw = (self.high - self.low) / 5
            unit = 10.0 ** math.floor(math.log10(raw))
            step = next(unit * k for k in (1, 2, 5, 10) if unit * k >= raw)
            first = math.ceil(self.low / step)
            every = [step * k for k in range(first, math.floor(self.high / step) + 1)]
        return [tick for tick in every if self.low <= tick <= self.high]

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value


def axis(name: str, values: Sequence[float]) -> Axis:
    """An axis that holds all values, with some room."""
    low, high = min(values), max(values)
    if name not in MAXIMIZED and low > 0 and high / low > 10:
        return Axis(name, low / 1.2, high * 1.2, True)
    room = 0.06 * (high - low) or 0.5 * abs(high) or 1.0
    return Axis(name, low - room, high + room, False)


def pareto_svg(
    title: str,
    names: Sequence[str],
    rows: Sequence[tuple[int, Row]],
    front: Sequence[int],
    unconfirmed: Sequence[int],
) -> str:
    """The picture of trials (number, values); those of the front carry their numbers.

    The first objective is the upright axis, each other one has a panel.
    """
    panels = len(names) - 1
    width = panels * (PANEL_WIDTH + GAP) + MARGIN_LEFT
    height = PANEL_HEIGHT + MARGIN_TOP + 90
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">',
        f"<style>{STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text class="title" x="{MARGIN_LEFT}" y="24">{escape(title)}</text>',
    ]
    upright = axis(names[0], [row[0] for _, row in rows])
    for panel in range(panels):
        left = MARGIN_LEFT + panel * (PANEL_WIDTH + GAP)
        level = axis(names[panel + 1], [row[panel + 1] for _, row in rows])
        lines += _frame(left, upright, level)
        ordered = sorted(rows, key=lambda item: item[0] in front)  # the front is drawn over
        for number, row in ordered:
            x = left + PANEL_WIDTH * level.place(row[panel + 1])
            y = MARGIN_TOP + PANEL_HEIGHT * (1 - upright.place(row[0]))
            lines += _dot(x, y, number, front, unconfirmed, names, row)
    lines += _legend(height - 16)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _frame(left: float, upright: Axis, level: Axis) -> Iterator[str]:
    """Frame, grid, ticks and names of a panel."""
    bottom = MARGIN_TOP + PANEL_HEIGHT
    for tick in level.ticks():
        x = left + PANEL_WIDTH * level.place(tick)
        yield f'<line class="grid" x1="{x:.1f}" y1="{MARGIN_TOP}" x2="{x:.1f}" y2="{bottom}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{tick:,g}</text>'
    for tick in upright.ticks():
        y = bottom - PANEL_HEIGHT * upright.place(tick)
        yield (
            f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{left + PANEL_WIDTH}" y2="{y:.1f}"/>'
        )
        yield f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:,g}</text>'
    yield (
        f'<rect class="frame" x="{left}" y="{MARGIN_TOP}" width="{PANEL_WIDTH}" '
        f'height="{PANEL_HEIGHT}"/>'
    )
    middle = left + PANEL_WIDTH / 2
    yield f'<text x="{middle}" y="{bottom + 36}" text-anchor="middle">{level.name}</text>'
    yield f'<text x="{left}" y="{MARGIN_TOP - 8}">{upright.name}</text>'


def _dot(
    x: float,
    y: float,
    number: int,
    front: Sequence[int],
    unconfirmed: Sequence[int],
    names: Sequence[str],
    row: Row,
) -> Iterator[str]:
    """A trial; what it is stands in its tooltip."""
    told = ", ".join(f"{name} {value:,g}" for name, value in zip(names, row, strict=True))
    tip = f"<title>trial {number}: {told}</title>"
    if number not in front:
        yield f'<circle class="trial" cx="{x:.1f}" cy="{y:.1f}" r="{DOT}">{tip}</circle>'
        return
    kind = "unconfirmed" if number in unconfirmed else "front"
    yield f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{RING}">{tip}</circle>'
    yield f'<text x="{x + RING + 2:.1f}" y="{y - 4:.1f}">{number}</text>'


def _legend(y: float) -> Iterator[str]:
    x = float(MARGIN_LEFT)
    for kind, text in LEGEND:
        radius = DOT if kind == "trial" else RING
        yield f'<circle class="{kind}" cx="{x}" cy="{y - 4}" r="{radius}"/>'
        yield f'<text x="{x + 12}" y="{y}">{text}</text>'
        x += 24 + 7 * len(text)
