"""Rows of a constant matrix up to a power of two and a sign: what outputs may have in common."""

from __future__ import annotations

from .table_packing import Entity

NormalRow = tuple[tuple[Entity, ...], int]
"""(weights of a row that are not 0, offset) without the power of two that all of it shares."""


def normal_row(weights: list[int], offset: int) -> tuple[NormalRow, int]:
    """(the row, the shift that it lost)."""
    common = offset
    for weight in weights:
        common |= weight
    shift = (common & -common).bit_length() - 1 if common else 0
    return (tuple((k, w >> shift) for k, w in enumerate(weights) if w), offset >> shift), shift


def negated_row(row: NormalRow) -> NormalRow:
    """The row with all signs changed."""
    return tuple((k, -w) for k, w in row[0]), -row[1]


def distinct_rows(rows: list[NormalRow]) -> tuple[list[NormalRow], list[NormalRow]]:
    """(each row once, those that are the negation of one of these): the more frequent sign."""
    counts: dict[NormalRow, int] = {}
    for row in rows:
        counts[row] = counts.get(row, 0) + 1
    own: dict[NormalRow, None] = {}
    negated: list[NormalRow] = []
    for row, count in counts.items():
        other = negated_row(row)
        rival = counts.get(other, 0) if row[0] else 0
        if rival > count or (rival == count and other in own):
            negated.append(row)
        else:
            own[row] = None
    return list(own), negated
