"""When the words of one synapse are taken, and when its currents leave, window after window.

Times are cycles of transfers. A clock is fed with the words of one window after the other, so that
feedback can be walked step by step. An engine is assumed never to wait for room behind it.
"""

from __future__ import annotations

from typing import Protocol, assert_never

import numpy as np

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
from ..ir.engine_cycles import matrix_latency, pool_latency, upsample_latency
from ..ir.frames import window_steps
from ..ir.geometry import (
    Fold,
    Window,
    matrix_fold,
    op_window,
    pool_fold,
    upsample_held_words,
    wanted_lanes,
)

Times = Array
"""Cycles (words,), int64, increasing: when each word crosses a stream."""


class Pace:
    """Words at least `apart` cycles from each other, over all calls."""

    def __init__(self, apart: int) -> None:
        self.apart = apart
        self.next = 0

    def __call__(self, earliest: Times) -> Times:
        """The same words, no earlier than `earliest`."""
        if not len(earliest):
            return earliest
        index = np.arange(len(earliest), dtype=np.int64) * self.apart
        paced: Times = np.maximum(np.maximum.accumulate(earliest - index), self.next) + index
        self.next = int(paced[-1]) + self.apart
        return paced


class Engine(Protocol):
    """Whatever turns words of spikes into words of currents."""

    def window(self, words: Times) -> tuple[Times, Times]:
        """(when the currents of one window leave, when each of its words is taken)."""


