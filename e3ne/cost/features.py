"""What the logic of a node is made of, as numbers that its LUTs and flip-flops follow.

Each feature counts bits of one kind of logic (adder bits, multiplexed bits, bits of products). The
LUTs of one unit of each are fitted to Yosys (`lut_table.py`, `benchmarks/fit_cost.py`); flip-flops
are counted one by one.
"""

from __future__ import annotations

from typing import assert_never

from ..ir import (
    Conv2d,
    Engine,
    Graph,
    Linear,
    MaxPool2d,
    Node,
    SpikeType,
    SumPool2d,
    Upsample2d,
)
from ..ir.edge_words import sends_through_skid, source_lanes
from ..ir.frames import source_windows, synapse_windows, window_steps
from ..ir.geometry import op_window, pool_fold, upsample_held_words
from .counts import Features
from .dense_features import current_bits, dense_features, patch_features
from .event_features import event_features
from .logic_features import logic_features, skid_features
from .memories import Memory
from .neuron_features import neuron_features


def node_features(graph: Graph, node: Node) -> Features:
    """The features of a mapped node."""
    assert node.mapping is not None
    found = Features()
    found.add("node", 1)
    found.ffs += 20
    width = 0
    for index, synapse in enumerate(node.synapses):
        source = graph.edge(synapse.source)
        width = max(width, current_bits(synapse, source))
        if isinstance(synapse.op, Linear | Conv2d):
            match node.mapping.engine:
                case Engine.DENSE:
                    dense_features(found, graph, node, index, synapse.op)
                case Engine.EVENT:
                    event_features(found, graph, node, index, synapse.op)
                case Engine.LOGIC:
                    logic_features(found, graph, node, index, synapse.op)
                case _:
                    assert_never(node.mapping.engine)
        elif isinstance(synapse.op, MaxPool2d | SumPool2d):
            _pool(found, graph, node, index, synapse.op)
        elif isinstance(synapse.op, Upsample2d):
            _upsample(found, graph, node, source, synapse.op)
    steps_in = window_steps(graph, graph.edge(node.synapses[0].source).steps)
    if len(node.synapses) > 1 or node.synapses[0].gain != 1:
        width += len(node.synapses) - 1
        bits = node.mapping.current_lanes * steps_in * width
        found.add("sum_bits", bits * len(node.synapses))
        found.ffs += bits
        for synapse in node.synapses:
            source = graph.edge(synapse.source)
            queued = source.bits * steps_in
            found.memories.append(Memory(queued * node.mapping.current_lanes, 16, is_rom=False))
    if node.mapping.neuron_parts > 1:  # a Split: each bit is loaded or moves on
        bits = node.mapping.current_lanes * steps_in * width
        found.add("loaded_bits", bits - node.mapping.lanes * steps_in * width)
        found.ffs += bits + 2 + node.mapping.neuron_parts.bit_length()
    neuron_features(found, graph, node, width, steps_in)
    _delays(found, graph, node)
    _replays(found, graph, node)
    word_bits = node.mapping.lanes * node.type.bits * window_steps(graph, node.type.steps)
    if sends_through_skid(graph, node):
        skid_features(found, word_bits)
    if node.mapping.queue_words:
        found.memories.append(Memory(word_bits + 1, node.mapping.queue_words + 1, is_rom=False))
        found.ffs += 4 * node.mapping.queue_words.bit_length()
    return found


def _delays(found: Features, graph: Graph, node: Node) -> None:
    """The queue of a Delay and its three counters; a source without a mapping has one lane."""
    for synapse in node.synapses:
        if synapse.delay:
            source = graph.edge(synapse.source)
            lanes = source_lanes(graph, synapse.source) or 1
            words = source.neurons // lanes
            kept = max(source.steps - synapse.delay, 0)
            held = words * (synapse.delay + 1 if graph.streaming else min(synapse.delay + 1, kept))
            counter = (source.steps * words).bit_length()
            found.add("accumulator_bits", 3 * counter)
            found.ffs += 3 * counter
            found.memories.append(Memory(lanes * source.bits + 1, held + 1, is_rom=False))


def _replays(found: Features, graph: Graph, node: Node) -> None:
    """The queue of a Replay and its two counters."""
    for index, synapse in enumerate(node.synapses):
        times = synapse_windows(graph, node, index)
        if times > source_windows(graph, synapse.source):
            source = graph.edge(synapse.source)
            lanes = source_lanes(graph, synapse.source) or 1
            words = source.neurons // lanes
            counters = times.bit_length() + words.bit_length()
            found.add("accumulator_bits", counters)
            found.ffs += counters
            found.memories.append(Memory(lanes * source.bits + 1, words + 1, is_rom=False))


def _pool(found: Features, graph: Graph, node: Node, index: int, op: MaxPool2d | SumPool2d) -> None:
    assert node.mapping is not None
    source = graph.edge(node.synapses[index].source)
    steps, out_lanes = window_steps(graph, source.steps), node.mapping.out_lanes
    fold = pool_fold(source.channels, op.kernel, out_lanes)
    pixels, synapse = node.mapping.pixel_lanes, node.mapping.synapses[index]
    window, memory = op_window(op, source.shape), (synapse.in_columns, synapse.buffer_storage)
    patch_features(found, window, fold, pixels, source.bits * steps, *memory)
    area, lanes = op.kernel[0] * op.kernel[1], node.mapping.current_lanes
    match op, source.bits:
        case SumPool2d(), 1:  # a count: each of its bits is a table
            found.add("pooled_gates", lanes * steps * area.bit_length())
        case MaxPool2d(), 1:  # three inputs more for each gate
            found.add("pooled_gates", lanes * steps * (area - 1) / 3)
        case MaxPool2d(), 2:  # a bit of the larger of two is one table
            found.add("pooled_gates", lanes * steps * (area - 1) * 2)
        case _, bits:
            found.add("pooled_bits", lanes * steps * (area - 1) * bits)
    found.ffs += lanes * steps * (source.bits + 2 * isinstance(op, SumPool2d))


def _upsample(found: Features, graph: Graph, node: Node, source: SpikeType, op: Upsample2d) -> None:
    """Counters over the large image; a gate for zeros, a memory for repeats."""
    assert node.mapping is not None
    bits = node.mapping.current_lanes * window_steps(graph, source.steps) * source.bits
    counters = sum(size.bit_length() for size in node.type.shape)
    found.add("accumulator_bits", 3 * counters)
    found.ffs += counters
    held = upsample_held_words(op, source.shape, node.mapping.current_lanes)
    if held == 0:
        found.add("gate_bits", bits)
    elif held == 1:
        found.ffs += bits
    else:
        found.add("accumulator_bits", 4 * held.bit_length())
        found.ffs += 3 * held.bit_length()
        found.memories.append(Memory(bits, held, is_rom=False))
