"""Neuron units: pipelines, and loops that work several cycles on a step."""

from __future__ import annotations

from .links import Link


class StepSplit:
    """A word becomes its steps."""

    def __init__(self, i: Link, steps: int) -> None:
        self.i, self.o, self.steps, self.at = i, Link(), steps, 0

    def step(self) -> None:
        """One clock cycle."""
        i, o = self.i, self.o
        free = not o.valid or o.ready
        i.ready = free and self.at == self.steps - 1
        if free:
            o.valid = bool(i.valid)
            if i.valid:
                self.at = (self.at + 1) % self.steps


class StepJoin:
    """The steps of a word become the word."""

    def __init__(self, i: Link, steps: int) -> None:
        self.i, self.o, self.steps, self.at = i, Link(), steps, 0

    def step(self) -> None:
        """One clock cycle."""
        i, o = self.i, self.o
        i.ready = not o.valid or o.ready or self.at != self.steps - 1
        if o.ready:
            o.valid = False
        if i.valid and i.ready:
            self.at = (self.at + 1) % self.steps
            if self.at == 0:
                o.valid = True


class Loop:
    """A membrane: `phases` cycles a step."""

    def __init__(self, i: Link, phases: int) -> None:
        self.i, self.o, self.last, self.phase = i, Link(), phases - 1, 0

    def step(self) -> None:
        """One clock cycle."""
        i, o = self.i, self.o
        free = not o.valid or o.ready
        i.ready = self.phase == self.last and free
        final = i.ready and i.valid
        if final:
            self.phase = 0
        elif i.valid and self.phase != self.last:
            self.phase += 1
        if free:
            o.valid = bool(final)
