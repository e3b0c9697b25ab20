"""What the logic of a node is made of, as numbers that its LUTs and flip-flops follow.

Each feature counts bits of one kind of logic (adder bits, multiplexed bits, bits of products). The
LUTs of one unit of each are fitted to Yosys (`lut_table.py`, `benchmarks/fit_luts.py`); flip-flops
are counted one by one.
"""

from __future__ import annotations

from functools import lru_cache

from ..ir import (
    Conv2d,
    Graph,
    Linear,
    MaxPool2d,
    Node,
    SpikeType,
    SumPool2d,
    Synapse,
    Upsample2d,
)
from ..ir.engine_cycles import TREE_LEVELS
from ..ir.frames import source_windows, synapse_windows, window_steps
from ..ir.geometry import (
    Fold,
    Window,
    matrix_fold,
    op_window,
    pool_fold,
    source_lanes,
    upsample_held_words,
)
from ..ir.ranges import Range, stored_bits, synapse_range
from .counts import Features
from .memories import Memory
from .neuron_features import neuron_features


@lru_cache(maxsize=4096)
def weight_bits(op: Linear | Conv2d) -> int:
    """Bits of one weight."""
    return Range(int(op.weight.min()), int(op.weight.max())).signed_bits


@lru_cache(maxsize=4096)
def current_bits(synapse: Synapse, source: SpikeType) -> int:
    """Bits of the currents of a synapse."""
    return synapse_range(synapse, source).signed_bits


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
            _matrix(found, graph, node, index, synapse.op)
        elif isinstance(synapse.op, MaxPool2d | SumPool2d):
            _pool(found, graph, node, source, synapse.op)
        elif isinstance(synapse.op, Upsample2d):
            _upsample(found, graph, node, source, synapse.op)
    steps_in = window_steps(graph, graph.edge(node.synapses[0].source).steps)
    if len(node.synapses) > 1 or node.synapses[0].gain != 1:
        width += len(node.synapses) - 1
        bits = node.mapping.lanes * steps_in * width
        found.add("sum_bits", bits * len(node.synapses))
        found.ffs += bits
        for synapse in node.synapses:
            source = graph.edge(synapse.source)
            queued = source.bits * steps_in
            found.memories.append(Memory(queued * node.mapping.lanes, 16, is_rom=False))
    neuron_features(found, graph, node, width, steps_in)
    _delays(found, graph, node)
    _replays(found, graph, node)
    if node.mapping.queue_words:
        word_bits = node.mapping.lanes * node.type.bits * window_steps(graph, node.type.steps)
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


def _matrix(found: Features, graph: Graph, node: Node, index: int, op: Linear | Conv2d) -> None:
    """Slices, weights, products, adder trees, accumulators."""
    assert node.mapping is not None
    mapping, synapse = node.mapping, node.synapses[index]
    source, lanes = graph.edge(synapse.source), node.mapping.synapses[index]
    steps = window_steps(graph, source.steps)
    fold = matrix_fold(op, mapping.out_lanes, lanes.in_lanes, mapping.pixel_lanes)
    width, bits = current_bits(synapse, source), weight_bits(op)
    window = op_window(op, source.shape)
    slice_bits = fold.in_lanes * mapping.pixel_lanes * steps * source.bits
    if fold.in_memory:
        _row_memory(found, window, fold, slice_bits)
    else:
        _patches(found, window, fold, mapping.pixel_lanes, source.bits * steps)
    found.ffs += slice_bits
    if steps > lanes.step_lanes:
        found.add("loaded_bits", slice_bits)
    sums = mapping.lanes * lanes.step_lanes
    products = sums * fold.in_lanes
    product_bits = min(width, bits + (source.bits if source.bits > 1 else 0))
    kind = "constant_" if fold.words == 1 else ""
    if source.bits > 1:
        found.add(f"{kind}product_bits", products * (bits - 1) * (source.bits - 1))
        found.add(f"{kind}products", products)
    else:
        found.add(f"{kind}gate_bits", products * bits)
    adders, registers = tree_bits(fold.in_lanes, product_bits, width)
    found.add("tree_bits", sums * adders)
    found.add("accumulator_bits", sums * width)
    found.ffs += products * product_bits + sums * registers + mapping.lanes * steps * width
    found.memories.append(
        Memory(mapping.out_lanes * fold.in_lanes * stored_bits(op.weight), fold.words, True)
    )
    if op.bias is not None:
        outputs = fold.groups * fold.outs
        found.add("bias_bits", sums * width)
        found.memories.append(Memory(mapping.out_lanes * width, outputs, is_rom=True))


