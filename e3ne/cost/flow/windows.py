"""Whatever slides a window or grows an image."""

from __future__ import annotations

from ...ir.geometry import Fold, Walk, Window, upsample_held_words
from ...ir.ops import Upsample2d
from .links import Link


class RowMemory:
    """Rows in a ring of memory, a slice read a cycle."""

    def __init__(self, i: Link, window: Window, fold: Fold) -> None:
        self.i, self.o = i, Link()
        self.ring, self.steps = window.ring_rows, tuple(window.ring_steps)
        self.row_words = window.columns * (window.channels // fold.in_lanes)
        self.row_slices = window.out_shape[1] * fold.words
        self.position = self.filled = self.owed = self.out_row = self.left = 0
        self.read = False

    def step(self) -> None:
        """One clock cycle."""
        i, o, filled = self.i, self.o, self.filled
        walking = self.left != 0
        i.ready = filled != self.ring
        if i.valid and i.ready:  # a row counts in the cycle of its last word
            self.position += 1
            if self.position == self.row_words:
                self.position = 0
                self.filled += 1
        moves = not o.valid or o.ready
        if moves:
            o.valid, self.read = self.read, walking
            self.left -= walking
        row_ends = moves and walking and self.left == 0
        if row_ends or not walking:
            self._next_row(row_ends)

    def _next_row(self, row_ends: bool) -> None:
        leaving, filled = self.owed, self.filled
        if row_ends:
            leaving = self.steps[self.out_row][1]
            self.out_row = (self.out_row + 1) % len(self.steps)
        if filled < leaving:
            self.owed = leaving
            return
        self.owed = 0
        self.filled -= leaving
        if filled >= leaving + self.steps[self.out_row][0]:
            self.left = self.row_slices


class SlidingWindow:
    """A patch in registers; the walk goes on by one position a cycle."""

    def __init__(self, i: Link, walk: Walk) -> None:
        self.i, self.o, self.at = i, Link(), 0
        places = [(r, c) for r in range(walk.rows.size) for c in range(walk.columns.size)]
        self.takes = tuple(walk.rows.takes(r) and walk.columns.takes(c) for r, c in places)
        self.ends = tuple(walk.rows.ends(r) and walk.columns.ends(c) for r, c in places)
        self.waits = (self.takes[0] or walk.begins_in_padding, *self.takes[1:])

    def step(self) -> None:
        """One clock cycle."""
        i, o, at = self.i, self.o, self.at
        free = not o.valid or o.ready
        i.ready = self.takes[at] and free
        if free and (not self.waits[at] or i.valid):
            o.valid = self.ends[at]
            self.at = at + 1 if at + 1 < len(self.takes) else 0
        elif o.ready:
            o.valid = False


class PatchSlices:
    """A patch of several slices: one after the other."""

    def __init__(self, i: Link, words: int) -> None:
        self.i, self.o, self.words, self.left = i, Link(), words, 0

    def step(self) -> None:
        """One clock cycle."""
        i, o = self.i, self.o
        i.ready = not o.valid or (o.ready and self.left == 1)
        if o.valid and o.ready:
            self.left -= 1
        if i.valid and i.ready:
            self.left = self.words
        o.valid = self.left != 0


class _Grown:
    """The walk of an UpsampleUnit: for each large word its small one, its first and last use."""

    def __init__(self, op: Upsample2d, source: tuple[int, ...], lanes: int) -> None:
        channels, rows, columns = source
        groups = channels // lanes
        down, right = (
            range(size * factor - crop)
            for size, factor, crop in zip((rows, columns), op.factor, op.crop, strict=True)
        )
        f, g = op.factor
        places = [(y, x, k) for y in down for x in right for k in range(groups)]
        self.small = tuple((y // f * columns + x // g) * groups + k for y, x, k in places)
        self.first = tuple(y % f == 0 and x % g == 0 for y, x, _ in places)
        self.last = tuple(
            (y % f == f - 1 or y == down[-1]) and (x % g == g - 1 or x == right[-1])
            for y, x, _ in places
        )
        self.count = rows * columns * groups
        self.at = 0

    def next(self) -> None:
        """The next word of the large image."""
        self.at = self.at + 1 if self.at + 1 < len(self.small) else 0


class InsertZeros(Link):
    """An UpsampleUnit with fill "zero", its own output: words pass, zeros come between them."""

    def __init__(self, i: Link, op: Upsample2d, source: tuple[int, ...], lanes: int) -> None:
        self.i, self.walk = i, _Grown(op, source, lanes)
        self.ready, self.payload = False, None

    @property
    def valid(self) -> bool:  # type: ignore[override]
        """A zero, or a word that comes."""
        return not self.walk.first[self.walk.at] or bool(self.i.valid)

    def step(self) -> None:
        """One clock cycle."""
        goes = self.valid and self.ready
        self.i.ready = self.walk.first[self.walk.at] and self.ready
        if goes:
            self.walk.next()


class Repeat:
    """An UpsampleUnit with fill "repeat": one word in a register, or a ring of words."""

    def __init__(self, i: Link, op: Upsample2d, source: tuple[int, ...], lanes: int) -> None:
        self.i, self.o, self.walk = i, Link(), _Grown(op, source, lanes)
        self.size = upsample_held_words(op, source, lanes)
        self.filled = self.oldest = 0  # words there; the image's word that is the oldest of them

    def step(self) -> None:
        """One clock cycle."""
        i, o, walk = self.i, self.o, self.walk
        if self.size == 1:
            frees = o.valid and o.ready and walk.last[walk.at]
            i.ready = not o.valid or frees
            if o.valid and o.ready:
                walk.next()
            if i.ready:
                o.valid = bool(i.valid)
            return
        free, there = not o.valid or o.ready, self.filled
        i.ready = there != self.size
        moves = free and there > (walk.small[walk.at] - self.oldest) % walk.count
        self.filled += i.valid and i.ready
        if moves:
            if walk.last[walk.at]:
                self.filled -= 1
                self.oldest = (self.oldest + 1) % walk.count
            walk.next()
        if free:
            o.valid = moves
