"""Frames in and out of a network."""

from __future__ import annotations

from .links import Link


class Frames:
    """Beats of frames, offered without a pause; `beats` of each frame. `firsts`: their cycles.

    Where it is `endless`, the first frame comes again behind the last one.
    """

    def __init__(self, beats: list[int]) -> None:
        self.o, self.beats, self.endless = Link(), tuple(beats), False
        self.frame = self.sent = self.cycle = 0
        self.firsts: list[int] = []
        self.o.valid = bool(beats)

    def step(self) -> None:
        """One clock cycle."""
        if self.o.valid and self.o.ready:
            if self.sent == 0:
                self.firsts.append(self.cycle)
            self.sent += 1
            if self.sent == self.beats[self.frame]:
                self.frame, self.sent = self.frame + 1, 0
                if self.endless:
                    self.frame %= len(self.beats)
                self.o.valid = self.frame < len(self.beats)
        self.cycle += 1


class Verdicts:
    """Which frames are known to be good on all inputs; each of `takers` takes every verdict."""

    def __init__(self, takers: int) -> None:
        self.judges: list[Judge] = []
        self.taken = [False] * takers
        self.ready = [False] * takers

    def valid(self, taker: int) -> bool:
        """Whether the next verdict is there for this one; always where nobody judges."""
        return not self.taken[taker] and all(
            judge.waiting and not judge.waiting[0] for judge in self.judges
        )

    def step(self) -> None:
        """One clock cycle, behind all takers and before the judges."""
        done = [
            taken or (self.valid(k) and ready)
            for k, (taken, ready) in enumerate(zip(self.taken, self.ready, strict=True))
        ]
        if all(done):
            for judge in self.judges:
                judge.waiting.pop(0)
            done = [False] * len(done)
        self.taken = done


class Judge:
    """Notes when the last word of a frame crosses a link; two cycles later its verdict is known.

    `words` of each frame. `waiting`: of each verdict that was not taken, the cycles until then.
    """

    def __init__(self, link: Link, words: list[int]) -> None:
        self.link, self.words = link, tuple(words)
        self.sent = self.frame = 0
        self.waiting: list[int] = []

    def step(self) -> None:
        """One clock cycle, behind whoever takes the words."""
        self.waiting = [max(0, cycles - 1) for cycles in self.waiting]
        if self.link.valid and self.link.ready:
            self.sent += 1
            if self.sent == self.words[self.frame]:
                self.sent, self.frame = 0, (self.frame + 1) % len(self.words)
                self.waiting.append(1)


class Gate(Link):
    """Its own output: words of frames that are known to be good."""

    def __init__(self, i: Link, words: int, verdicts: Verdicts, taker: int) -> None:
        self.i, self.words, self.verdicts, self.taker = i, words, verdicts, taker
        self.ready, self.payload, self.sent = False, None, 0

    @property
    def valid(self) -> bool:  # type: ignore[override]
        """A word that may pass."""
        return bool(self.i.valid) and self.verdicts.valid(self.taker)

    def step(self) -> None:
        """One clock cycle."""
        goes = self.valid and self.ready
        self.i.ready = self.ready and self.verdicts.valid(self.taker)
        ends = goes and self.sent == self.words - 1
        self.verdicts.ready[self.taker] = ends
        if goes:
            self.sent = 0 if ends else self.sent + 1


class EventMemory:
    """Two banks of counted events: words of a frame leave while the next one is received."""

    def __init__(self, i: Link, beats: list[int], words: int) -> None:
        self.i, self.o, self.beats, self.words = i, Link(), tuple(beats), words
        self.closed, self.full = [False, False], [False, False]
        self.bank = self.frame = self.got = self.position = self.out_bank = self.shown = 0
        self.closes = self.closing = False
        self.closing_bank = self.sent = 0

    def step(self) -> None:
        """One clock cycle."""
        i, o = self.i, self.o
        i.ready = not self.closed[self.bank ^ self.closes]
        self._send(o)
        if self.closing:
            self.full[self.closing_bank] = True
        self.closing, self.closing_bank = self.closes, self.bank
        if self.closes:
            self.closed[self.bank] = True
            self.bank ^= 1
        self.closes = False
        if i.valid and i.ready:
            self.got += 1
            if self.got == self.beats[self.frame]:
                self.got, self.frame = 0, (self.frame + 1) % len(self.beats)
                self.closes = True

    def _send(self, o: Link) -> None:
        free = not o.valid or o.ready
        sends = self.full[self.out_bank] and free
        if o.valid and o.ready:
            self.sent += 1
            if self.sent == self.words:
                self.sent = 0
                self.closed[self.shown] = False
        if free:
            o.valid = sends
        if sends:
            self.shown = self.out_bank
            self.position += 1
            if self.position == self.words:
                self.position = 0
                self.full[self.out_bank] = False
                self.out_bank ^= 1