def tree_bits(terms: int, width: int, most: int) -> tuple[int, int]:
    """(adder bits, register bits) of the tree that adds `terms` numbers of `width` bits."""
    adders = registers = 0
    while terms > 1:
        for _ in range(TREE_LEVELS):
            if terms > 1:
                width += 1
                adders += terms // 2 * width
                terms = -(-terms // 2)
        width = min(width, most)
        registers += terms * width
    return adders, registers


def _row_memory(found: Features, window: Window, fold: Fold, slice_bits: int) -> None:
    words = window.columns * (window.channels // fold.in_lanes)
    found.memories.append(Memory(slice_bits, window.ring_rows * words, is_rom=False))
    found.add("row_memory" if window.rows * window.columns > 1 else "vector_memory", 1)
    if any(window.padding):
        found.add("masked_bits", slice_bits)
    found.ffs += slice_bits + 60


def _patches(
    found: Features, window: Window, fold: Fold, pixel_lanes: int, element_bits: int
) -> None:
    held_columns = window.span[1] + (pixel_lanes - 1) * window.stride[1]
    pixel_bits = window.channels * element_bits
    walk = window.walk[1]
    found.add("sliding_window", 1)
    if any(window.padding):
        found.add("masked_bits", pixel_bits)
    if window.span[0] > 1 and walk > 1:
        found.memories.append(Memory((window.span[0] - 1) * pixel_bits, walk, is_rom=False))
    found.ffs += window.span[0] * held_columns * pixel_bits + 40
    if fold.words > 1:
        area = window.kernel[0] * window.kernel[1]
        patch_bits = area * window.channels * element_bits * pixel_lanes
        found.ffs += patch_bits
        if fold.slices > 1 or fold.groups > 1:
            found.add("loaded_bits", patch_bits)


def _pool(
    found: Features, graph: Graph, node: Node, source: SpikeType, op: MaxPool2d | SumPool2d
) -> None:
    assert node.mapping is not None
    steps, out_lanes = window_steps(graph, source.steps), node.mapping.out_lanes
    fold = pool_fold(source.channels, op.kernel, out_lanes)
    _patches(found, op_window(op, source.shape), fold, 1, source.bits * steps)
    area = op.kernel[0] * op.kernel[1]
    kind = "pooled_gates" if source.bits == 1 else "pooled_bits"
    found.add(kind, out_lanes * steps * (area - 1) * source.bits)
    found.ffs += out_lanes * steps * (source.bits + 2 * isinstance(op, SumPool2d))


def _upsample(found: Features, graph: Graph, node: Node, source: SpikeType, op: Upsample2d) -> None:
    """Counters over the large image; a gate for zeros, a memory for repeats."""
    assert node.mapping is not None
    bits = node.mapping.lanes * window_steps(graph, source.steps) * source.bits
    counters = sum(size.bit_length() for size in node.type.shape)
    found.add("accumulator_bits", 3 * counters)
    found.ffs += counters
    held = upsample_held_words(op, source.shape, node.mapping.lanes)
    if held == 0:
        found.add("gate_bits", bits)
    elif held == 1:
        found.ffs += bits
    else:
        found.add("accumulator_bits", 4 * held.bit_length())
        found.ffs += 3 * held.bit_length()
        found.memories.append(Memory(bits, held, is_rom=False))