class SynapseClock:
    """The engine of one synapse of a mapped node, and what regroups and queues words before it.

    `apart` is the least distance of two words of currents.
    """

    def __init__(self, graph: Graph, node: Node, index: int) -> None:
        synapse = node.synapses[index]
        self.neurons = graph.edge(synapse.source).neurons
        self.lanes = wanted_lanes(graph, node, index)
        self.split = Pace(1)
        queued = len(node.synapses) > 1 or _queued(graph, synapse.source)
        self.queue_cycles = 2 if queued and not synapse.delay else 0
        self.engine, self.latency, self.apart = _engine(graph, node, index)

    def window(self, sent: Times) -> tuple[Times, Times]:
        """(when the currents leave, when each word is taken), given when the source sends."""
        words = self._regrouped(sent) + self.queue_cycles
        leaves, taken = self.engine.window(words)
        return leaves + self.latency, taken

    def _regrouped(self, words: Times) -> Times:
        """Behind a Regroup: first split to the common lanes, then collected."""
        lanes = self.neurons // len(words)
        common = int(np.gcd(lanes, self.lanes))
        if lanes > common:
            parts = lanes // common
            spread = np.tile(np.arange(parts, dtype=np.int64), len(words))
            words = self.split(np.repeat(words + 1, parts) + spread)
        if self.lanes > common:
            words = words[self.lanes // common - 1 :: self.lanes // common] + 1
        return words


class DelayClock:
    """A Delay of `steps` steps; windows carry one. The silence of a frame comes from `begins` on.

    That is the cycle behind the one in which the first input brings the frame's first word. What a
    stream's Delay holds of the frame before comes then, too.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.pace = Pace(1)

    def window(self, step: int, sent: list[Times], words: int, begins: int) -> Times:
        """When the words of `step` come out; `sent` has those of all earlier steps of a frame."""
        if step < self.steps:
            return self.pace(np.full(words, begins, np.int64))
        return self.pace(sent[step - self.steps] + 2)


def _engine(graph: Graph, node: Node, index: int) -> tuple[Engine, int, int]:
    """(engine, cycles from the last slice of a word to its currents, least distance of words)."""
    assert node.mapping is not None
    mapping, synapse = node.mapping, node.synapses[index]
    type = graph.edge(synapse.source)
    steps = window_steps(graph, type.steps)
    match synapse.op:
        case Linear() | Conv2d() as op:
            lanes = mapping.synapses[index]
            fold = matrix_fold(op, mapping.out_lanes, lanes.in_lanes, mapping.pixel_lanes)
            window, chunks = op_window(op, type.shape), steps // lanes.step_lanes
            latency = matrix_latency(fold.in_lanes, chunks)
            apart = fold.slices * chunks
            if fold.in_memory:
                return RowMemoryClock(window, fold, chunks), latency, apart
            pixels = mapping.pixel_lanes
            return SlidingWindowClock(window, fold, pixels, chunks), latency, apart
        case MaxPool2d() | SumPool2d() as op:
            fold = pool_fold(type.channels, op.kernel, mapping.out_lanes)
            clock = SlidingWindowClock(op_window(op, type.shape), fold, 1, 1)
            return clock, pool_latency(op.kernel[0] * op.kernel[1]), 1
        case Upsample2d() as op:
            return UpsampleClock(op, type.shape, mapping.lanes), 0, 1
        case Identity() | Flatten():
            return Wires(), 0, 1
        case ChannelAffine():
            raise TypeError("ChannelAffine never reaches hardware")
        case _:
            assert_never(synapse.op)


def _queued(graph: Graph, name: str) -> bool:
    """Whether the mapping asks for a queue behind the node called `name`."""
    return any(n.name == name and n.mapping and n.mapping.queue_words for n in graph.nodes)


class Wires:
    """Spikes as currents."""

    def window(self, words: Times) -> tuple[Times, Times]:
        """At once."""
        return words, words


class RowMemoryClock:
    """A RowMemory: the last slice of each output word as it leaves, when words found room."""

    def __init__(self, window: Window, fold: Fold, chunks: int) -> None:
        self.shape, self.chunks = window, chunks
        outs = window.out_shape[1] * fold.groups * fold.outs
        self.slices = np.arange(1, outs + 1, dtype=np.int64) * fold.slices * chunks
        self.room = [0] * window.ring_rows  # when the row of the ring is free for each image row
        self.clock = self.ended = 0  # the reader decides about the next row; the last slice left

    def window(self, words: Times) -> tuple[Times, Times]:
        """See Engine."""
        shape, room = self.shape, self.room
        per_row = len(words) // shape.rows
        row_there = words[per_row - 1 :: per_row].tolist()  # the last word of each image row
        times = []
        freed = 0
        for row in range(shape.out_shape[0]):
            top = row * shape.stride[0] - shape.padding[0]
            free = min(max(top, 0), shape.rows)
            room.extend(range(self.clock, self.clock + free - freed))
            self.clock += free - freed
            freed = free
            last = min(max(top + shape.span[0], 1), shape.rows) - 1
            self.clock = max(self.clock, row_there[last] + 1)
            start = max(self.clock + 3, self.ended + self.chunks)  # the row's first slice leaves
            times.append(start + self.slices - self.chunks)
            self.ended = int(times[-1][-1])
            # The reader fetches a slice a cycle, three cycles ahead, until two wait behind it.
            fetched = start - 2 + int(self.slices[-1]) // self.chunks
            self.clock = max(fetched, self.ended - 2 * self.chunks + 1)
        room.extend(range(self.clock, self.clock + shape.rows - freed))
        self.clock += shape.rows - freed + 1
        found, self.room = np.array(room[: shape.rows], np.int64), room[shape.rows :]
        return np.concatenate(times), np.maximum(words, np.repeat(found, per_row))


class SlidingWindowClock:
    """A SlidingWindow and its PatchSlices: the last slice of each word, when pixels are taken."""

    def __init__(self, window: Window, fold: Fold, pixel_lanes: int, chunks: int) -> None:
        self.fold, self.chunks = fold, chunks
        spans = (window.span[0], window.span[1] + (pixel_lanes - 1) * window.stride[1])
        strides = (window.stride[0], window.stride[1] * pixel_lanes)
        counts = (window.out_shape[0], window.out_shape[1] // pixel_lanes)
        inside = [
            range(pad, pad + size)
            for pad, size in zip(window.padding, (window.rows, window.columns), strict=True)
        ]
        ends = [
            [
                (at - span + 1) % stride == 0 and 0 <= (at - span + 1) // stride < count
                for at in range(size)
            ]
            for size, span, stride, count in zip(window.walk, spans, strides, counts, strict=True)
        ]
        self.walk = [  # (a pixel is taken, a patch is whole) at each position
            (row in inside[0] and column in inside[1], ends[0][row] and ends[1][column])
            for row in range(window.walk[0])
            for column in range(window.walk[1])
        ]
        self.step, self.free, self.multiplying = -1, 0, 0
        outs = np.arange(fold.groups * fold.outs, dtype=np.int64) + 1
        self.outs = (outs * fold.slices - 1) * chunks

    def window(self, words: Times) -> tuple[Times, Times]:
        """See Engine."""
        arrivals = iter(words.tolist())
        words_of_patch, chunks = self.fold.words, self.chunks
        held = words_of_patch > 1
        step, free, multiplying = self.step, self.free, self.multiplying
        starts, taken_at = [], []
        for takes, ends in self.walk:
            step += 1
            if takes:
                step = max(step, next(arrivals))
                taken_at.append(step)
            if ends:
                taken = max(step + 1, free)
                start = max(taken + held, multiplying)
                free = start + (words_of_patch - 1) * chunks if held else start + chunks
                multiplying = start + words_of_patch * chunks
                starts.append(start)
                step = taken - 1  # the next step may come with the transfer of the patch
        self.step, self.free, self.multiplying = step, free, multiplying
        leaves = (np.array(starts, np.int64)[:, None] + self.outs[None, :]).reshape(-1)
        return leaves, np.array(taken_at, np.int64)


class UpsampleClock:
    """An UpsampleUnit: each word of the large image as it leaves, when each small one is taken."""

    def __init__(self, op: Upsample2d, source: tuple[int, ...], lanes: int) -> None:
        self.held = upsample_held_words(op, source, lanes)
        channels, rows, columns = source
        small = np.arange(channels * rows * columns // lanes).reshape(rows, columns, -1)
        large = small.repeat(op.factor[0], axis=0).repeat(op.factor[1], axis=1)
        shown = np.zeros(large.shape, bool)
        shown[:: op.factor[0], :: op.factor[1]] = True
        down, right = (size - crop for size, crop in zip(large.shape[:2], op.crop, strict=True))
        self.needed: Array = large[:down, :right].reshape(-1)
        self.passes: Array = shown[:down, :right].reshape(-1)
        self.pace = Pace(1)
        self.room = np.zeros(self.held, np.int64)  # when there is room for the next words

    def window(self, words: Times) -> tuple[Times, Times]:
        """See Engine."""
        if not self.held:
            leaves = self.pace(np.where(self.passes, words[self.needed], 0))
            return leaves, leaves[self.passes]
        leaves = self.pace(words[self.needed] + upsample_latency(self.held))
        last_use = np.zeros(len(words), np.int64)
        np.maximum.at(last_use, self.needed, leaves)
        room = np.concatenate([self.room, last_use])
        self.room = room[len(words) :]
        return leaves, np.maximum(words, room[: len(words)])
