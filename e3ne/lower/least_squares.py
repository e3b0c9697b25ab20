"""Scales of the least squared error, of weights and of what is sent.

All functions take rows float64 (rows, values), one row a scale, and give float64 (rows,); a row of
zeros gets 0.
"""

from __future__ import annotations

import numpy as np

from ..ir import Array

RATIOS = np.geomspace(1.0, 0.05, 90)  # of max|w| / q: where the search for a scale starts
REFINEMENTS = 4
CHUNK = 1 << 20  # values of one step of the search


def mean_magnitudes(rows: Array) -> Array:
    """The scale of binary weights: the mean |w| of the weights that are not 0.

    With integers sign(w) it is the least squares solution (Rastegari et al. 2016, XNOR-Net, eq. 6:
    alpha = |W|_1 / n).
    """
    magnitude = np.abs(rows)
    return np.asarray(magnitude.sum(axis=1) / np.maximum((rows != 0).sum(axis=1), 1))


def ternary_scales(rows: Array) -> Array:
    """The scale of -1, 0, +1 with the least squared error; exact, not the rule 0.7 mean|w|.

    Keeping the n largest magnitudes the best scale is their mean, and the error falls by (their
    sum)**2 / n (Li et al. 2016, Ternary Weight Networks, eq. 6); the n of the largest fall wins.
    Rounding w / scale then keeps just those n.
    """
    falling = -np.sort(-np.abs(rows), axis=1)
    sums = np.cumsum(falling, axis=1)
    kept = np.arange(1, rows.shape[1] + 1)
    best = np.argmax(sums**2 / kept, axis=1)
    return np.asarray(np.take_along_axis(sums / kept, best[:, None], axis=1)[:, 0])


def level_scales(rows: Array, limit: int) -> Array:
    """The scale of integers -limit .. limit with (nearly) the least squared error.

    The best of max|w| / limit times 0.05 .. 1 is refined by turns: the nearest integers of a
    scale, then the best scale of these integers, sum(w k) / sum(k k). Rows of values >= 0 get the
    scale of unsigned integers.
    """
    if limit == 1:
        return ternary_scales(rows)
    rows_at_once = max(1, CHUNK // rows.shape[1])
    parts = [
        _searched(rows[start : start + rows_at_once], limit)
        for start in range(0, len(rows), rows_at_once)
    ]
    return np.concatenate(parts)


def squared_errors(rows: Array, scales: Array, limit: int) -> Array:
    """The squared error of each row in its scale > 0."""
    units = np.clip(np.rint(rows / scales[:, None]), -limit, limit)
    return np.asarray(((units * scales[:, None] - rows) ** 2).sum(axis=1))


def _searched(rows: Array, limit: int) -> Array:
    largest = np.abs(rows).max(axis=1) / limit
    safe = np.where(largest > 0, largest, 1.0)
    best, least = safe, squared_errors(rows, safe, limit)
    for ratio in RATIOS[1:]:
        scales = safe * ratio
        error = squared_errors(rows, scales, limit)
        best = np.where(error < least, scales, best)
        least = np.minimum(error, least)
    for _ in range(REFINEMENTS):
        units = np.clip(np.rint(rows / best[:, None]), -limit, limit)
        norms = (units**2).sum(axis=1)
        scales = np.where(norms > 0, (rows * units).sum(axis=1) / np.maximum(norms, 1), best)
        error = squared_errors(rows, scales, limit)
        best = np.where(error < least, scales, best)
        least = np.minimum(error, least)
    return np.where(largest > 0, best, 0.0)
