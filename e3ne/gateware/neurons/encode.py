"""Encoders: samples become spike trains (`ir.Encode`)."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ...ir import Encode, Node
from ...ir.cycles import encode_phases, is_stepwise
from ..rom import RomImage
from ..select import selected
from ..streams import Word
from .encode_random import RandomNumbers
from .membrane import KeptState, Windows, end_step, phased_step
from .pipeline import Pipeline
from .steps import StepItem, StepJoin, StepSplit


class WordEncoder(wiring.Component):
    """Radix, latency and Bernoulli trains: the steps of a window at once.

    Members `i`: `Word(lanes, 1, bits)` of samples, the same words in every window; `o`:
    `Word(lanes, windows.steps, 1)`, both in wire order. A word a cycle; latency 1 cycle, of
    latency trains 2. Reset empties it: the next word is the first of a frame.
    """

    def __init__(self, node: Node, i_word: Word, windows: Windows) -> None:
        assert isinstance(node.neuron, Encode)
        self.neuron, self.steps, self.windows = node.neuron, node.type.steps, windows
        self.o_word = Word(i_word.lanes, windows.steps, 1)
        self.i_word = i_word
        self.roms: tuple[RomImage, ...] = ()
        super().__init__({"i": In(i_word.signature), "o": Out(self.o_word.signature)})

    def elaborate(self, platform):
        m = Module()
        pipeline = Pipeline(m, self.i, self.o)
        taken = Signal()
        m.d.comb += taken.eq(self.i.valid & self.i.ready)
        lanes = range(self.i_word.lanes)
        # Samples are unsigned; the sign bit of a current says nothing.
        samples = [Value.cast(self.i.p.values[k][0])[: self.neuron.bits] for k in lanes]
        window = self._window(m, taken)
        match self.neuron.kind:
            case "radix":
                trains = [self._planes(x, window) for x in samples]
            case "bernoulli":
                trains = self._compared(m, taken, samples)
            case _:
                trains = self._early(pipeline, samples, window)
        last = pipeline.keep([self.i.p.last], "last")
        if self.neuron.kind == "latency":
            last = pipeline.keep(last, "last_again")
        flat = pipeline.keep([spike for train in trains for spike in train], "spike")
        pipeline.stage()
        spikes = [
            self.o.p.values[k][step].eq(flat[k * self.windows.steps + step])
            for k in lanes
            for step in range(self.windows.steps)
        ]
        pipeline.finish([*spikes, self.o.p.last.eq(last[0])])
        return m

    def _window(self, m, taken) -> Value:
        """The index of the window of the word at `i`."""
        words, windows = self.windows.words, self.windows.windows
        if windows == 1:
            return Const(0)
        word, window = Signal(range(max(2, words))), Signal(range(windows))
        with m.If(taken):
            m.d.sync += word.eq(word + 1)
            with m.If(word == words - 1):
                m.d.sync += [word.eq(0), window.eq(Mux(window == windows - 1, 0, window + 1))]
        return window

    def _planes(self, x: Value, window: Value) -> list[Value]:
        """Bit T - 1 - t at step t."""
        steps = self.windows.steps
        return [
            selected(
                [x[self.steps - 1 - (w * steps + k)] for w in range(self.windows.windows)], window
            )
            for k in range(steps)
        ]

    def _compared(self, m, taken, samples: list[Value]) -> list[list[Value]]:
        """A spike where the random number is less than the sample."""
        bits, lanes = self.neuron.bits, len(samples)
        m.submodules.random = random = RandomNumbers(self.neuron.seed, bits, lanes, self.windows)
        m.d.comb += random.next.eq(taken)
        return [
            [
                random.values.word_select(step * lanes + lane, bits) < x
                for step in range(self.windows.steps)
            ]
            for lane, x in enumerate(samples)
        ]

    def _early(self, pipeline: Pipeline, samples: list[Value], window: Value) -> list[list[Value]]:
        """A spike at step ((2**bits - 1 - x) * T) >> bits; a register stage behind the product."""
        times = [((~x)[: len(x)] * self.steps)[self.neuron.bits :] for x in samples]
        times = pipeline.keep(times, "time")
        fires = pipeline.keep([x.any() for x in samples], "fires")
        (window,) = pipeline.keep([window], "window")
        pipeline.stage()
        steps = self.windows.steps
        return [
            [fire & (time == window * steps + step) for step in range(steps)]
            for time, fire in zip(times, fires, strict=True)
        ]


class EncodeLoop(wiring.Component):
    """Regular and delta trains, step by step.

    Members `i`: steps of samples, `o`: steps of spikes. Regular: x is added to what earlier steps
    left over, and the carry is the spike. Delta: x is compared with the level that the spikes have
    told so far, x itself at the first step of a frame (`windows.streaming`: of the stream, whose
    level goes on from frame to frame). `encode_phases` cycles a step, and as many to the first
    output; what is kept of a frame is kept between its windows (`KeptState`). Reset: a new frame.
    """

    def __init__(self, neuron: Encode, item: StepItem, windows: Windows) -> None:
        self.neuron, self.item, self.windows = neuron, item, windows
        delta = neuron.kind == "delta"
        self.sent = StepItem(item.lanes, 2 if delta else 1, signed=delta)
        super().__init__({"i": In(item.signature), "o": Out(self.sent.signature)})

    def elaborate(self, platform):
        m = Module()
        bits, lanes = self.neuron.bits, range(self.item.lanes)
        delta = self.neuron.kind == "delta"
        # Behind the levels of a delta encoder one bit says that there is a level.
        state_bits = bits * self.item.lanes + delta
        m.submodules.kept = kept = KeptState(state_bits, self.windows)
        phases = encode_phases(self.windows.steps, self.windows.kept_words)
        _, final = phased_step(m, self.i, self.o, phases, Const(1))
        after = []
        for lane in lanes:
            x = Value.cast(self.i.p.values[lane])[:bits]
            before = kept.state.word_select(lane, bits)
            step = self._changed if delta else self._carried
            left, spike = step(m, lane, x, before, kept.state[-1])
            after.append(left)
            with m.If(final):
                m.d.sync += self.o.p.values[lane].eq(spike)
        end_step(m, self.i, self.o, kept, Cat(*after, 1) if delta else Cat(after), final)
        return m

    def _carried(self, m, lane: int, x: Value, before: Value, begun: Value) -> tuple[Value, Value]:
        total = Signal(self.neuron.bits + 1, name=f"total_{lane}")
        m.d.comb += total.eq(before + x)
        return total[:-1], total[-1]

    def _changed(self, m, lane: int, x: Value, before: Value, begun: Value) -> tuple[Value, Value]:
        threshold = self.neuron.threshold
        if self.neuron.signed:
            x, before = x.as_signed(), before.as_signed()
        distance = Signal((x - before).shape(), name=f"distance_{lane}")
        level, up, down = (
            Signal(self.neuron.bits, name=f"level_{lane}"),
            Signal(name=f"up_{lane}"),
            Signal(name=f"down_{lane}"),
        )
        m.d.comb += [
            distance.eq(x - before),
            up.eq(begun & (distance >= threshold)),
            down.eq(begun & (distance <= -threshold)),
            level.eq(Mux(begun, before + Mux(up, threshold, Mux(down, -threshold, 0)), x)),
        ]
        return level, Cat(up | down, down)  # 01, 11: +1, -1


class StepEncoder(wiring.Component):
    """Regular and delta trains: split into steps, encoded, joined to words.

    Members `i`: `Word(lanes, 1 or windows.steps, bits)` of samples, `o`: `Word(lanes,
    windows.steps, 1 or 2)`, both in wire order. `neuron_cycles_per_word` cycles a word,
    `neuron_latency_cycles` to the first. Reset: a new frame.
    """

    def __init__(self, node: Node, i_word: Word, windows: Windows) -> None:
        assert isinstance(node.neuron, Encode)
        self.split = StepSplit(i_word, windows.steps)
        self.loop = EncodeLoop(node.neuron, self.split.item, windows)
        sent = self.loop.sent
        self.join = StepJoin(Word(i_word.lanes, windows.steps, sent.bits, sent.signed))
        self.roms: tuple[RomImage, ...] = ()
        super().__init__({"i": In(i_word.signature), "o": Out(self.join.word.signature)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.split, m.submodules.loop, m.submodules.join = self.split, self.loop, self.join
        connect(m, flipped(self.i), self.split.i)
        connect(m, self.split.o, self.loop.i)
        connect(m, self.loop.o, self.join.i)
        connect(m, self.join.o, flipped(self.o))
        return m


def encode_unit(node: Node, i_word: Word, windows: Windows) -> WordEncoder | StepEncoder:
    """The unit of a node of `Encode`."""
    assert isinstance(node.neuron, Encode)
    kind = StepEncoder if is_stepwise(node.neuron) else WordEncoder
    return kind(node, i_word, windows)
