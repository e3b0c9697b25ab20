"""Delays of whole steps: what makes feedback possible."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .plumbing import Queue
from .streams import Word


class FrameStart(wiring.Component):
    """Passes words on, and says when a frame begins.

    `begins` is high in the cycle in which the first word of a frame is offered for the first time
    and there is `room` to note that; the frame's words pass from this cycle on. No latency. Reset:
    the next word is the first of a frame.
    """

    def __init__(self, word: Word) -> None:
        super().__init__(
            {
                "i": In(word.signature),
                "o": Out(word.signature),
                "begins": Out(1),
                "room": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        begun, passes = Signal(), Signal()
        m.d.comb += [
            self.begins.eq(self.i.valid & ~begun & self.room),
            passes.eq(begun | self.room),
            self.o.payload.eq(self.i.payload),
            self.o.valid.eq(self.i.valid & passes),
            self.i.ready.eq(self.o.ready & passes),
        ]
        with m.If(self.begins):
            m.d.sync += begun.eq(1)
        with m.If(self.o.valid & self.o.ready & self.o.payload.last):
            m.d.sync += begun.eq(0)
        return m


class Delay(wiring.Component):
    """The same trains `delay_steps` later within a frame; silence first, the rest is dropped.

    Words carry one step. The silence of a frame waits for no word of it, so a loop can begin, but
    for the frame: `begins` is high in a cycle in which one begins at the network's input,
    no more than `PENDING_FRAMES` before its silence does, while `room` is low. So no
    delay, however long, sends more frames than the network gets.

    `streaming`: the same trains `delay_steps` later in one stream. Silence comes after a reset
    only, nothing is dropped, and each frame still waits for its `begins`.

    The queue inside holds `delay_steps + 1` steps (or all that are kept, where these are fewer).
    Proof that no stall pattern deadlocks feedback then. Order steps by frame and number; within a
    step, order nodes such that sources without delay come first. Suppose that the network stops,
    and let (step t, node n) be the first whose words have not all been sent. All steps before t
    are sent, by every node; so every synapse has what it needs of them, and every engine
    will have taken it. What n needs of step t stands before it in the order or is t - delay of a
    Delay: all that was sent, and is in order in the queues before n. So n has its word, and stops
    because one of its consumers does not take it. This is no join, as a queue with room for a
    whole step stands before it (`core.edge_queue_words`), and what it held of the steps before t
    is gone. It is no Delay: of the steps up to t - 1 its own consumer has taken those up to
    t - 1 - delay_steps, so at most delay_steps are held, and step t fits. It is no output. So it
    is a node of one synapse, which stops for one of these reasons, and it stands later in
    the order: going on we come to the last node, which has no such consumer. Contradiction. (With
    `streaming` number the steps of the stream; what a Delay owes of step t is sent before t, too.)
    """

    PENDING_FRAMES = 31

    def __init__(
        self,
        word: Word,
        words_per_step: int,
        steps: int,
        delay_steps: int,
        streaming: bool = False,
    ) -> None:
        self.word = word
        self.frame_words = words_per_step * steps
        self.silent_words = words_per_step * min(delay_steps, steps)
        self.kept_words = self.frame_words - self.silent_words
        self.held_words = min(words_per_step * (delay_steps + 1), self.kept_words)
        self.streaming = streaming
        if streaming:
            self.silent_words, self.kept_words = words_per_step * delay_steps, self.frame_words
            self.held_words = self.silent_words + words_per_step
        super().__init__(
            {
                "i": In(word.signature),
                "o": Out(word.signature),
                "begins": In(1),
                "room": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = Queue(self.word, self.held_words)
        written = Signal(range(self.frame_words))
        keep = Signal()
        m.d.comb += [
            keep.eq(written < self.kept_words),
            queue.i.payload.eq(self.i.payload),
            queue.i.valid.eq(self.i.valid & keep),
            self.i.ready.eq(queue.i.ready | ~keep),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += written.eq(Mux(written == self.frame_words - 1, 0, written + 1))
        read = Signal(range(self.frame_words))
        pending = Signal(range(self.PENDING_FRAMES + 1))
        silent, first, begun, goes = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            self.room.eq(pending != self.PENDING_FRAMES),
            first.eq(read == 0),
            silent.eq(self._is_silent(m, read, goes)),
            begun.eq(~first | (pending != 0)),
            self.o.valid.eq(begun & (silent | queue.o.valid)),
            self.o.payload.last.eq(read == self.frame_words - 1),
            queue.o.ready.eq(self.o.ready & begun & ~silent),
            goes.eq(self.o.valid & self.o.ready),
        ]
        with m.If(~silent):
            m.d.comb += self.o.payload.values.eq(queue.o.payload.values)
        with m.If(goes):
            m.d.sync += read.eq(Mux(read == self.frame_words - 1, 0, read + 1))
        m.d.sync += pending.eq(pending + self.begins - (goes & first))
        return m

    def _is_silent(self, m: Module, read: Value, goes: Value) -> Value:
        """Whether the next word is silence: at the start of a frame, or of the stream."""
        if not self.streaming:
            return read < self.silent_words
        left = Signal(range(self.silent_words + 1), init=self.silent_words)
        with m.If(goes & (left != 0)):
            m.d.sync += left.eq(left - 1)
        return left != 0
