"""Cycles of the EVENT engine: what is zero in `trains` costs nothing; without them nothing is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir import Conv2d, Graph, Linear, Node
from ..ir.event_cycles import (
    LIST_LATENCY,
    PICK_LATENCY,
    event_rows_cycles,
    kept_slices,
    list_parts,
    row_start_cycles,
)
from ..ir.event_lanes import LANES_LATENCY
from ..ir.geometry import Window, op_window, synapse_fold
from ..ir.synapse_products import synapse_products
from .activity import (
    Found,
    LanesActivity,
    ListActivity,
    SearchedTrains,
    Trains,
    empty_cycles,
    has_lane_rows,
    lane_events,
    position_cycles,
    row_totals,
    slice_cycles,
    slowest_lane,
    synapse_activity,
)
from .pace import EngineClock, Times


class ListClock:
    """An EventList: the last slice of each output word as it leaves, when words are taken."""

    def __init__(self, windows: list[ListActivity], outs: int, most: int) -> None:
        self.windows, self.outs, self.most = windows, outs, most
        self.number = self.next_take = self.ended = 0
        self.freed = [0, 0]  # when the bank of the window is free

    def window(self, words: Times) -> tuple[Times, Times]:
        """See EngineClock."""
        activity = self.windows[self.number % len(self.windows)]
        room = self.freed[self.number % 2]
        taken: list[int] = []
        pushed: list[int] = []
        at = self.next_take
        for word, pushes in zip(words.tolist(), activity.pushes, strict=True):
            at = max(at, word)
            taken.append(at)
            at = max(at, room - 1)  # it waits in its register for the bank
            pushed += range(at + 1, at + 1 + pushes)
            at += max(1, pushes)
        self.next_take = at
        cycles = np.array(activity.cycles or [activity.empty], np.int64)
        there = np.array([*pushed[1:], at], np.int64)[-len(cycles) :] + LIST_LATENCY - 1
        before = np.cumsum(cycles) - cycles
        leaves = np.maximum(np.maximum.accumulate(there - before), self.ended) + before
        round_trip = int(cycles.sum())
        last = leaves[-1] + np.arange(self.outs, dtype=np.int64) * round_trip
        self.ended = int(last[-1] + cycles[-1])
        self.freed[self.number % 2] = max(int(last[-1]) - 2, 0)
        self.number += 1
        return last - (self.most - cycles[-1]), np.array(taken, np.int64)


class LanesClock:
    """An EventLanes: the last events of each output word as they leave, when words are taken."""

    def __init__(self, windows: list[LanesActivity], outs: int) -> None:
        self.windows, self.outs = windows, outs
        self.number = self.next_take = self.ended = 0
        self.freed = [0, 0]  # when the bank of the window is free

    def window(self, words: Times) -> tuple[Times, Times]:
        """See EngineClock."""
        activity = self.windows[self.number % len(self.windows)]
        cycles, bank = activity.cycles, self.number % 2
        lanes = [self.ended] * len(activity.events[0])  # when each takes its next event
        taken: list[int] = []
        for number, (word, events) in enumerate(zip(words.tolist(), activity.events, strict=True)):
            taken.append(max(word, self.next_take, self.freed[bank]))
            self.next_take = taken[-1] + 1
            last, there = number == len(activity.events) - 1, taken[-1] + LANES_LATENCY
            for lane, count in enumerate(events):
                if count or last:
                    lanes[lane] = max(lanes[lane], there) + max(1, count) * cycles
        first = max(lanes) - cycles  # the last events of the first output word
        leaves = first + np.arange(self.outs, dtype=np.int64) * activity.work * cycles
        self.ended = int(leaves[-1]) + cycles
        self.freed[bank] = int(leaves[-1])
        self.number += 1
        return leaves, np.array(taken, np.int64)


class RowsClock:
    """An EventRows: the last slice of each output word as it leaves, when words are taken.

    `windows`: see `row_totals`.
    """

    def __init__(self, windows: list[list[list[int]]], window: Window, most: int) -> None:
        self.windows, self.shape, self.most = windows, window, most
        self.number = self.next_take = 0
        self.free = self.ended = 0  # the picker takes a patch; the matrix unit takes a slice
        self.room = [0] * window.ring_rows

    def window(self, words: Times) -> tuple[Times, Times]:
        """See EngineClock."""
        shape, room = self.shape, self.room
        patches = iter(self.windows[self.number % len(self.windows)])
        self.number += 1
        rows = np.split(words, shape.rows)
        taken: list[Times] = []  # of each row of words
        leaves: list[int] = []
        freed = 0
        for row in range(shape.out_shape[0]):
            top = row * shape.stride[0] - shape.padding[0]
            needed = min(max(top + shape.span[0], 1), shape.rows)
            while len(taken) < needed:
                taken.append(self._take(rows[len(taken)], room[len(taken)]))
            there = int(taken[needed - 1][-1]) + 2
            offered = max(self.free, there) + row_start_cycles(shape)
            for _ in range(shape.out_shape[1]):
                patch = max(offered, self.free)
                offered = patch + shape.stride[1]
                at = max(patch + PICK_LATENCY, self.ended)
                for cycles in next(patches):
                    at += cycles
                    leaves.append(at - self.most)
                self.ended = at
                self.free = max(patch + 1, at - PICK_LATENCY)
            last = row == shape.out_shape[0] - 1
            gone = shape.rows if last else min(max(top + shape.stride[0], 0), shape.rows)
            room += [self.free + 3] * (gone - freed)
            freed = gone
        while len(taken) < shape.rows:
            taken.append(self._take(rows[len(taken)], room[len(taken)]))
        self.room = room[shape.rows :]
        return np.array(leaves, np.int64), np.concatenate(taken)

    def _take(self, words: Times, room: int) -> Times:
        """When the words of a row are taken: there is room for it then, and one a cycle."""
        place = np.arange(len(words))
        least = np.maximum(words, max(room, self.next_take)) - place
        taken: Times = np.maximum.accumulate(least) + place
        self.next_take = int(taken[-1]) + 1
        return taken


def event_clock(
    graph: Graph, node: Node, index: int, trains: Trains | None = None
) -> tuple[EngineClock, int, int]:
    """As `dense_clock`, of the first frame of `trains`.

    A slice may take less than its most cycles; words leave that much earlier then.
    """
    op, products = node.synapses[index].op, synapse_products(graph, node, index)
    fold, most = synapse_fold(node, index), products.slice_cycles
    clock: EngineClock
    if isinstance(op, Conv2d):
        totals = _once("sums", graph, node, index, trains, row_totals)
        shape = graph.edge(node.synapses[index].source).shape
        return RowsClock(totals, op_window(op, shape), most), products.latency, _apart(most, trains)
    activity = _once("words", graph, node, index, trains, _first_frame)
    if has_lane_rows(node, index):
        events = [item for item in activity if isinstance(item, LanesActivity)]
        clock = LanesClock(events, fold.outs)
    else:
        lists = [item for item in activity if isinstance(item, ListActivity)]
        clock = ListClock(lists, fold.outs, most)
    return clock, products.latency, _apart(most, trains)


def _apart(most: int, trains: Trains | None) -> int:
    """The least distance of two words of currents."""
    return most if trains is None else 1


def _first_frame(graph: Graph, node: Node, index: int, trains: Trains | None) -> list[Any]:
    return [*synapse_activity(graph, node, index, trains, [0])]


def _once(
    kind: str,
    graph: Graph,
    node: Node,
    index: int,
    trains: Trains | None,
    work: Callable[[Graph, Node, int, Trains | None], Found],
) -> Found:
    """What `work` gives; of a search's trains as often as it is new."""
    if isinstance(trains, SearchedTrains):
        return trains.once(kind, graph, node, index, lambda: work(graph, node, index, trains))
    return work(graph, node, index, trains)


