"""A synapse as a chain of components from spikes to currents."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ir import (
    ChannelAffine,
    Conv2d,
    Engine,
    Flatten,
    Graph,
    Identity,
    Linear,
    MaxPool2d,
    Node,
    SumPool2d,
    Upsample2d,
)
from ..ir.frames import synapse_windows
from ..ir.geometry import op_window, pool_fold
from ..ir.ranges import synapse_range
from .dense_units import dense_units
from .event_units import event_units
from .logic_units import logic_units
from .patch_slices import PatchSlices
from .pool_unit import PoolUnit
from .rom import RomForm
from .sliding_window import SlidingWindow
from .streams import Word
from .synapse_word import synapse_word
from .upsample_unit import UpsampleUnit


class Widen(wiring.Component):
    """Spikes as currents: the same values with a sign bit. No latency."""

    def __init__(self, word: Word) -> None:
        self.out = Word(word.lanes, word.steps, word.bits + (not word.signed), True)
        super().__init__({"i": In(word.signature), "o": Out(self.out.signature)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
            self.o.payload.last.eq(self.i.payload.last),
        ]
        for lane in range(self.out.lanes):
            for step in range(self.out.steps):
                spike = self.i.payload.values[lane][step]
                m.d.comb += self.o.payload.values[lane][step].eq(spike)
        return m


def synapse_units(graph: Graph, node: Node, index: int, rom_form: RomForm) -> list:
    """Components with members `i`, `o` and attribute `out` (the last one's is the currents')."""
    assert node.mapping is not None
    synapse = node.synapses[index]
    source = graph.edge(synapse.source)
    word = synapse_word(graph, node, index)
    currents = synapse_range(replace(synapse, gain=1), source)
    windows = synapse_windows(graph, node, index)
    match synapse.op:
        case Linear() | Conv2d():
            match node.mapping.engine:
                case Engine.DENSE:
                    return dense_units(graph, node, index, rom_form)
                case Engine.EVENT:
                    return event_units(graph, node, index, rom_form)
                case Engine.LOGIC:
                    return logic_units(graph, node, index, rom_form)
                case _:
                    assert_never(node.mapping.engine)
        case MaxPool2d() | SumPool2d() as op:
            lanes, pixels = node.mapping.synapses[index], node.mapping.pixel_lanes
            window, columns = op_window(op, source.shape), lanes.in_columns
            patches = SlidingWindow(word, window, pixels, windows, columns, lanes.buffer_storage)
            out_lanes = node.mapping.out_lanes
            fold = pool_fold(source.channels, op.kernel, out_lanes)
            slices = PatchSlices(patches.out, source.channels, fold, pixels)
            kind = "max" if isinstance(op, MaxPool2d) else "sum"
            return [patches, slices, PoolUnit(slices.out, out_lanes, currents, kind, pixels)]
        case Upsample2d() as op:
            return [UpsampleUnit(word, op, source.shape, windows)]
        case Identity() | Flatten():
            return [Widen(word)]
        case ChannelAffine():
            raise TypeError("ChannelAffine never reaches hardware")
        case _:
            assert_never(synapse.op)
