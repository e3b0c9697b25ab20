"""What the DENSE engine is made of."""

from __future__ import annotations

from functools import lru_cache

from ..ir import Conv2d, Graph, Linear, Node, SpikeType, Storage, Synapse
from ..ir.frames import window_steps
from ..ir.geometry import Fold, Window, op_window, synapse_fold, window_walk
from ..ir.ranges import synapse_range
from ..ir.synapse_products import synapse_products
from .counts import Features
from .matrix_features import matrix_features
from .memories import Memory


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
    width, products = current_bits(synapse, source), synapse_products(graph, node, index)
    window = op_window(op, source.shape)
    if fold.in_memory:
        slice_bits = fold.in_lanes * steps * source.bits
        row_memory_features(found, window, fold, slice_bits, lanes.buffer_storage)
    else:
        memory = (lanes.in_columns, lanes.buffer_storage)
        patch_features(found, window, fold, mapping.pixel_lanes, source.bits * steps, *memory)
    sums = mapping.pixel_lanes * lanes.step_lanes
    matrix_features(found, op, products, sums, steps, width, fold.words)
    weight_bits = mapping.out_lanes * fold.in_lanes * products.weight_bits
    found.memories.append(Memory(weight_bits, fold.words, True, lanes.storage))
    if op.bias is not None or products.moves_bias:
        outputs = fold.groups * fold.outs
        found.add("bias_bits", sums * mapping.out_lanes * width)
        found.memories.append(Memory(mapping.out_lanes * width, outputs, is_rom=True))


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
        if fold.slices > 1 or fold.groups > 1:  # the last slice has none to move up
            found.add("loaded_bits", patch_bits * (1 - 1 / (fold.slices * fold.groups)))
