"""The LOGIC engine: whole vectors or patches times constants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..ir import Conv2d, Graph, Linear, Node
from ..ir.frames import synapse_windows
from ..ir.geometry import op_window
from ..ir.logic_plan import synapse_plan
from ..ir.ranges import synapse_range
from .logic_unit import LogicUnit
from .rom import RomForm
from .sliding_window import SlidingWindow
from .synapse_word import synapse_word


def logic_units(graph: Graph, node: Node, index: int, rom_form: RomForm) -> list[Any]:
    """From spikes to currents: for a Conv2d a sliding window, then the network of constants."""
    assert node.mapping is not None
    synapse, mapping = node.synapses[index], node.mapping
    op, source = synapse.op, graph.edge(synapse.source)
    assert isinstance(op, Linear | Conv2d)
    word = synapse_word(graph, node, index)
    currents = synapse_range(replace(synapse, gain=1), source)
    plan = synapse_plan(graph, node, index)
    if isinstance(op, Linear):
        return [LogicUnit(word, plan, currents)]
    lanes = mapping.synapses[index]
    windows = synapse_windows(graph, node, index)
    patches = SlidingWindow(
        word,
        op_window(op, source.shape),
        mapping.pixel_lanes,
        windows,
        lanes.in_columns,
        lanes.buffer_storage,
    )
    return [patches, LogicUnit(patches.out, plan, currents)]
