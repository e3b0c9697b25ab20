"""When the components that slide a window take words, and when they send slices."""

from __future__ import annotations

import numpy as np

from ..ir.geometry import Fold, Window, window_walk
from .pace import Times


class RowMemoryClock:
    """A RowMemory: the last slice of each output word as it leaves, when words found room."""

    def __init__(self, window: Window, fold: Fold, chunks: int) -> None:
        self.shape, self.chunks = window, chunks
        outs = window.out_shape[1] * fold.groups * fold.outs
        self.slices = np.arange(1, outs + 1, dtype=np.int64) * fold.slices * chunks
        self.room = [0] * window.ring_rows  # when the row of the ring is free for each image row
        self.clock = self.ended = 0  # the reader decides about the next row; the last slice left

    def window(self, words: Times) -> tuple[Times, Times]:
        """See EngineClock."""
        shape, room = self.shape, self.room
        per_row = len(words) // shape.rows
        row_there = words[per_row - 1 :: per_row].tolist()  # the last word of each image row
        times = []
        freed = 0
        for row in range(shape.out_shape[0]):
            top = row * shape.stride[0] - shape.padding[0]
            free = min(max(top, 0), shape.rows)
            room.extend(range(self.clock, self.clock + free - freed))
            self.clock += free - freed
            freed = free
            last = min(max(top + shape.span[0], 1), shape.rows) - 1
            self.clock = max(self.clock, row_there[last] + 1)
            start = max(self.clock + 3, self.ended + self.chunks)  # the row's first slice leaves
            times.append(start + self.slices - self.chunks)
            self.ended = int(times[-1][-1])
            # The reader fetches a slice a cycle, three cycles ahead, until two wait behind it.
            fetched = start - 2 + int(self.slices[-1]) // self.chunks
            self.clock = max(fetched, self.ended - 2 * self.chunks + 1)
        room.extend(range(self.clock, self.clock + shape.rows - freed))
        self.clock += shape.rows - freed + 1
        found, self.room = np.array(room[: shape.rows], np.int64), room[shape.rows :]
        return np.concatenate(times), np.maximum(words, np.repeat(found, per_row))


class SlidingWindowClock:
    """A SlidingWindow and its PatchSlices: the last slice of each word, when pixels are taken."""

    def __init__(
        self, window: Window, fold: Fold, pixel_lanes: int, chunks: int, in_columns: int = 1
    ) -> None:
        self.fold, self.chunks = fold, chunks
        walk = window_walk(window, pixel_lanes, in_columns)
        self.waits = walk.begins_in_padding  # at the first position, for the first word
        self.walk = [  # (a word is taken, a patch is whole) at each position
            (
                walk.rows.takes(row) and walk.columns.takes(column),
                walk.rows.ends(row) and walk.columns.ends(column),
            )
            for row in range(walk.rows.size)
            for column in range(walk.columns.size)
        ]
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
