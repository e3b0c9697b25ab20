"""What the DENSE engine is made of."""

from __future__ import annotations

from functools import lru_cache

from ..ir import Conv2d, Graph, Linear, Node, SpikeType, Storage, Synapse
from ..ir.engine_cycles import TREE_LEVELS
from ..ir.frames import window_steps
from ..ir.geometry import Fold, Window, op_window, synapse_fold, window_walk
from ..ir.ranges import Range, stored_bits, synapse_range
from .counts import Features
from .memories import Memory


@lru_cache(maxsize=4096)
def weight_bits(op: Linear | Conv2d) -> int:
    """Bits of one weight."""
    return Range(int(op.weight.min()), int(op.weight.max())).signed_bits


@lru_cache(maxsize=4096)
def current_bits(synapse: Synapse, source: SpikeType) -> int:
    """Bits of the currents of a synapse."""
    return synapse_range(synapse, source).signed_bits


def dense_features(
    found: Features, graph: Graph, node: Node, index: int, op: Linear | Conv2d
) -> None:
    """Slices, weights, products, adder trees, accumulators."""
    assert node.mapping is not None
    mapping, synapse = node.mapping, node.synapses[index]
    source, lanes = graph.edge(synapse.source), node.mapping.synapses[index]
    steps = window_steps(graph, source.steps)
    fold = synapse_fold(node, index)
    width, bits = current_bits(synapse, source), weight_bits(op)
    window = op_window(op, source.shape)
    slice_bits = fold.in_lanes * mapping.pixel_lanes * steps * source.bits
    if fold.in_memory:
        row_memory_features(found, window, fold, slice_bits, lanes.buffer_storage)
    else:
        memory = (lanes.in_columns, lanes.buffer_storage)
        patch_features(found, window, fold, mapping.pixel_lanes, source.bits * steps, *memory)
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


def row_memory_features(
    found: Features, window: Window, fold: Fold, slice_bits: int, storage: Storage
) -> None:
    """A RowMemory."""
    words = window.columns * (window.channels // fold.in_lanes)
    found.memories.append(Memory(slice_bits, window.ring_rows * words, False, storage))
    found.add("row_memory" if window.rows * window.columns > 1 else "vector_memory", 1)
    if any(window.padding):
        found.add("masked_bits", slice_bits)
    found.ffs += slice_bits + 60


def patch_features(
    found: Features,
    window: Window,
    fold: Fold,
    pixel_lanes: int,
    element_bits: int,
    in_columns: int = 1,
    storage: Storage = Storage.AUTO,
) -> None:
    """A SlidingWindow and its PatchSlices."""
    walk = window_walk(window, pixel_lanes, in_columns)
    pixel_bits = window.channels * element_bits
    word_bits, words = pixel_bits * in_columns, walk.columns.size
    found.add("sliding_window", 1)
    if any(window.padding):
        found.add("masked_bits", word_bits)
    if window.span[0] > 1 and words > 1:
        found.memories.append(Memory((window.span[0] - 1) * word_bits, words, False, storage))
    found.ffs += window.span[0] * walk.kept_columns * pixel_bits + 40
    if fold.words > 1:
        area = window.kernel[0] * window.kernel[1]
        patch_bits = area * window.channels * element_bits * pixel_lanes
        found.ffs += patch_bits
        if fold.slices > 1 or fold.groups > 1:
            found.add("loaded_bits", patch_bits)
