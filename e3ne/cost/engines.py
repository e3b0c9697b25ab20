"""When the words of one synapse are taken, and when its currents leave, window after window.

Times are cycles of transfers. A clock is fed with the words of one window after the other, so that
feedback can be walked step by step. An engine is assumed never to wait for room behind it.
"""

from __future__ import annotations

from typing import assert_never

import numpy as np

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
from ..ir.arrays import Array
from ..ir.edge_words import queue_words, wanted_lanes
from ..ir.engine_cycles import pool_latency, upsample_latency
from ..ir.geometry import op_window, pool_fold, upsample_held_words
from .activity import Trains
from .dense_clock import dense_clock
from .event_clock import event_clock
from .logic_clock import logic_clock
from .pace import EngineClock, Pace, Times
from .window_clocks import SlidingWindowClock


class SynapseClock:
    """The engine of one synapse of a mapped node, and what regroups and queues words before it.

    `apart` is the least distance of two words of currents.
    """

    def __init__(self, graph: Graph, node: Node, index: int, trains: Trains | None = None) -> None:
        synapse = node.synapses[index]
        self.neurons = graph.edge(synapse.source).neurons
        self.lanes = wanted_lanes(graph, node, index)
        self.split = Pace(1)
        queued = len(node.synapses) > 1 or queue_words(graph, synapse.source) > 0
        self.queue_cycles = 2 if queued and not synapse.delay else 0
        self.engine, self.latency, self.apart = _engine(graph, node, index, trains)

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


def _engine(
    graph: Graph, node: Node, index: int, trains: Trains | None
) -> tuple[EngineClock, int, int]:
    """(engine, cycles from the last slice of a word to its currents, least distance of words)."""
    assert node.mapping is not None
    mapping, synapse = node.mapping, node.synapses[index]
    type = graph.edge(synapse.source)
    match synapse.op:
        case Linear() | Conv2d():
            match mapping.engine:
                case Engine.DENSE:
                    return dense_clock(graph, node, index)
                case Engine.EVENT:
                    return event_clock(graph, node, index, trains)
                case Engine.LOGIC:
                    return logic_clock(graph, node, index)
                case _:
                    assert_never(mapping.engine)
        case MaxPool2d() | SumPool2d() as op:
            fold = pool_fold(type.channels, op.kernel, mapping.out_lanes)
            window, columns = op_window(op, type.shape), mapping.synapses[index].in_columns
            clock = SlidingWindowClock(window, fold, mapping.pixel_lanes, 1, columns)
            return clock, pool_latency(op.kernel[0] * op.kernel[1]), 1
        case Upsample2d() as op:
            return UpsampleClock(op, type.shape, mapping.current_lanes), 0, 1
        case Identity() | Flatten():
            return Wires(), 0, 1
        case ChannelAffine():
            raise TypeError("ChannelAffine never reaches hardware")
        case _:
            assert_never(synapse.op)


class Wires:
    """Spikes as currents."""

    def window(self, words: Times) -> tuple[Times, Times]:
        """At once."""
        return words, words


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
        """See EngineClock."""
        if not self.held:
            leaves = self.pace(np.where(self.passes, words[self.needed], 0))
            return leaves, leaves[self.passes]
        leaves = self.pace(words[self.needed] + upsample_latency(self.held))
        last_use = np.zeros(len(words), np.int64)
        np.maximum.at(last_use, self.needed, leaves)
        room = np.concatenate([self.room, last_use])
        self.room = room[len(words) :]
        return leaves, np.maximum(words, room[: len(words)])
