"""What of the words of a synapse is zero: the cycles of the EVENT engine depend on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from ..ir import Array, Conv2d, Graph, Linear, Node, Storage
from ..ir.edge_words import wanted_lanes
from ..ir.event_cycles import kept_slices, lane_plan, list_parts
from ..ir.frames import source_windows, synapse_windows, window_steps
from ..ir.geometry import Fold, Window, op_window, synapse_fold
from ..ir.order import to_wire
from ..ir.synapse_products import synapse_products

Found = TypeVar("Found")

Trains = Mapping[str, Array]
"""What inputs and nodes send on some frames: integers (frames, steps, *shape) by name."""


class SearchedTrains(dict[str, Array]):
    """Trains of a search, which asks for the same layouts thousands of times.

    `found` keeps what was worked out, by the kind of it and what it depends on.
    """

    def __init__(self, trains: Trains) -> None:
        super().__init__(trains)
        self.found: dict[object, Any] = {}

    def once(
        self, kind: str, graph: Graph, node: Node, index: int, work: Callable[[], Found]
    ) -> Found:
        """What `work` gives for a mapped synapse; done once for layouts that take the same words.

        Where memories lie, queues and the number of neurons change nothing.
        """
        assert node.mapping is not None
        auto = Storage.AUTO
        lanes = replace(node.mapping.synapses[index], storage=auto, buffer_storage=auto)
        alike = replace(node.mapping, synapses=(lanes,), queue_words=0, neuron_lanes=None)
        wanted = wanted_lanes(graph, node, index)
        key = kind, graph.steps_in_window, node.synapses[index], alike, wanted
        if key not in self.found:
            self.found[key] = work()
        found: Found = self.found[key]
        return found


@dataclass(frozen=True)
class ListActivity:
    """One window of a vector: slices that matter in each word; cycles of each of them, in order.

    `empty`: cycles of a sum without any.
    """

    pushes: list[int]
    cycles: list[int]
    empty: int


@dataclass(frozen=True)
class LanesActivity:
    """One window of a vector whose lanes follow their own events.

    `events[word][lane]` are not zero; each takes `cycles` in the unit behind.
    """

    events: list[list[int]]
    cycles: int

    @property
    def work(self) -> int:
        """Events of the slowest lane; in the last word each has one at least."""
        return int(slowest_lane(np.array(self.events)))


@dataclass(frozen=True)
class RowsActivity:
    """One window of an image: for each position, for each sum, the cycles of its slices."""

    sums: list[list[list[int]]]


def synapse_activity(
    graph: Graph, node: Node, index: int, trains: Trains | None, frames: list[int]
) -> list[ListActivity] | list[LanesActivity] | list[RowsActivity]:
    """Of each window of the `frames` of `trains`, in turn; without trains nothing is zero."""
    op = node.synapses[index].op
    if has_lane_rows(node, index):
        return _lanes(graph, node, index, trains, frames)
    if isinstance(op, Linear):
        return _lists(graph, node, index, trains, frames)
    assert isinstance(op, Conv2d)
    return _rows(graph, node, index, trains, frames)


def has_lane_rows(node: Node, index: int) -> bool:
    """Whether the lanes of a mapped synapse follow their own events."""
    assert node.mapping is not None
    return node.mapping.synapses[index].lane_rows


def slice_cycles(
    graph: Graph, node: Node, index: int, trains: Trains | None, frames: list[int]
) -> Array:
    """int64 (windows of all frames, slices of the source in wire order): 0 where all is zero.

    Without `trains` those of one window of slices where everything is one. With `lane_rows` a slice
    is one element.
    """
    assert node.mapping is not None
    synapse, lanes = node.synapses[index], node.mapping.synapses[index]
    source = graph.edge(synapse.source)
    steps = window_steps(graph, source.steps)
    in_lanes = 1 if lanes.lane_rows else lanes.in_lanes
    slices = source.neurons // in_lanes
    most = synapse_products(graph, node, index).slice_cycles
    if trains is None:
        return np.full((1, slices), most, np.int64)
    values = delayed(trains[synapse.source], synapse.delay, frames, graph.streaming)
    wire = to_wire(values, source.shape).reshape(len(frames), -1, steps, slices, in_lanes)
    if picks_planes(graph, node, index):
        planes = [((wire >> bit) & 1).any(axis=(2, 4)) for bit in range(source.bits)]
        there = np.sum(planes, axis=0)
    else:
        there = (wire != 0).any(axis=(2, 4)) * most
    times = synapse_windows(graph, node, index) // source_windows(graph, synapse.source)
    found: Array = np.tile(there, (1, times, 1)).reshape(-1, slices).astype(np.int64)
    return found


def picks_planes(graph: Graph, node: Node, index: int) -> bool:
    """Whether only those planes of bits are visited in which a slice has a one."""
    assert node.mapping is not None
    products = synapse_products(graph, node, index)
    return products.element_bits == 1 and products.planes > 1 and products.chunks == 1


def delayed(trains: Array, delay: int, frames: list[int], streaming: bool) -> Array:
    """The `frames` of a train, `delay` steps later: silence first, or the frame before."""
    chosen = trains[frames]
    if not delay:
        return chosen
    if streaming:
        steps = chosen.reshape(-1, *chosen.shape[2:])
        late = np.concatenate([np.zeros_like(steps[:1]).repeat(delay, axis=0), steps])
        return late[: len(steps)].reshape(chosen.shape)
    silence = np.zeros_like(chosen[:, :1]).repeat(delay, axis=1)
    return np.concatenate([silence, chosen], axis=1)[:, : chosen.shape[1]]


def empty_cycles(graph: Graph, node: Node, index: int) -> int:
    """Cycles of a sum without any slice."""
    if picks_planes(graph, node, index):
        return 1
    return synapse_products(graph, node, index).slice_cycles


def _lists(
    graph: Graph, node: Node, index: int, trains: Trains | None, frames: list[int]
) -> list[ListActivity]:
    keep = kept_slices(graph, node, index)
    parts, empty = list_parts(graph, node, index), empty_cycles(graph, node, index)
    found = slice_cycles(graph, node, index, trains, frames) * keep
    pushes = (found != 0).reshape(len(found), -1, parts).sum(axis=2)
    windows = [
        ListActivity(pushed.tolist(), row[row != 0].tolist(), empty)
        for pushed, row in zip(pushes, found, strict=True)
    ]
    count = len(frames) * synapse_windows(graph, node, index)
    return windows * count if trains is None else windows


def _lanes(
    graph: Graph, node: Node, index: int, trains: Trains | None, frames: list[int]
) -> list[LanesActivity]:
    cycles = empty_cycles(graph, node, index)
    events = lane_events(graph, node, index, trains, frames)
    windows = [LanesActivity(window.tolist(), cycles) for window in events]
    count = len(frames) * synapse_windows(graph, node, index)
    return windows * count if trains is None else windows


def lane_events(
    graph: Graph, node: Node, index: int, trains: Trains | None, frames: list[int]
) -> Array:
    """int64 (windows of all frames, words, lanes): events of lanes that follow their own."""
    plan = lane_plan(graph, node, index)
    found = slice_cycles(graph, node, index, trains, frames) != 0
    owned = np.append(found, np.zeros((len(found), 1), bool), axis=1)[:, plan.elements]
    shape = (len(found), plan.in_lanes, plan.words, plan.places)
    events: Array = owned.reshape(shape).sum(axis=3).swapaxes(1, 2)
    return events


def slowest_lane(events: Array) -> Array:
    """Events that the slowest lane gives out, of (.., words, lanes); one at least in the last."""
    last = np.maximum(events[..., -1, :], 1)
    slowest: Array = (events[..., :-1, :].sum(axis=-2) + last).max(axis=-1)
    return slowest


def _rows(
    graph: Graph, node: Node, index: int, trains: Trains | None, frames: list[int]
) -> list[RowsActivity]:
    op, source = node.synapses[index].op, graph.edge(node.synapses[index].source)
    fold, window = synapse_fold(node, index), op_window(op, source.shape)
    found, empty = (
        slice_cycles(graph, node, index, trains, frames),
        empty_cycles(graph, node, index),
    )
    windows = []
    for image in found:
        patches = patch_cycles(image, window, fold)
        by_group = [[row[row != 0].tolist() or [empty] for row in groups] for groups in patches]
        sums = [[row for row in groups for _ in range(fold.outs)] for groups in by_group]
        windows.append(RowsActivity(sums))
    count = len(frames) * synapse_windows(graph, node, index)
    return windows * count if trains is None else windows


def row_totals(
    graph: Graph, node: Node, index: int, trains: Trains | None
) -> list[list[list[int]]]:
    """Of each window of an image of the first frame: for each position the cycles of its sums."""
    op, source = node.synapses[index].op, graph.edge(node.synapses[index].source)
    assert isinstance(op, Conv2d)
    fold, window = synapse_fold(node, index), op_window(op, source.shape)
    empty = empty_cycles(graph, node, index)
    windows: list[list[list[int]]] = []
    for image in slice_cycles(graph, node, index, trains, [0]):
        by_group = patch_cycles(image, window, fold).sum(axis=2)
        sums = np.where(by_group == 0, empty, by_group).repeat(fold.outs, axis=1)
        windows.append(sums.tolist())
    return windows * synapse_windows(graph, node, index) if trains is None else windows


def patch_cycles(image: Array, window: Window, fold: Fold) -> Array:
    """Cycles of the slices of an image (slices,) under each kernel: (positions, groups, slices)."""
    words = window.channels // fold.in_lanes
    pads = [
        (pad, pad + step + dilation * size)
        for pad, step, dilation, size in zip(
            window.padding, window.stride, window.dilation, window.kernel, strict=True
        )
    ]
    padded = np.pad(image.reshape(window.rows, window.columns, words), [*pads, (0, 0)])
    taps = []
    for row in range(window.kernel[0]):
        for column in range(window.kernel[1]):
            y, x = row * window.dilation[0], column * window.dilation[1]
            part = padded[y :: window.stride[0], x :: window.stride[1]]
            taps.append(part[: window.out_shape[0], : window.out_shape[1]])
    stacked = np.stack(taps, axis=2)  # (rows, columns, positions of the kernel, words)
    by_group = stacked.reshape(*stacked.shape[:3], fold.groups, words // fold.groups)
    moved: Array = np.moveaxis(by_group, 3, 2)
    return moved.reshape(-1, fold.groups, fold.slices)


def position_cycles(image: Array, window: Window, fold: Fold, empty: int) -> Array:
    """Cycles of all sums of each position, int64 (positions,); `empty`: of a sum of nothing."""
    by_group = patch_cycles(image, window, fold).sum(axis=2)
    found: Array = np.where(by_group == 0, empty, by_group).sum(axis=1) * fold.outs
    return found
