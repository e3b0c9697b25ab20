"""The matrix unit, fed with every slice or with those that matter."""

from __future__ import annotations

from .links import Link


class Matrix:
    """Each slice takes `chunks` cycles; currents come `stages` cycles behind the last of a sum.

    An EVENT front end says with each slice whether it ends a sum, and its cycles: `slices` is 0.
    """

    def __init__(self, i: Link, slices: int, chunks: int, stages: int) -> None:
        self.i, self.o, self.slices, self.chunks = i, Link(), slices, chunks
        self.held = [False] * (stages - 1)
        self.left, self.index, self.final = 0, 0, False

    def step(self) -> None:
        """One clock cycle."""
        i, o = self.i, self.o
        moves = not o.valid or o.ready
        i.ready = moves and self.left <= 1
        if moves:
            self.held.append(self.left == 1 and self.final)
            o.valid = self.held.pop(0)
            self.left -= self.left > 0
        if i.valid and i.ready:
            if self.slices:
                self.index = self.index + 1 if self.index + 1 < self.slices else 0
                self.final, self.left = self.index == 0, self.chunks
            else:
                self.final, self.left = i.payload
