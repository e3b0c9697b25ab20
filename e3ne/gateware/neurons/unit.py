"""The neuron unit of a node: words of current in, words of spikes out."""

from __future__ import annotations

from typing import Any, assert_never

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ...ir import ONE, Encode, Integrate, IntegrateFire, Node, Rectify, Relay, Requantize
from ...ir.cycles import (
    drive_stages,
    fires_quickly,
    neuron_cycles_per_word,
    neuron_latency_cycles,
)
from ...ir.neurons import goes_on
from ...ir.thresholds import compares
from ..rom import RomForm, RomImage
from ..streams import Word
from .drive import Drive
from .encode import StepEncoder, WordEncoder, encode_unit
from .integrate import IntegrateLoop
from .integrate_fire import FireLoop
from .membrane import Windows
from .quick_fire import QuickFireLoop
from .requantize import RequantizeUnit
from .steps import StepItem, StepJoin, StepSplit, StepSum


class MembraneUnit(wiring.Component):
    """`IntegrateFire` or `Integrate`: split into steps, drive, synaptic current, membrane, join.

    Members `i`: `Word(lanes, steps, bits)` of currents, `o`: `Word(lanes, windows.steps, ...)`,
    both in wire order, window after window. steps == windows.steps, or 1: the same current at
    every step. `neuron_cycles_per_word` cycles a word, `neuron_latency_cycles` to the first. A
    word is taken with its last step and never waits for the next one, so a recurrent loop around
    windows of one step goes on. Reset: a new frame.
    """

    def __init__(self, node: Node, i_word: Word, windows: Windows, rom_form: RomForm) -> None:
        neuron, type = node.neuron, node.type
        assert isinstance(neuron, IntegrateFire | Integrate)
        self.split = StepSplit(i_word, windows.steps)
        self.parts: list[tuple[str, Any]] = []
        item = self.split.item
        filtered = neuron.synaptic_decay is not None
        drives = [("drive", neuron.gain, 0 if filtered else neuron.offset)]
        if filtered:
            drives += [("filter", neuron.synaptic_decay, 0), ("offset", ONE, neuron.offset)]
        for name, factor, offset in drives:
            if name == "filter":
                bits = neuron.membrane_bits
                part = IntegrateLoop(
                    f"{node.name}.synaptic", factor, item, bits, type, windows, rom_form
                )
                item = part.sent
            elif drive_stages(factor, offset):
                part = Drive(f"{node.name}.{name}", factor, offset, item, type, rom_form)
                item = part.driven
            else:
                continue
            self.parts.append((name, part))
        self.parts.append(("membrane", _loop(node, item, windows, rom_form)))
        self.roms: tuple[RomImage, ...] = tuple(
            image for _, part in self.parts for image in part.roms
        )
        self.join = StepJoin(Word(i_word.lanes, windows.steps, type.bits, type.signed))
        super().__init__({"i": In(i_word.signature), "o": Out(self.join.word.signature)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.split, m.submodules.join = self.split, self.join
        connect(m, flipped(self.i), self.split.i)
        source = self.split.o
        for name, part in self.parts:
            m.submodules[name] = part
            connect(m, source, part.i)
            source = part.o
        sink = self.join.i  # wider than what the loop sends where the edge is
        m.d.comb += [
            sink.valid.eq(source.valid),
            source.ready.eq(sink.ready),
            sink.p.ends_word.eq(source.p.ends_word),
            sink.p.last.eq(source.p.last),
        ]
        for lane in range(self.join.item.lanes):
            m.d.comb += sink.p.values[lane].eq(source.p.values[lane])
        connect(m, self.join.o, flipped(self.o))
        return m


class NeuronUnit(wiring.Component):
    """The neurons of a node: an optional sum over the steps, then the unit of its neuron.

    Members `i`: `current_word`, signed currents; `o`: `spike_word`; both in wire order with
    `last` on a frame's last word. `cycles_per_word` and `latency_cycles` are the formulas of
    `ir/cycles.py` for it; `roms` lists its ROM images. Reset: a new frame. `streaming`: membranes,
    all that goes with them, and the levels of delta encoders are kept from frame to frame.
    """

    def __init__(
        self,
        node: Node,
        current_word: Word,
        words_per_window: int,
        windows: int,
        rom_form: RomForm,
        streaming: bool = False,
    ) -> None:
        if current_word.lanes * words_per_window != node.type.neurons:
            raise ValueError(
                f"{node.name}: found {words_per_window} words of {current_word.lanes} lanes for "
                f"{node.type.neurons} neurons"
            )
        steps = node.type.steps // windows
        repeated = isinstance(node.neuron, Encode) and current_word.steps == 1
        if windows > 1 and current_word.steps != steps and not repeated:
            raise ValueError(f"{node.name}: found other steps in than out with {windows} windows")
        endless = streaming and goes_on(node.neuron)
        layout = Windows(words_per_window, windows, steps, endless)
        summed = steps == 1 and current_word.steps > 1
        self.sum = StepSum(current_word) if summed else None
        word = current_word if self.sum is None else self.sum.sum_word
        type = node.type
        self.spike_word = Word(word.lanes, steps, type.bits, type.signed)
        self.core = _core(node, word, self.spike_word, layout, rom_form)
        self.roms: tuple[RomImage, ...] = self.core.roms
        shape = (node.neuron, current_word.steps, steps, layout.kept_words)
        self.cycles_per_word = neuron_cycles_per_word(*shape)
        few_levels = compares(node.neuron, type, word.lanes)
        self.latency_cycles = neuron_latency_cycles(*shape, few_levels)
        super().__init__({"i": In(current_word.signature), "o": Out(self.spike_word.signature)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = self.core
        if self.sum is None:
            connect(m, flipped(self.i), self.core.i)
        else:
            m.submodules.sum = self.sum
            connect(m, flipped(self.i), self.sum.i)
            connect(m, self.sum.o, self.core.i)
        connect(m, self.core.o, flipped(self.o))
        return m


def neuron_unit(
    node: Node,
    current_word: Word,
    words_per_window: int,
    windows: int,
    rom_form: RomForm,
    streaming: bool = False,
) -> NeuronUnit:
    """The unit for the neurons of `node`: `words_per_window` words a window, `windows` a frame.

    ValueError where the words do not hold the node's neurons, or where steps change between several
    windows.
    """
    return NeuronUnit(node, current_word, words_per_window, windows, rom_form, streaming)


def _core(
    node: Node, i_word: Word, o_word: Word, windows: Windows, rom_form: RomForm
) -> RequantizeUnit | MembraneUnit | WordEncoder | StepEncoder:
    match node.neuron:
        case Relay() | Requantize() as neuron:
            return RequantizeUnit(node.name, neuron, i_word, o_word, node.type, rom_form)
        case IntegrateFire() | Integrate():
            return MembraneUnit(node, i_word, windows, rom_form)
        case Encode():
            return encode_unit(node, i_word, windows)
        case Rectify():
            raise TypeError(f"{node.name}: Rectify has no hardware: lower it first")
        case _:
            assert_never(node.neuron)


def _loop(
    node: Node, item: StepItem, windows: Windows, rom_form: RomForm
) -> IntegrateLoop | FireLoop | QuickFireLoop:
    """The membrane itself; its input is the drive."""
    neuron, name = node.neuron, f"{node.name}.membrane"
    if isinstance(neuron, IntegrateFire):
        quick = fires_quickly(neuron, windows.steps)
        loop = QuickFireLoop if quick else FireLoop
        return loop(name, neuron, item, node.type, windows, rom_form)
    assert isinstance(neuron, Integrate)
    bits = neuron.membrane_bits
    return IntegrateLoop(name, neuron.decay, item, bits, node.type, windows, rom_form)
