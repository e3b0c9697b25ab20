"""When the components that slide a window take words, and when they send slices."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..ir.geometry import Fold, Walk, Window, window_walk
from ..ir.row_cycles import RowReader
from .pace import Pace, Times


class RowMemoryClock:
    """A RowMemory: the last slice of each output word as it leaves, when words are taken."""

    def __init__(self, window: Window, fold: Fold, chunks: int) -> None:
        self.reader, self.rows = RowReader(window, fold, chunks), window.rows
        outs = window.out_shape[1] * fold.groups * fold.outs
        self.slices = (np.arange(1, outs + 1, dtype=np.int64) * fold.slices - 1) * chunks
        self.pace = Pace(1)

    def window(self, words: Times) -> tuple[Times, Times]:
        """See EngineClock."""
        image_rows, taken = np.split(words, self.rows), []

        def arrives(row: int, room: int) -> int:
            taken.append(self.pace(np.maximum(image_rows[row], room)))
            return int(taken[-1][-1])

        starts = np.array(self.reader.window(arrives), np.int64)
        leaves = (starts[:, None] + self.slices[None, :]).reshape(-1)
        return leaves, np.concatenate(taken)


@lru_cache(maxsize=256)
def _positions(walk: Walk) -> list[tuple[bool, bool]]:
    """(a word is taken, a patch is whole) at each position."""
    return [
        (
            walk.rows.takes(row) and walk.columns.takes(column),
            walk.rows.ends(row) and walk.columns.ends(column),
        )
        for row in range(walk.rows.size)
        for column in range(walk.columns.size)
    ]


class SlidingWindowClock:
    """A SlidingWindow and its PatchSlices: the last slice of each word, when pixels are taken."""

    def __init__(
        self, window: Window, fold: Fold, pixel_lanes: int, chunks: int, in_columns: int = 1
    ) -> None:
        self.fold, self.chunks = fold, chunks
        walk = window_walk(window, pixel_lanes, in_columns)
        self.waits = walk.begins_in_padding  # at the first position, for the first word
        self.walk = _positions(walk)
        self.step, self.free, self.multiplying = -1, 0, 0
        outs = np.arange(fold.groups * fold.outs, dtype=np.int64) + 1
        self.outs = (outs * fold.slices - 1) * chunks

    def window(self, words: Times) -> tuple[Times, Times]:
        """See EngineClock."""
        arrivals = iter(words.tolist())
        words_of_patch, chunks = self.fold.words, self.chunks
        held = words_of_patch > 1
        step, free, multiplying = self.step, self.free, self.multiplying
        starts, taken_at = [], []
        if self.waits:
            step = max(step, int(words[0]) - 1)
        for takes, ends in self.walk:
            step += 1
            if takes:
                step = max(step, next(arrivals))
                taken_at.append(step)
            if ends:
                taken = max(step + 1, free)
                start = max(taken + held, multiplying)
                free = start + (words_of_patch - 1) * chunks if held else start + chunks
                multiplying = start + words_of_patch * chunks
                starts.append(start)
                step = taken - 1  # the next step may come with the transfer of the patch
        self.step, self.free, self.multiplying = step, free, multiplying
        leaves = (np.array(starts, np.int64)[:, None] + self.outs[None, :]).reshape(-1)
        return leaves, np.array(taken_at, np.int64)
