"""Delays of whole steps, and the beginning of frames that they wait for."""

from __future__ import annotations

from .links import Link, Queue

PENDING_FRAMES = 31  # as gateware.delays.Delay


class Delay:
    """The same words `delay_steps` later; silence first.

    It ends a loop, so it is stepped last: `announce` says at the begin of a cycle whether it takes
    a word, and notes whether there is one.
    """

    def __init__(
        self, i: Link, words_per_step: int, steps: int, delay_steps: int, streaming: bool
    ) -> None:
        self.i, self.o, self.streaming = i, Link(), streaming
        self.frame_words = words_per_step * steps
        self.silent = words_per_step * (delay_steps if streaming else min(delay_steps, steps))
        self.kept = self.frame_words - (0 if streaming else self.silent)
        held = words_per_step * (delay_steps + 1)
        if not streaming:
            held = min(held, self.kept)
        self.write = Link()
        self.queue = Queue(self.write, held)
        self.silence_left = self.silent  # of a stream
        self.written = self.read = self.pending = 0
        self.begins = self.comes = False

    @property
    def room(self) -> bool:
        """Whether one more frame may begin."""
        return self.pending != PENDING_FRAMES

    def announce(self) -> None:
        """Sets `i.ready`."""
        full = self.queue.level == self.queue.depth
        self.i.ready = not full or self.written >= self.kept
        self.comes = bool(self.i.valid)

    def step(self) -> None:
        """One clock cycle; `begins` says that a frame did."""
        takes = self.comes and self.i.ready
        self.write.valid = self.comes and self.written < self.kept
        goes = self.o.valid and self.o.ready
        was_silent = self._is_silent()
        self.queue.o.ready = self.o.ready and self._begun() and not was_silent
        self.queue.step()
        if takes:
            self.written = (self.written + 1) % self.frame_words
        self.pending += self.begins - (goes and self.read == 0)
        self.begins = False
        if goes:
            self.read = (self.read + 1) % self.frame_words
            self.silence_left -= self.silence_left > 0
        self.o.valid = self._begun() and (self._is_silent() or self.queue.o.valid)

    def _begun(self) -> bool:
        return self.read != 0 or self.pending != 0

    def _is_silent(self) -> bool:
        return self.silence_left > 0 if self.streaming else self.read < self.silent


class FrameStart(Link):
    """Its own output: words pass; every frame tells the delays that it begins."""

    def __init__(self, i: Link, words: int, delays: list[Delay]) -> None:
        self.i, self.words, self.delays = i, words, delays
        self.ready, self.payload = False, None
        self.sent, self.begun = 0, False

    @property
    def valid(self) -> bool:  # type: ignore[override]
        """Whether a word passes."""
        return bool(self.i.valid) and (self.begun or self._room())

    def _room(self) -> bool:
        return all(delay.room for delay in self.delays)

    def step(self) -> None:
        """One clock cycle."""
        valid, passes = self.valid, self.begun or self._room()
        self.i.ready = self.ready and passes
        if valid and not self.begun:
            self.begun = True
            for delay in self.delays:
                delay.begins = True
        if valid and self.ready:
            self.sent += 1
            if self.sent == self.words:
                self.sent, self.begun = 0, False
