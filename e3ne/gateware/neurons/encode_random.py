"""Random numbers of Bernoulli encoders, unrolled to a word a cycle (`ir/random_bits.py`)."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...ir.random_bits import LENGTH, TAP, start_bits
from ..select import selected
from .membrane import Windows


class RandomNumbers(wiring.Component):
    """The numbers that the word at hand compares with, for each step of its window.

    Members: `next` (the word is taken in this cycle), `values`: step k of lane l has the bits from
    (k * lanes + l) * bits on. A shift register of 31 bits a step, moved on by lanes * bits bits a
    word, each new bit one exclusive or: so the numbers do not depend on lanes or windows. Behind
    the last word of a window the registers get the start bits of the next window's steps, behind
    a frame's last word those of the first. Reset: the first word of a frame.
    """

    def __init__(self, seed: int, bits: int, lanes: int, windows: Windows) -> None:
        self.seed, self.word_bits, self.windows = seed, bits * lanes, windows
        super().__init__({"next": In(1), "values": Out(windows.steps * self.word_bits)})

    def elaborate(self, platform):
        m = Module()
        words, windows = self.windows.words, self.windows.windows
        ends_window, window = Signal(init=words == 1), 0
        if words > 1:  # a register says it, so that no register of 31 bits waits for a comparison
            left = Signal(range(words), init=words - 1)
            with m.If(self.next):
                m.d.sync += [
                    left.eq(Mux(ends_window, words - 1, left - 1)),
                    ends_window.eq(left == 1),
                ]
        if windows > 1:
            window = Signal(range(windows))
            with m.If(self.next & ends_window):
                m.d.sync += window.eq(Mux(window == windows - 1, 0, window + 1))
        numbers = []
        for step in range(self.windows.steps):
            starts = [start_bits(self.seed, w * self.windows.steps + step) for w in range(windows)]
            state = Signal(LENGTH, init=starts[0], name=f"state_{step}")
            stream = self._stream(m, state, step)
            following = starts[0]
            if windows > 1:
                following = selected([*starts[1:], starts[0]], window)
            later = stream[self.word_bits : self.word_bits + LENGTH]
            with m.If(self.next):
                m.d.sync += state.eq(Mux(ends_window, following, later))
            numbers.append(stream[: self.word_bits])
        m.d.comb += self.values.eq(Cat(numbers))
        return m

    def _stream(self, m, state, step: int):
        """The register's next bits, `word_bits` of them and a state more, lowest first.

        Squared k times the recurrence holds for distances 2**k times as long, so the deepest bit
        is a few gates away.
        """
        stream, known, wanted = Cat(state), LENGTH, self.word_bits + LENGTH
        while known < wanted:
            stretch = 1 << (known // LENGTH).bit_length() - 1
            more = min(TAP * stretch, wanted - known)
            near, far = known - TAP * stretch, known - LENGTH * stretch
            fresh = Signal(more, name=f"fresh_{step}_{known}")
            m.d.comb += fresh.eq(stream[far : far + more] ^ stream[near : near + more])
            stream, known = Cat(stream, fresh), known + more
        return stream
