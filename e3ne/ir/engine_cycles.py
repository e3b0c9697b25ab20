"""Cycle formulas of the DENSE engine, used by its tests and by the cost model."""

from __future__ import annotations

import math

from .geometry import Fold, Window, window_walk

TREE_LEVELS = 2
"""Levels of adders (or comparators) of a pool between two registers."""


def folded_window_cycles(
    window: Window, pixel_lanes: int = 1, words: int = 1, chunks: int = 1, in_columns: int = 1
) -> int:
    """Cycles of a SlidingWindow for one window of steps, its patches taken in turn.

    It walks `in_columns` columns a cycle. A patch is cut into `words` slices, each of which takes
    `chunks` cycles in the unit behind. The walk goes on meanwhile, until the next patch is ready;
    so positions without a patch hide behind the work on the last one, and those at the start of a
    window do not. Walks three windows and returns the distance of the last two ends.
    """
    walk = window_walk(window, pixel_lanes, in_columns)
    if words * chunks == 1:
        return walk.cycles
    column_ends = [walk.columns.ends(column) for column in range(walk.columns.size)]
    time = free = multiplying = 0  # when the walk stepped, the slicer and the multipliers are free
    ends = []
    for _ in range(3):
        for row in range(walk.rows.size):
            row_ends = walk.rows.ends(row)
            for column_end in column_ends:
                time += 1
                if row_ends and column_end:
                    time = max(time, free)
                    start = max(time + (words > 1), multiplying)
                    free = start + (words - 1) * chunks if words > 1 else start + chunks
                    multiplying = start + words * chunks
        ends.append(multiplying)
    return ends[2] - ends[1]


def matrix_cycles(window: Window, fold: Fold, pixel_lanes: int, chunks: int) -> int:
    """Cycles of a MatrixUnit for one window of steps, taken in `chunks` of step lanes."""
    rows, columns = window.out_shape
    return rows * columns // pixel_lanes * fold.words * chunks


def pool_latency(positions: int) -> int:
    """Cycles from the transfer of a patch to the one of its pooled values."""
    levels = (positions - 1).bit_length()
    return max(1, -(-levels // TREE_LEVELS))


def upsample_cycles(shape: tuple[int, ...], lanes: int) -> int:
    """Cycles of an UpsampleUnit for one window of steps: one a word of the large image `shape`."""
    return math.prod(shape) // lanes


def upsample_latency(held_words: int) -> int:
    """Cycles from the transfer of a word to its first one behind: none, a register, a memory."""
    return min(held_words, 2)
