"""When words cross the streams of a mapped network: one frame through an idle pipeline.

Times are the cycles in which words are transferred, counted from the frame's first beat (0). A
producer is assumed never to wait for room behind it: in an idle pipeline a full queue in front of
a busy unit delays the producer, not the unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

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
    Synapse,
    Upsample2d,
)
from ..ir.arrays import Array
from ..ir.cycles import (
    neuron_cycles_per_word,
    neuron_latency_cycles,
    readout_latency_cycles,
)
from ..ir.engine_cycles import matrix_latency, pool_latency, upsample_latency
from ..ir.frames import input_format, output_format, window_steps
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
"""Cycles (words,), int64, increasing: when each word of a frame crosses a stream."""


def frame_latency(graph: Graph, known: Mapping[str, Times] | None = None) -> int:
    """Cycles from a frame's first input beat to its last output word; `known`: see node_times.

    The first beats of all inputs come together; the last word is that of the latest output.
    """
    times = node_times(graph, known)
    ends = []
    for output in graph.outputs:
        window = window_steps(graph, graph.edge(output.source).steps)
        first = int(times[output.source][-1]) + readout_latency_cycles(window, output.readout)
        ends.append(first + output_format(graph, output).words - 1)
    return max(ends)


def node_times(graph: Graph, known: Mapping[str, Times] | None = None) -> dict[str, Times]:
    """When the words of each input and of each node are sent.

    `known` holds those of nodes before which nothing changed since they were computed.
    """
    known = known or {}
    times = {
        source.name: np.arange(input_format(graph, source).beats_per_frame, dtype=np.int64) + 1
        for source in graph.inputs
    }
    for node in graph.nodes:
        if node.name in known:
            times[node.name] = known[node.name]
            continue
        times[node.name] = _node(graph, node, times)
    return times


def _node(graph: Graph, node: Node, times: dict[str, Times]) -> Times:
    """The words of a node; recurrence is walked step by step."""
    assert node.mapping is not None
    currents = [
        synapse_times(graph, node, index, _source_times(graph, synapse, times))
        for index, synapse in enumerate(node.synapses)
        if synapse.source != node.name
    ]
    loops = [index for index, s in enumerate(node.synapses) if s.source == node.name]
    joined = currents[0] if len(currents) == 1 else np.max(currents, axis=0)
    steps_in = min(
        graph.edge(node.synapses[0].source).steps,
        window_steps(graph, graph.edge(node.synapses[0].source).steps),
    )
    steps_out = window_steps(graph, node.type.steps)
    words = node.type.neurons // node.mapping.lanes
    kept = words if node.type.steps > steps_out else 0
    apart = neuron_cycles_per_word(node.neuron, steps_in, steps_out, kept)
    latency = neuron_latency_cycles(node.neuron, steps_in, steps_out, kept)
    if len(node.synapses) > 1 or node.synapses[0].gain != 1 or apart > 1:
        joined = joined + 1  # a SumUnit, or the Hold before a slow neuron
    if not loops:
        return _paced(joined + latency, apart)
    return _recurrent(graph, node, joined, loops, apart, latency)


def _recurrent(
    graph: Graph, node: Node, joined: Times, loops: list[int], apart: int, latency: int
) -> Times:
    """Words of one step wait for the node's own spikes of the steps before."""
    words = len(joined) // node.type.steps
    sent = np.zeros(0, np.int64)
    for step in range(node.type.steps):
        ready = joined[: (step + 1) * words].copy()
        for index in loops:
            fed = _delayed(sent, node.synapses[index].delay * words, (step + 1) * words)
            ready = np.maximum(ready, synapse_times(graph, node, index, fed, step + 1) + 1)
        sent = _paced(ready + latency, apart)
    return sent


def _source_times(graph: Graph, synapse: Synapse, times: dict[str, Times]) -> Times:
    words = times[synapse.source]
    silent = synapse.delay * len(words) // graph.edge(synapse.source).steps
    return _delayed(words, silent, len(words)) if synapse.delay else words