class Readout:
    """Collects the words of a frame while the beats of the one before are sent."""

    def __init__(
        self, i: Link, stages: int, words: int, sent_words: int, verdicts: Verdicts, taker: int
    ) -> None:
        self.i, self.o, self.words, self.sent_words = i, Link(), words, sent_words
        self.held = [False] * stages
        self.verdicts, self.taker = verdicts, taker
        self.filled = self.at = self.left = 0

    def step(self) -> None:
        """One clock cycle."""
        i, o = self.i, self.o
        verdict_ready = self.left == 0 and self.filled != 0
        self.verdicts.ready[self.taker] = verdict_ready
        starts = verdict_ready and self.verdicts.valid(self.taker)
        self._collect(i)
        if not o.valid or o.ready:
            o.valid = self.left != 0
            if self.left:
                self.left -= 1
                self.filled -= self.left == 0
        if starts:
            self.left = self.sent_words

    def _collect(self, i: Link) -> None:
        comes = self.held[-1] if self.held else bool(i.valid)
        advance = i.ready = not (comes and self.filled == 2)
        if not advance:
            return
        if self.held:
            self.held.insert(0, bool(i.valid))
            self.held.pop()
        if comes:
            self.at += 1
            if self.at == self.words:
                self.at = 0
                self.filled += 1


class Narrow(Link):
    """Its own output: each word as `parts` beats."""

    def __init__(self, i: Link, parts: int) -> None:
        self.i, self.parts, self.part = i, parts, 0
        self.ready, self.payload = False, None

    @property
    def valid(self) -> bool:  # type: ignore[override]
        """A word is there."""
        return bool(self.i.valid)

    def step(self) -> None:
        """One clock cycle."""
        final = self.part == self.parts - 1
        self.i.ready = self.ready and final
        if self.valid and self.ready:
            self.part = 0 if final else self.part + 1


class Judged(Link):
    """Its own output: classes whose frame is known to be good."""

    def __init__(self, i: Link, verdicts: Verdicts, taker: int) -> None:
        self.i, self.verdicts, self.taker = i, verdicts, taker
        self.ready, self.payload = False, None

    @property
    def valid(self) -> bool:  # type: ignore[override]
        """A class with its verdict."""
        return bool(self.i.valid) and self.verdicts.valid(self.taker)

    def step(self) -> None:
        """One clock cycle."""
        self.i.ready = self.ready and self.verdicts.valid(self.taker)
        self.verdicts.ready[self.taker] = bool(self.i.valid) and self.ready


class ClassPipe(Link):
    """Its own output: the class of a frame, behind `stages` registers of a tree of comparisons.

    A frame has `words` words. All registers wait while a class finds no room.
    """

    def __init__(self, i: Link, stages: int, words: int) -> None:
        self.i, self.words, self.at = i, words, 0
        self.ready, self.payload = False, None
        self.held = [False] * stages

    @property
    def valid(self) -> bool:  # type: ignore[override]
        """A class is there."""
        return self.held[-1] if self.held else self._ends()

    def _ends(self) -> bool:
        return bool(self.i.valid) and self.at == self.words - 1

    def step(self) -> None:
        """One clock cycle."""
        moves = self.i.ready = self.ready or not self.valid
        if not moves:
            return
        if self.held:
            self.held = [self._ends(), *self.held[:-1]]
        if self.i.valid:
            self.at = (self.at + 1) % self.words


class Sink:
    """Takes everything; `cycles` of each beat."""

    def __init__(self, i: Link) -> None:
        self.i, self.cycle = i, 0
        self.cycles: list[int] = []
        i.ready = True

    def step(self) -> None:
        """One clock cycle."""
        if self.i.valid:
            self.cycles.append(self.cycle)
        self.i.ready = True
        self.cycle += 1
