"""What a membrane loop is besides its equation: kept state and the phases of a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..rom import RomImage
from .parameters import NeuronParameters
from .steps import StepItem


@dataclass(frozen=True)
class Windows:
    """How a node's frames travel: `windows` windows of `words` words of `steps` steps.

    `streaming`: what a neuron keeps is kept from frame to frame, too.
    """

    words: int
    windows: int
    steps: int
    streaming: bool = False

    @property
    def kept_words(self) -> int:
        """Words whose membranes are kept from window to window (0: none)."""
        return self.words if self.streaming or self.windows > 1 else 0


class KeptState(wiring.Component):
    """The state of the neurons of the word at hand: 0 at the first step of a frame.

    Members: `update` (a step ends in this cycle: `state` becomes `new`), `ends_word` (it is the
    last step of its word: `state` becomes what the next word kept in the window before, or 0 in
    the first window of a frame), `new`, `state`. With several words and windows a memory of
    `words` words keeps the states; it is read ahead, so a word lasts at least two cycles.
    Reset: the first word of a frame is at hand. `windows.streaming`: only the first window after
    reset begins with 0, and the memory's contents from before it are not used.
    """

    def __init__(self, bits: int, windows: Windows) -> None:
        self.bits, self.windows = bits, windows
        super().__init__(
            {
                "update": In(1),
                "ends_word": In(1),
                "new": In(unsigned(bits)),
                "state": Out(unsigned(bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        words = self.windows.words
        following = Signal(self.bits)
        with m.If(self.update):
            m.d.sync += self.state.eq(Mux(self.ends_word, following, self.new))
        if not self.windows.kept_words:
            return m
        word, next_word = Signal(range(words)), Signal(range(words))
        ends_window = Signal()
        m.d.comb += [
            ends_window.eq(word == words - 1),
            next_word.eq(Mux(ends_window, 0, word + 1)),
        ]
        begins = self._begins(m, ends_window)
        with m.If(self.update & self.ends_word):
            m.d.sync += word.eq(next_word)
        kept = self.new if words == 1 else self._memory(m, word, next_word)
        m.d.comb += following.eq(Mux(begins, 0, kept))
        return m

    def _begins(self, m: Module, ends_window: Value) -> Value:
        """Whether the next word has no state yet: it is in the first window (of the stream)."""
        if self.windows.streaming:
            fresh = Signal(init=1)
            with m.If(self.update & self.ends_word & ends_window):
                m.d.sync += fresh.eq(0)
            return fresh & ~ends_window
        windows = self.windows.windows
        window = Signal(range(windows))
        next_window = Mux(ends_window, Mux(window == windows - 1, 0, window + 1), window)
        with m.If(self.update & self.ends_word):
            m.d.sync += window.eq(next_window)
        return next_window == 0

    def _memory(self, m: Module, word: Value, next_word: Value) -> Value:
        m.submodules.memory = kept = memory.Memory(
            shape=unsigned(self.bits), depth=self.windows.words, init=[]
        )
        write, read = kept.write_port(), kept.read_port()
        m.d.comb += [
            write.addr.eq(word),
            write.data.eq(self.new),
            write.en.eq(self.update & self.ends_word),
            read.addr.eq(next_word),
            read.en.eq(1),
        ]
        return read.data


def phased_step(m: Module, i: Any, o: Any, phases: int, ready: Value) -> tuple[Value, Value]:
    """(phase, final) of a loop that works `phases` cycles on each step of the stream `i`.

    `phase` counts 0 .. phases - 1 while a step is at `i`; it stays at the last one until `o` is
    free. `final` is high in the cycle in which the step ends: `i` is taken, and `o` becomes valid
    with the payload that the caller registers then.
    """
    phase, final = Signal(range(max(2, phases))), Signal()
    at_work = i.valid & ready
    free = ~o.valid | o.ready
    m.d.comb += [
        final.eq(at_work & (phase == phases - 1) & free),
        i.ready.eq(ready & (phase == phases - 1) & free),
    ]
    with m.If(final):
        m.d.sync += phase.eq(0)
    with m.Elif(at_work & (phase != phases - 1)):
        m.d.sync += phase.eq(phase + 1)
    with m.If(free):
        m.d.sync += o.valid.eq(final)
    return phase, final


def end_step(m: Module, i: Any, o: Any, kept: KeptState, state: Value, final: Value) -> None:
    """In the cycle `final` a step ends: `state` is kept, and `o` gets the flags of `i`."""
    m.d.comb += [
        kept.new.eq(state),
        kept.update.eq(final),
        kept.ends_word.eq(i.p.ends_word),
    ]
    with m.If(final):
        m.d.sync += [o.p.ends_word.eq(i.p.ends_word), o.p.last.eq(i.p.last)]


class MembraneLoop(wiring.Component):
    """The membranes of a word, step by step; a subclass says in `step` what a step does.

    Members `i`: steps of `item`, what drives the neurons; `o`: steps of `sent`. `phases` cycles a
    step, and as many to the first output (`phased_step`). `state_bits` bits of each neuron last
    from step to step: 0 at the first step of a frame, kept between its windows (`KeptState`).
    The words have their `parameters`. Reset: a new frame.
    """

    def __init__(
        self,
        item: StepItem,
        sent: StepItem,
        phases: int,
        state_bits: int,
        windows: Windows,
        parameters: NeuronParameters,
    ) -> None:
        self.item, self.sent, self.windows = item, sent, windows
        self.phases, self.state_bits = phases, state_bits
        self.parameters = parameters
        self.roms: tuple[RomImage, ...] = parameters.roms
        super().__init__({"i": In(item.signature), "o": Out(sent.signature)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.parameters = parameters = self.parameters
        m.submodules.kept = kept = KeptState(self.item.lanes * self.state_bits, self.windows)
        phase, final = phased_step(m, self.i, self.o, self.phases, parameters.ready)
        states = [
            self.step(m, lane, kept.state.word_select(lane, self.state_bits), phase, final)
            for lane in range(self.item.lanes)
        ]
        end_step(m, self.i, self.o, kept, Cat(states), final)
        m.d.comb += parameters.next_word.eq(final & self.i.p.ends_word)
        return m

    def step(self, m: Module, lane: int, state: Value, phase: Value, final: Value) -> Value:
        """The state of a lane's neuron behind a step, from the `state` before it.

        Also registers what the lane sends, in the cycle `final`.
        """
        raise NotImplementedError