def _delayed(words: Times, silent: int, count: int) -> Times:
    """Behind a Delay: `silent` words at once, then those of the source; `count` in all."""
    at_once = np.arange(min(silent, count), dtype=np.int64)
    return _paced(np.concatenate([at_once, words + 2])[:count], 1)


def synapse_times(
    graph: Graph, node: Node, index: int, source: Times, windows: int | None = None
) -> Times:
    """When the currents of one synapse leave its engine, given the words of its source.

    `source` holds the words of `windows` windows (None: of a frame).
    """
    return _engine(graph, node, index, source, windows)[0]


def taken_times(graph: Graph, node: Node, index: int, source: Times) -> tuple[Times, int]:
    """(when the engine of one synapse takes each of its words of a frame, their lanes)."""
    return _engine(graph, node, index, source, None)[1], wanted_lanes(graph, node, index)


def _engine(
    graph: Graph, node: Node, index: int, source: Times, windows: int | None
) -> tuple[Times, Times]:
    """(when the currents leave, when each word is taken) of one synapse's engine."""
    assert node.mapping is not None
    mapping, synapse = node.mapping, node.synapses[index]
    type = graph.edge(synapse.source)
    steps = window_steps(graph, type.steps)
    windows = windows or type.steps // steps
    sent_lanes = type.neurons * windows // len(source)
    words = _regrouped(source, sent_lanes, wanted_lanes(graph, node, index))
    if not synapse.delay and (len(node.synapses) > 1 or _queued(graph, synapse.source)):
        words = words + 2
    match synapse.op:
        case Linear() | Conv2d() as op:
            lanes = mapping.synapses[index]
            fold = matrix_fold(op, mapping.out_lanes, lanes.in_lanes, mapping.pixel_lanes)
            window, chunks = op_window(op, type.shape), steps // lanes.step_lanes
            latency = matrix_latency(fold.in_lanes, chunks)
            if fold.in_memory:
                leaves, taken = _row_memory(words, window, fold, chunks, windows)
            else:
                pixels = mapping.pixel_lanes
                leaves, taken = _sliding_window(words, window, fold, pixels, chunks, windows)
            return leaves + latency, taken
        case MaxPool2d() | SumPool2d() as op:
            fold = pool_fold(type.channels, op.kernel, mapping.out_lanes)
            leaves, taken = _sliding_window(words, op_window(op, type.shape), fold, 1, 1, windows)
            return leaves + pool_latency(op.kernel[0] * op.kernel[1]), taken
        case Upsample2d() as op:
            return _upsample(words, op, type.shape, mapping.lanes, windows)
        case Identity() | Flatten():
            return words, words
        case ChannelAffine():
            raise TypeError("ChannelAffine never reaches hardware")
        case _:
            assert_never(synapse.op)


def _queued(graph: Graph, name: str) -> bool:
    """Whether the mapping asks for a queue behind the node called `name`."""
    return any(n.name == name and n.mapping and n.mapping.queue_words for n in graph.nodes)


def _paced(earliest: Times, apart: int) -> Times:
    """Words no earlier than `earliest` and at least `apart` cycles from each other."""
    index = np.arange(len(earliest), dtype=np.int64) * apart
    return np.maximum.accumulate(earliest - index) + index


