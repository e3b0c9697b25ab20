"""When a RowMemory sends the slices of its output rows, and when its ring has room again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from .geometry import Fold, Window

LONG_AGO = -(1 << 40)
WARM, COUNTED = 3, 4  # images, to see how long one takes


class RowReader:
    """The reader of a RowMemory whose slices take `chunks` cycles each in the unit behind.

    It decides about an output row while the last slice of the row before is fetched, or when the
    last word of the rows under the kernel comes; the row's first slice is fetched in the next cycle
    and leaves two more later, unless those before it are still on their way. Rows that left the
    kernel are free from the cycle behind the decision on.
    """

    def __init__(self, window: Window, fold: Fold, chunks: int) -> None:
        self.rows, self.chunks = window.ring_steps, chunks
        self.row_slices = window.out_shape[1] * fold.words
        self.room = [0] * window.ring_rows  # from when on, for each image row that was not offered
        self.decided = -1
        # The last slice: fetched, moved on to the output register, left.
        self.fetched = self.moved = self.left = LONG_AGO

    def window(self, arrives: Callable[[int, int], int]) -> list[int]:
        """When the first slice of each output row leaves; one image after the other.

        `arrives(row, room)` says when the last word of an image row comes, for which there is room
        from cycle `room` on; it is asked once for each row, in order.
        """
        starts: list[int] = []
        ends: list[int] = []  # the last words of image rows
        first = 0
        for needed, freed in self.rows:
            while len(ends) < first + needed:
                ends.append(arrives(len(ends), self.room.pop(0)))
            if needed:
                self.decided = max(self.decided, ends[first + needed - 1])
            starts.append(self._row())
            first += freed
            while len(ends) < first:
                ends.append(arrives(len(ends), self.room.pop(0)))
            self.decided = self.fetched
            if freed:
                self.decided = max(self.decided, ends[first - 1])
                self.room += [self.decided + 1] * freed
        return starts

    def _row(self) -> int:
        """Walks over one output row; when its first slice leaves."""
        starts = [0, 0]
        for k in range(min(self.row_slices, 2)):
            fetched = max(self.decided + 1, self.moved)
            if self.moved < self.decided + 1 < self.left:
                fetched = self.left
            self.decided = self.fetched = fetched
            self.moved = max(fetched + 1, self.left)
            self.left = starts[k] = max(self.moved + 1, self.left + self.chunks)
        if self.row_slices > 2:
            self.left += (self.row_slices - 2) * self.chunks
            self.fetched, self.moved = self.left - 2 * self.chunks, self.left - self.chunks
        return starts[0]


def row_memory_cycles(window: Window, fold: Fold, chunks: int = 1) -> int:
    """Cycles of a RowMemory for one window of steps, where a word is always offered to it.

    Each slice takes `chunks` cycles in the unit behind. Cycles are lost where the ring has no room
    for rows of the next image in time, or a row takes longer to come than to be walked over: then
    the mean of some images, rounded up.
    """
    row_words = window.columns * (window.channels // fold.in_lanes)
    row_cycles = window.out_shape[1] * fold.words * chunks
    if max(_new_rows(window)) * row_words + 2 <= row_cycles and _has_room(window):
        return window.out_shape[0] * row_cycles
    reader = RowReader(window, fold, chunks)
    written = -1

    def arrives(row: int, room: int) -> int:
        nonlocal written
        written = max(written, room - 1) + row_words
        return written

    ends = []
    for _ in range(WARM + COUNTED):
        reader.window(arrives)
        ends.append(reader.left)
    return -(-(ends[-1] - ends[WARM - 1]) // COUNTED)


def _new_rows(window: Window) -> list[int]:
    """Image rows that come while one output row is walked over, for the next one."""
    first, bottoms = 0, []
    for needed, freed in window.ring_steps:
        bottoms.append(first + needed)
        first += freed
    bottoms.append(window.rows + bottoms[0])
    return [after - before for before, after in pairwise(bottoms)]


def _has_room(window: Window) -> bool:
    """Whether what the first output row needs fits the ring while the last one is walked over."""
    steps = window.ring_steps
    return steps[-1][1] + steps[0][0] <= window.ring_rows
