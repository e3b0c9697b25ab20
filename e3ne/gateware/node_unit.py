"""One population in hardware: its synapses side by side, their sum, its neurons."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ir import Graph, Node
from ..ir.frames import window_steps
from ..ir.ranges import current_range
from .matrix_unit import MatrixUnit
from .neurons import neuron_unit
from .plumbing import Hold, Split
from .rom import RomForm, RomImage
from .streams import Word
from .sum_unit import SumUnit
from .synapse_units import synapse_units
from .synapse_word import synapse_word


class NodeUnit(wiring.Component):
    """`i0`, `i1`, ...: the spikes of each synapse's source; `o`: what the population sends.

    `words_in[k]` is the word that synapse k wants, `word` the one of `o`. `roms` lists the images
    of all ROMs inside.
    """

    def __init__(self, graph: Graph, node: Node, rom_form: RomForm) -> None:
        assert node.mapping is not None
        count = len(node.synapses)
        self.words_in = tuple(synapse_word(graph, node, index) for index in range(count))
        self.chains = [synapse_units(graph, node, index, rom_form) for index in range(count)]
        currents = [chain[-1].out for chain in self.chains]
        self.sum = None
        gains = [synapse.gain for synapse in node.synapses]
        if gains != [1]:
            self.sum = SumUnit(currents, gains, current_range(graph, node))
            currents = [self.sum.out]
        self.split = None
        if node.mapping.neuron_parts > 1:
            self.split = Split(currents[0], node.mapping.lanes)
            currents = [self.split.out]
        steps = window_steps(graph, node.type.steps)
        self.word = Word(node.mapping.lanes, steps, node.type.bits, node.type.signed)
        self.neuron = neuron_unit(
            node,
            currents[0],
            words_per_window=node.type.neurons // node.mapping.lanes,
            windows=node.type.steps // steps,
            rom_form=rom_form,
            streaming=graph.streaming,
        )
        # A neuron unit takes a word when it is done with it; the engine forms the next meanwhile.
        # A Split or a sum keeps it as well.
        self.hold = None
        if self.sum is self.split is None and self.neuron.cycles_per_word > 1:
            self.hold = Hold(currents[0])
        units = [unit for chain in self.chains for unit in chain]
        self.roms: tuple[RomImage, ...] = (
            *(rom for unit in units if isinstance(unit, MatrixUnit) for rom in unit.roms),
            *self.neuron.roms,
        )
        ins = {f"i{index}": In(word.signature) for index, word in enumerate(self.words_in)}
        super().__init__({**ins, "o": Out(self.word.signature)})

    def elaborate(self, platform):
        m = Module()
        streams = []
        for index, chain in enumerate(self.chains):
            stream = wiring.flipped(getattr(self, f"i{index}"))
            for unit in chain:
                m.submodules[f"{type(unit).__name__.lower()}{index}"] = unit
                wiring.connect(m, stream, unit.i)
                stream = unit.o
            streams.append(stream)
        if self.sum is not None:
            m.submodules.sum = self.sum
            for index, stream in enumerate(streams):
                wiring.connect(m, stream, getattr(self.sum, f"i{index}"))
            streams = [self.sum.o]
        between = (("split", self.split), ("hold", self.hold))
        for name, unit in ((name, unit) for name, unit in between if unit is not None):
            m.submodules[name] = unit
            wiring.connect(m, streams[0], unit.i)
            streams = [unit.o]
        m.submodules.neuron = self.neuron
        wiring.connect(m, streams[0], self.neuron.i)
        wiring.connect(m, self.neuron.o, wiring.flipped(self.o))
        return m