def _regrouped(words: Times, lanes: int, wanted: int) -> Times:
    """Behind a Regroup: first split to the common lanes, then collected."""
    common = int(np.gcd(lanes, wanted))
    if lanes > common:
        parts = lanes // common
        words = _paced(np.repeat(words + 1, parts) + np.tile(np.arange(parts), len(words)), 1)
    if wanted > common:
        words = words[wanted // common - 1 :: wanted // common] + 1
    return words


def _row_memory(
    words: Times, window: Window, fold: Fold, chunks: int, windows: int
) -> tuple[Times, Times]:
    """(last slice of each output word as it leaves a RowMemory, when each word found room)."""
    rows, columns = window.out_shape
    per_row = len(words) // (window.rows * windows)
    row_there = words[per_row - 1 :: per_row]  # the last word of each image row
    outs = columns * fold.groups * fold.outs
    slices = np.arange(1, outs + 1, dtype=np.int64) * fold.slices * chunks
    times = []
    room: list[int] = []  # when each row of the ring is free again
    clock = ended = 0  # the reader decides about the next row; the last slice has left
    for index in range(windows):
        freed = 0
        for row in range(rows):
            top = row * window.stride[0] - window.padding[0]
            free = min(max(top, 0), window.rows)
            room.extend(range(clock, clock + free - freed))
            clock += free - freed
            freed = free
            last = min(max(top + window.span[0], 1), window.rows) - 1
            clock = max(clock, int(row_there[index * window.rows + last]) + 1)
            start = max(clock + 3, ended + chunks)  # the row's first slice leaves
            times.append(start + slices - chunks)
            ended = int(times[-1][-1])
            clock = ended - 2 * chunks + 1  # two slices wait behind the reader
        room.extend(range(clock, clock + window.rows - freed))
        clock += window.rows - freed + 1
    rows_free = np.array([0] * window.ring_rows + room, np.int64)[: len(row_there)]
    return np.concatenate(times), np.maximum(words, np.repeat(rows_free, per_row))


def _sliding_window(
    words: Times, window: Window, fold: Fold, pixel_lanes: int, chunks: int, windows: int
) -> tuple[Times, Times]:
    """(last slice of each output word as it leaves the PatchSlices, when each pixel is taken)."""
    rows, columns = window.walk
    spans = (window.span[0], window.span[1] + (pixel_lanes - 1) * window.stride[1])
    strides = (window.stride[0], window.stride[1] * pixel_lanes)
    counts = (window.out_shape[0], window.out_shape[1] // pixel_lanes)
    ends = [
        [
            (at - span + 1) % stride == 0 and 0 <= (at - span + 1) // stride < count
            for at in range(size)
        ]
        for size, span, stride, count in zip((rows, columns), spans, strides, counts, strict=True)
    ]
    inside_rows = range(window.padding[0], window.padding[0] + window.rows)
    inside_columns = range(window.padding[1], window.padding[1] + window.columns)
    arrivals = words.tolist()
    pixel = free = multiplying = 0
    step = -1
    held = fold.words > 1
    starts = []
    taken_at = []
    for _ in range(windows):
        for row in range(rows):
            for column in range(columns):
                step += 1
                if row in inside_rows and column in inside_columns:
                    step = max(step, arrivals[pixel])
                    taken_at.append(step)
                    pixel += 1
                if ends[0][row] and ends[1][column]:
                    taken = max(step + 1, free)
                    start = max(taken + held, multiplying)
                    free = start + (fold.words - 1) * chunks if held else start + chunks
                    multiplying = start + fold.words * chunks
                    starts.append(start)
                    step = taken - 1  # the next step may come with the transfer of the patch
    outs = np.arange(1, fold.groups * fold.outs + 1, dtype=np.int64) * fold.slices
    first = np.array(starts, np.int64)[:, None]
    leaves = (first + (outs - 1)[None, :] * chunks).reshape(-1)
    return leaves, np.array(taken_at, np.int64)


def _upsample(
    words: Times, op: Upsample2d, source: tuple[int, ...], lanes: int, windows: int
) -> tuple[Times, Times]:
    """(when each word of the large image leaves an UpsampleUnit, when each small one is taken)."""
    held = upsample_held_words(op, source, lanes)
    small = np.arange(len(words)).reshape(windows, source[1], source[2], -1)
    large = small.repeat(op.factor[0], axis=1).repeat(op.factor[1], axis=2)
    shown = np.zeros(large.shape, bool)
    shown[:, :: op.factor[0], :: op.factor[1]] = True
    rows, columns = (size - crop for size, crop in zip(large.shape[1:3], op.crop, strict=True))
    needed: Array = large[:, :rows, :columns].reshape(-1)
    passes: Array = shown[:, :rows, :columns].reshape(-1)
    if not held:
        leaves = _paced(np.where(passes, words[needed], 0), 1)
        return leaves, leaves[passes]
    leaves = _paced(words[needed] + upsample_latency(held), 1)
    last_use = np.zeros(len(words), np.int64)
    np.maximum.at(last_use, needed, leaves)
    room = np.concatenate([np.zeros(held, np.int64), last_use])[: len(words)]
    return leaves, np.maximum(words, room)
