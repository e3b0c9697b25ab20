"""The EVENT engine: slices that are all zero are left out, then a matrix unit as in DENSE."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..ir import Conv2d, Graph, Linear, Node
from ..ir.event_cycles import kept_slices, lane_plan
from ..ir.frames import synapse_windows
from ..ir.geometry import op_window, synapse_fold
from ..ir.ranges import synapse_range
from .event_lanes import EventLanes
from .event_list import EventList
from .event_rows import EventRows
from .matrix_unit import MatrixUnit
from .plumbing import Skid
from .rom import RomForm
from .synapse_word import in_slice_order, synapse_word


def event_units(graph: Graph, node: Node, index: int, rom_form: RomForm) -> list[Any]:
    """From spikes to currents: a list of slices or rows with flags, then a matrix unit.

    Between lanes and the unit stands a skid: whether the lanes go on would else depend on the
    neurons and on what follows them, through the whole pipeline.
    """
    assert node.mapping is not None
    synapse, mapping = node.synapses[index], node.mapping
    op, source = synapse.op, graph.edge(synapse.source)
    assert isinstance(op, Linear | Conv2d)
    word = synapse_word(graph, node, index)
    windows = synapse_windows(graph, node, index)
    lanes, fold = mapping.synapses[index], synapse_fold(node, index)
    front: EventList | EventRows | EventLanes
    kept_rows = plan = None
    if lanes.lane_rows:
        plan = lane_plan(graph, node, index)
        front = EventLanes(word, plan, fold.outs, windows)
    elif isinstance(op, Linear):
        keep = kept_slices(graph, node, index)
        front = EventList(word, lanes.in_lanes, keep.tolist(), fold.outs, windows)
        places = np.flatnonzero(keep)
        kept_rows = [out * fold.slices + int(k) for out in range(fold.outs) for k in places]
    else:
        front = EventRows(word, op_window(op, source.shape), fold, windows)
    unit = MatrixUnit(
        front.out,
        fold,
        in_slice_order(op, source.shape),
        op.bias,
        synapse_range(replace(synapse, gain=1), source),
        mapping.out_lanes,
        1,
        lanes,
        name=node.name if index == 0 else f"{node.name}.{index}",
        rom_form=rom_form,
        kept_rows=kept_rows,
        plan=plan,
    )
    return [front, unit] if plan is None else [front, Skid(front.out), unit]
