"""What the EVENT engine leaves out, and the cycles of its front ends."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .arrays import Array
from .edge_words import wanted_lanes
from .event_lanes import LanePlan
from .geometry import Window
from .graph import Graph, Node
from .ops import Linear
from .order import wire_index

LIST_LATENCY = 4
"""Cycles of an EventList from the transfer of a window's last word to its last slice."""

PICK_LATENCY = 5
"""Cycles of an EventPick from the transfer of a patch of flags to that of its first slice."""


def list_parts(graph: Graph, node: Node, index: int) -> int:
    """Slices in a word that an EventList takes."""
    assert node.mapping is not None
    return wanted_lanes(graph, node, index) // node.mapping.synapses[index].in_lanes


def lane_plan(graph: Graph, node: Node, index: int) -> LanePlan:
    """Which input lane owns which element, of a synapse with `lane_rows`."""
    assert node.mapping is not None
    count = wanted_lanes(graph, node, index)
    neurons = graph.edge(node.synapses[index].source).neurons
    return LanePlan(neurons // count, count, node.mapping.synapses[index].in_lanes)


def kept_slices(graph: Graph, node: Node, index: int) -> Array:
    """Whether any weight of each slice of a Linear's source is not zero: bool (slices,).

    The first one where all weights are zero: a unit without any slice cannot be built.
    """
    assert node.mapping is not None
    op = node.synapses[index].op
    assert isinstance(op, Linear)
    shape = graph.edge(node.synapses[index].source).shape
    return _kept(op, shape, node.mapping.synapses[index].in_lanes)


@lru_cache(maxsize=1024)
def _kept(op: Linear, shape: tuple[int, ...], in_lanes: int) -> Array:
    used = (op.weight != 0).any(axis=0)[wire_index(shape)]
    keep: Array = used.reshape(-1, in_lanes).any(axis=1)
    keep[0] |= not keep.any()
    return keep


def row_start_cycles(window: Window) -> int:
    """Cycles from the rows under a kernel being there to its row's first patch of flags."""
    return 2 + window.span[1] - 1 - min(window.padding[1], window.span[1] - 1)


def event_rows_cycles(work: Array, window: Window) -> int:
    """Cycles of an EventRows for one window of steps, while no row is missing.

    `work` int64 (positions,): cycles of all slices of a position in the unit behind. Meanwhile the
    flags of the next position are fetched, a column a cycle; at the end of a row those under the
    kernel of the next one.
    """
    rows, columns = window.out_shape
    by_row = work.reshape(rows, columns)
    fetched = np.full(columns, window.stride[1], np.int64)
    fetched[-1] = row_start_cycles(window)
    return int(np.maximum(by_row, fetched).sum())