def event_cycles(
    graph: Graph, node: Node, index: int, trains: Trains | None = None
) -> tuple[int, int]:
    """As `dense_cycles`; with `trains` the mean over their windows, rounded up."""
    return _once("cycles", graph, node, index, trains, _event_cycles)


def _event_cycles(graph: Graph, node: Node, index: int, trains: Trains | None) -> tuple[int, int]:
    op, type = node.synapses[index].op, graph.edge(node.synapses[index].source)
    fold, empty = synapse_fold(node, index), empty_cycles(graph, node, index)
    frames = list(range(len(trains[node.synapses[index].source]))) if trains is not None else [0]
    if has_lane_rows(node, index):
        events = lane_events(graph, node, index, trains, frames)
        total = fold.outs * int(slowest_lane(events).sum()) * empty
        return -(-total // len(events)), events.shape[1]
    if isinstance(op, Linear):
        kept = slice_cycles(graph, node, index, trains, frames) * kept_slices(graph, node, index)
        spent = kept.sum(axis=1)
        work = fold.outs * np.where(spent == 0, empty, spent)
        parts = list_parts(graph, node, index)
        arrival = np.maximum(1, (kept != 0).reshape(len(kept), -1, parts).sum(axis=2)).sum(axis=1)
        return -(-int(work.sum()) // len(work)), -(-int(arrival.sum()) // len(arrival))
    assert isinstance(op, Conv2d)
    window = op_window(op, type.shape)
    total = 0
    images = slice_cycles(graph, node, index, trains, frames)
    for image in images:
        positions = position_cycles(image, window, fold, empty)
        total += event_rows_cycles(positions, window)
    lanes = type.neurons // fold.in_lanes
    return -(-total // len(images)), lanes
