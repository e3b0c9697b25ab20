"""Uniform grids: reals that are small integers times one scale."""

from __future__ import annotations

import numpy as np

from .arrays import Array


def grid_of(values: Array, largest: int = 128) -> tuple[Array, float] | None:
    """(integers int64, scale) with float32(integers * scale) == values in every element.

    `values` is float32; the integers are the smallest possible ones, of magnitudes up to
    `largest`. The scale is a float32 where one exists, else a float64; zeros alone get 1. None
    where there is no such grid. The sign of zeros is not kept.
    """
    magnitudes = np.unique(np.abs(values))
    magnitudes = magnitudes[magnitudes > 0].astype(np.float64)
    if len(magnitudes) > largest or not np.isfinite(values).all():
        return None
    if not len(magnitudes):
        return np.zeros(values.shape, np.int64), 1.0
    for highest in range(len(magnitudes), largest + 1):
        scale = _scale(magnitudes, np.rint(magnitudes / (magnitudes[-1] / highest)))
        if scale is not None:
            return np.rint(values.astype(np.float64) / scale).astype(np.int64), scale
    return None


def grids_of_channels(values: Array, largest: int = 128) -> tuple[Array, Array] | None:
    """As grid_of, each index of the first axis with a scale of its own: float64 (channels,)."""
    found: list[tuple[Array, float]] = []
    for channel in values:
        one = grid_of(channel, largest)
        if one is None:
            return None
        found.append(one)
    return np.stack([one[0] for one in found]), np.array([one[1] for one in found])


def _scale(magnitudes: Array, levels: Array) -> float | None:
    """The scale that gives each of `magnitudes`, ascending, from its level; None without one."""
    if levels[0] < 1 or (np.diff(levels) < 1).any():
        return None
    half = np.spacing(magnitudes.astype(np.float32)).astype(np.float64) / 2
    low, high = ((magnitudes - half) / levels).max(), ((magnitudes + half) / levels).min()
    if low > high:
        return None
    middle = np.float32((low + high) / 2)
    near = (middle, np.nextafter(middle, np.float32(0)), np.nextafter(middle, np.float32(np.inf)))
    for scale in (*map(float, near), (low + high) / 2):
        if scale > 0 and (np.float32(levels * scale) == magnitudes).all():
            return float(scale)
    return None
