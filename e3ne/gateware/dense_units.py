"""The DENSE engine: slices of the source times words of weights from a memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..ir import Conv2d, Graph, Linear, Node
from ..ir.frames import synapse_windows
from ..ir.geometry import op_window, synapse_fold
from ..ir.ranges import synapse_range
from .matrix_unit import MatrixUnit
from .patch_slices import PatchSlices
from .rom import RomForm
from .row_memory import RowMemory
from .sliding_window import SlidingWindow
from .synapse_word import in_slice_order, synapse_word


def dense_units(graph: Graph, node: Node, index: int, rom_form: RomForm) -> list[Any]:
    """From spikes to currents: a row memory or a sliding window, then a matrix unit."""
    assert node.mapping is not None
    synapse, mapping = node.synapses[index], node.mapping
    op, source = synapse.op, graph.edge(synapse.source)
    assert isinstance(op, Linear | Conv2d)
    word = synapse_word(graph, node, index)
    windows = synapse_windows(graph, node, index)
    lanes = mapping.synapses[index]
    fold = synapse_fold(node, index)
    window = op_window(op, source.shape)
    slices: list[Any]
    if fold.in_memory:
        slices = [RowMemory(word, window, fold, windows, lanes.buffer_storage)]
    else:
        patches = SlidingWindow(
            *(word, window, mapping.pixel_lanes, windows, lanes.in_columns, lanes.buffer_storage)
        )
        slices = [patches, PatchSlices(patches.out, window.channels, fold, mapping.pixel_lanes)]
    unit = MatrixUnit(
        slices[-1].out,
        fold,
        in_slice_order(op, source.shape),
        op.bias,
        synapse_range(replace(synapse, gain=1), source),
        mapping.out_lanes,
        mapping.pixel_lanes,
        lanes,
        name=node.name if index == 0 else f"{node.name}.{index}",
        rom_form=rom_form,
    )
    return [*slices, unit]
