"""Rows of costs that no other row beats, and few of them where they are too many."""

from __future__ import annotations

import numpy as np

from ..ir import Array

FINEST, WIDEST = 0.005, 16.0  # relative widths of cells


def undominated(rows: Array) -> Array:
    """Indices of the rows (rows, columns) of which no other is as low in every column.

    Of equal rows the first one; ordered by the first column, then the next.
    """
    order = np.lexsort(rows.T[::-1])
    sorted_rows = rows[order]
    kept = []
    while len(order):
        # The lowest row left is beaten by none, as rows that equal it come later.
        kept.append(order[0])
        stays = (sorted_rows < sorted_rows[0]).any(axis=1)
        order, sorted_rows = order[stays], sorted_rows[stays]
    return np.array(kept, np.int64)


def thinned(rows: Array, value: Array, most: int) -> Array:
    """Indices, ascending, of about `most` rows at most that have low values for their costs.

    Of the rows that no other beats in value and costs, of each cell the one of the lowest value. A
    cell has in each column numbers that differ by a few percent, as few as needed. In each column
    the lowest row stays in any case.
    """
    if len(rows) <= most:
        return np.arange(len(rows))
    best = undominated(np.column_stack([value, rows]))
    logs = np.log1p(rows[best].astype(float))
    width = FINEST
    while True:
        cells = np.floor(logs / width).astype(np.int64)
        _, first = np.unique(cells, axis=0, return_index=True)
        if len(first) <= most or width > WIDEST:
            smallest = [int(np.argmin(column)) for column in rows.T]
            return np.unique(np.concatenate([best[first], smallest]))
        width *= 1.1
