"""Weights that lie on a uniform grid already: trained with few bits, selections, diagonals.

Rounding such weights to another scale would move them for nothing, so lowering takes the integers
and the scale over. A float32 weight is on the grid of u where it is float32(k u) within a few
units of the last place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..config import ScaleKind
from ..ir import Array
from .factors import largest_level, lowest_level

TOLERANCE = 2.0**-21  # relative: a product and a sum or two in float32
WIDEST_BITS = 9  # of the widest grid that is told about
EVIDENCE = 8  # weights beyond two a row that chance would not put on a grid


@dataclass(frozen=True)
class Grid:
    """w = k unit with -levels <= k <= levels for each row of weights; float64 and int (rows,).

    `unit` is the coarsest; a row of zeros has unit 0 and levels 0.
    """

    unit: Array
    levels: Array


def found_grid(rows: Array, bits: float) -> Grid | None:
    """The grid of each row of float64 (rows, weights), of integers of at most `bits` bits.

    That is -q .. q, or with 2 bits and more -q - 1 .. q (two's complement). None where some row is
    on no such grid.
    """
    units, levels = np.zeros(len(rows)), np.zeros(len(rows), np.int64)
    for index, row in enumerate(rows):
        level = _levels(row, largest_level(bits), lowest_level(bits))
        if level is None:
            return None
        largest = float(np.abs(row).max())
        units[index], levels[index] = largest / max(level, 1), level
    return Grid(units, levels)


def is_no_accident(rows: Array) -> bool:
    """Are there so many weights that chance does not put them all on a grid?"""
    return int(np.maximum((rows != 0).sum(axis=1) - 2, 0).sum()) >= EVIDENCE


def scale_on_grid(rows: Array, biases: Array | None, bits: float, kind: ScaleKind) -> Array | None:
    """The scale, float64 (rows,), in which the weights are integers of `bits` bits, exactly.

    `biases` are the real biases divided by the scale of the source, (rows, biases of that row).
    The scale is the coarsest, or that / j with the least j in which the biases are whole, too. If
    no j is: weights of one magnitude (a diagonal), and so few that their grid is an accident, get
    the finest scale of `bits`, for the sake of the biases; others keep the coarsest. None where
    the weights are on no such grid, or on none whose unit is a power of two where `kind` asks.
    """
    grid = found_grid(rows, bits)
    if grid is None:
        return None
    scales = np.zeros(len(rows))
    for index, (row, level) in enumerate(zip(rows, grid.levels, strict=True)):
        if level == 0:
            continue
        own = None if biases is None else biases[index]
        units = _units(float(np.abs(row).max()), int(level), largest_level(bits), kind)
        divided = _chosen(units, own, int(level) == 1 or not is_no_accident(row[None]))
        if divided is None:
            return None
        scales[index] = divided
    return scales


def _units(largest: float, level: int, limit: int, kind: ScaleKind) -> list[float]:
    """The units of a row of that level, each a division of the coarsest, that `kind` accepts."""
    units = [largest / (level * j) for j in range(1, max(1, limit // level) + 1)]
    return [unit for unit in units if kind == "integer" or np.frexp(unit)[0] == 0.5]


def _chosen(units: list[float], biases: Array | None, fine: bool) -> float | None:
    """The first unit in which the biases are whole, or the finest where `fine` asks for it."""
    if not units:
        return None
    whole = (unit for unit in units if biases is None or _are_whole(biases / unit))
    return next(whole, units[-1] if fine else units[0])


def _levels(row: Array, most: int, lowest: int) -> int | None:
    """The least number of levels of a grid within lowest .. most on which a row is."""
    magnitudes = np.unique(np.abs(row))
    magnitudes = magnitudes[magnitudes > 0]
    if len(magnitudes) == 0:
        return 0
    if len(magnitudes) > -lowest:
        return None
    for level in _candidates(magnitudes, -lowest):
        fits = level <= most or row.max() < magnitudes[-1]
        if fits and _are_whole(magnitudes * (level / magnitudes[-1])):
            return level
    return None


def _candidates(magnitudes: Array, most: int) -> Iterator[int]:
    """The levels that the largest magnitude may have: multiples of its ratio to the least one."""
    for least in range(1, most + 1):
        level = int(np.rint(magnitudes[-1] / magnitudes[0] * least))
        if level > most:
            return
        yield level


def _are_whole(values: Array) -> bool:
    distance = np.abs(values - np.rint(values))
    return bool((distance <= TOLERANCE * np.maximum(np.abs(values), 1)).all())
