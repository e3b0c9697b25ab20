"""The DENSE engine of a synapse, as a chain of components from spikes to currents."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ir import (
    ChannelAffine,
    Conv2d,
    Flatten,
    Graph,
    Identity,
    Linear,
    MaxPool2d,
    Node,
    SumPool2d,
    Upsample2d,
)
from ..ir.arrays import Array
from ..ir.frames import synapse_windows, window_steps
from ..ir.geometry import matrix_fold, op_window, pool_fold, wanted_lanes
from ..ir.order import wire_index
from ..ir.ranges import synapse_range
from .matrix_unit import MatrixUnit
from .patch_slices import PatchSlices
from .pool_unit import PoolUnit
from .rom import RomForm
from .row_memory import RowMemory
from .sliding_window import SlidingWindow
from .streams import Word
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


def synapse_word(graph: Graph, node: Node, index: int) -> Word:
    """The words that synapse `index` of a mapped node wants from its source."""
    source = graph.edge(node.synapses[index].source)
    count = wanted_lanes(graph, node, index)
    return Word(count, window_steps(graph, source.steps), source.bits, source.signed)


def synapse_units(graph: Graph, node: Node, index: int, rom_form: RomForm) -> list:
    """Components with members `i`, `o` and attribute `out` (the last one's is the currents')."""
    assert node.mapping is not None
    synapse = node.synapses[index]
    source = graph.edge(synapse.source)
    word = synapse_word(graph, node, index)
    currents = synapse_range(replace(synapse, gain=1), source)
    windows = synapse_windows(graph, node, index)
    match synapse.op:
        case Linear() | Conv2d() as op:
            lanes = node.mapping.synapses[index]
            mapping = node.mapping
            fold = matrix_fold(op, mapping.out_lanes, lanes.in_lanes, mapping.pixel_lanes)
            window = op_window(op, source.shape)
            if fold.in_memory:
                slices = [RowMemory(word, window, fold, windows)]
            else:
                patches = SlidingWindow(word, window, mapping.pixel_lanes, windows)
                slices = [
                    patches,
                    PatchSlices(patches.out, window.channels, fold, mapping.pixel_lanes),
                ]
            unit = MatrixUnit(
                slices[-1].out,
                fold,
                in_slice_order(op, source.shape),
                op.bias,
                currents,
                mapping.out_lanes,
                mapping.pixel_lanes,
                lanes.step_lanes,
                name=node.name if index == 0 else f"{node.name}.{index}",
                rom_form=rom_form,
            )
            return [*slices, unit]
        case MaxPool2d() | SumPool2d() as op:
            patches = SlidingWindow(word, op_window(op, source.shape), windows=windows)
            out_lanes = node.mapping.out_lanes
            fold = pool_fold(source.channels, op.kernel, out_lanes)
            slices = PatchSlices(patches.out, source.channels, fold)
            kind = "max" if isinstance(op, MaxPool2d) else "sum"
            return [patches, slices, PoolUnit(slices.out, out_lanes, currents, kind)]
        case Upsample2d() as op:
            return [UpsampleUnit(word, op, source.shape, windows)]
        case Identity() | Flatten():
            return [Widen(word)]
        case ChannelAffine():
            raise TypeError("ChannelAffine never reaches hardware")
        case _:
            assert_never(synapse.op)


def in_slice_order(op: Linear | Conv2d, source: tuple[int, ...]) -> Array:
    """Weights (outputs, elements of a patch) in the order in which slices bring the elements.

    A Linear reads a vector in wire order; a Conv2d kernel row, kernel column, channel.
    """
    if isinstance(op, Linear):
        return op.weight[:, wire_index(source)]
    return op.weight.transpose(0, 2, 3, 1).reshape(op.weight.shape[0], -1)
