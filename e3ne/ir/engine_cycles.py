"""Cycle formulas of the DENSE engine, used by its tests and by the cost model."""

from __future__ import annotations

import math

from .geometry import Fold, Window, window_walk

TREE_LEVELS = 2
"""Levels of adders (or comparators) between two registers."""


def row_memory_cycles(window: Window, fold: Fold, chunks: int = 1) -> int:
    """Cycles of a RowMemory for one window of steps, while no row is missing.

    Each slice takes `chunks` cycles in the unit behind. Between two output rows the memory frees
    the rows that left the kernel, one a cycle, and starts in one more (one more again where a
    window ends); the three slices (or the row's, where it has fewer) on their way to the
    multipliers hide chunks - 1 cycles of that each.
    """
    rows, columns = window.out_shape
    hidden = min(3, columns * fold.words) * (chunks - 1)
    total = freed = 0
    for row in range(1, rows + 1):
        top = row * window.stride[0] - window.padding[0]
        free = window.rows if row == rows else min(max(top, 0), window.rows)
        gap = free - freed + (2 if row == rows else 1)
        freed = free
        total += columns * fold.words * chunks + max(0, gap - hidden)
    return total


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


def matrix_latency(in_lanes: int, chunks: int) -> int:
    """Cycles from the transfer of a slice to the one of the currents that it completes."""
    levels = (in_lanes - 1).bit_length()
    return 2 + -(-levels // TREE_LEVELS) + chunks


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
