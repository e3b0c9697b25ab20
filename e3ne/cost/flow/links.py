"""Streams between models, and what keeps words in between.

A model is stepped once a cycle, after whoever takes its words. It finds `valid` of its inputs as
they were when the cycle began (their makers have not been stepped yet) and `ready` of its outputs
(whoever takes them has), sets `ready` of its inputs, and leaves its own `valid` for the next cycle.
"""

from __future__ import annotations

from typing import Any, Protocol


class Link:
    """One stream: a word is transferred in a cycle with `valid` and `ready`.

    `payload` belongs to the word that is offered: what a model behind must know of it, else None.
    """

    def __init__(self) -> None:
        self.valid: Any = False
        self.ready = False
        self.payload: Any = None


class Part(Protocol):
    """A model of one component."""

    def step(self) -> None:
        """One clock cycle."""


class Pipe:
    """`stages` registers that move together while the last one is empty or taken."""

    def __init__(self, i: Link, stages: int) -> None:
        self.i, self.o = i, Link()
        self.held = [False] * (stages - 1)

    def step(self) -> None:
        """One clock cycle."""
        i, o = self.i, self.o
        moves = i.ready = not o.valid or o.ready
        if moves:
            self.held.append(i.valid)
            o.valid = self.held.pop(0)


class Slots:
    """Registers in front of `o` that move together; `o.payload` is what was put in, or None."""

    def __init__(self, stages: int) -> None:
        self.o = Link()
        self.held: list[Any] = [None] * (stages - 1)

    @property
    def moves(self) -> bool:
        """Whether everything goes on in this cycle."""
        return not self.o.valid or self.o.ready

    def put(self, item: Any) -> None:
        """Moves on by one, with `item` (None: nothing) in the first register."""
        self.held.append(item)
        self.o.payload = self.held.pop(0)
        self.o.valid = self.o.payload is not None


class Queue:
    """A plumbing.Queue: a memory, and a register behind it."""

    def __init__(self, i: Link, depth_words: int) -> None:
        self.i, self.o, self.depth = i, Link(), depth_words
        self.level = 0

    def step(self) -> None:
        """One clock cycle."""
        i, o = self.i, self.o
        i.ready = self.level != self.depth
        reads = self.level != 0 and (not o.valid or o.ready)
        self.level += (i.valid and i.ready) - reads
        if reads:
            o.valid = True
        elif o.ready:
            o.valid = False


class RegisterSlice:
    """Two words of storage; `i.ready` is a register."""

    def __init__(self, i: Link) -> None:
        self.i, self.o, self.spare = i, Link(), False

    def step(self) -> None:
        """One clock cycle."""
        i, o = self.i, self.o
        i.ready = not self.spare
        if not o.valid or o.ready:
            o.valid, self.spare = i.valid or self.spare, False
        elif i.valid:
            self.spare = True


class Skid(Link):
    """Its own output: one word of storage beside the stream; `i.ready` is a register."""

    def __init__(self, i: Link) -> None:
        self.i, self.full, self.ready = i, False, False
        self.spare: Any = None

    @property
    def valid(self) -> bool:  # type: ignore[override]
        """A word that passes, or one that waits."""
        return self.full or bool(self.i.valid)

    @property
    def payload(self) -> Any:  # type: ignore[override]
        """That of the word."""
        return self.spare if self.full else self.i.payload

    def step(self) -> None:
        """One clock cycle."""
        waits = self.valid and not self.ready
        self.i.ready = not self.full
        self.spare = self.payload
        self.full = waits


class Split:
    """One wide word becomes `parts` narrow ones."""

    def __init__(self, i: Link, parts: int) -> None:
        self.i, self.o, self.parts, self.left = i, Link(), parts, 0

    def step(self) -> None:
        """One clock cycle."""
        i, o = self.i, self.o
        i.ready = self.left == 0 or (self.left == 1 and o.ready)
        if o.valid and o.ready:
            self.left -= 1
        if i.valid and i.ready:
            self.left = self.parts
        o.valid = self.left != 0


class Collect:
    """`parts` narrow words become a wide one."""

    def __init__(self, i: Link, parts: int) -> None:
        self.i, self.o, self.parts, self.count = i, Link(), parts, 0

    def step(self) -> None:
        """One clock cycle."""
        i, o = self.i, self.o
        i.ready = not o.valid or o.ready
        if o.ready:
            o.valid = False
        if i.valid and i.ready:
            self.count += 1
            if self.count == self.parts:
                self.count, o.valid = 0, True


class Branch(Link):
    """An output of a Fork."""

    def __init__(self, i: Link) -> None:
        self.i, self.taken = i, False
        self.ready, self.payload = False, None

    @property
    def valid(self) -> bool:  # type: ignore[override]
        """Until it is taken."""
        return self.i.valid and not self.taken


class Fork:
    """Every consumer takes every word when it is ready."""

    def __init__(self, i: Link, consumers: int) -> None:
        self.i, self.outs = i, [Branch(i) for _ in range(consumers)]

    def step(self) -> None:
        """One clock cycle."""
        done = [out.taken or out.ready for out in self.outs]
        self.i.ready = all(done)
        if self.i.valid:
            for out, is_done in zip(self.outs, done, strict=True):
                out.taken = is_done and not self.i.ready


class Replay(Link):
    """Its own output: the words of a frame, as they come and then `times` - 1 times again."""

    def __init__(self, i: Link, words: int, times: int) -> None:
        self.i, self.words, self.times = i, words, times
        self.ready, self.payload = False, None
        self.place = self.time = 0
        self.write = Link()
        self.queue = Queue(self.write, words) if words > 1 else None

    @property
    def valid(self) -> bool:  # type: ignore[override]
        """Whether a word passes or was kept."""
        if self.time == 0:
            return bool(self.i.valid)
        return self.queue is None or bool(self.queue.o.valid)

    def step(self) -> None:
        """One clock cycle."""
        first, goes = self.time == 0, self.valid and self.ready
        self.i.ready = first and self.ready
        if self.queue is not None:
            self.write.valid = goes and self.time != self.times - 1
            self.queue.o.ready = goes and not first
            self.queue.step()
        if goes:
            self.place += 1
            if self.place == self.words:
                self.place, self.time = 0, (self.time + 1) % self.times


class Sum:
    """Words of several streams, added when all are there."""

    def __init__(self, ins: list[Link]) -> None:
        self.ins, self.o = ins, Link()

    def step(self) -> None:
        """One clock cycle."""
        there = all(i.valid for i in self.ins)
        moves = not self.o.valid or self.o.ready
        for i in self.ins:
            i.ready = moves and there
        if moves:
            self.o.valid = there
