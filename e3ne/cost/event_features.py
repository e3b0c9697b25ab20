"""What the EVENT engine is made of."""

from __future__ import annotations

from ..ir import Conv2d, Graph, Linear, Node
from ..ir.event_cycles import kept_slices, lane_plan, list_parts
from ..ir.event_lanes import LanePlan
from ..ir.frames import window_steps
from ..ir.geometry import Fold, Window, op_window, synapse_fold
from ..ir.synapse_products import synapse_products
from .counts import Features
from .dense_features import current_bits
from .matrix_features import matrix_features
from .memories import Memory


def event_features(
    found: Features, graph: Graph, node: Node, index: int, op: Linear | Conv2d
) -> None:
    """A list of slices or rows with flags, then weights, products, adder trees, accumulators."""
    assert node.mapping is not None
    mapping, synapse = node.mapping, node.synapses[index]
    source, lanes = graph.edge(synapse.source), node.mapping.synapses[index]
    steps = window_steps(graph, source.steps)
    fold, products = synapse_fold(node, index), synapse_products(graph, node, index)
    slice_bits = fold.in_lanes * steps * source.bits
    rows = fold.words
    if lanes.lane_rows:
        plan = lane_plan(graph, node, index)
        rows = fold.outs * plan.rows
        _lanes(found, plan, steps * source.bits, rows)
    elif isinstance(op, Linear):
        keep = kept_slices(graph, node, index)
        rows = fold.outs * int(keep.sum())
        _list(found, int(keep.sum()), len(keep), list_parts(graph, node, index), slice_bits, rows)
    else:
        _rows(found, op_window(op, source.shape), fold, slice_bits)
    width = current_bits(synapse, source)
    matrix_features(found, op, products, lanes.step_lanes, steps, width, rows)
    roms = fold.in_lanes if lanes.lane_rows else 1
    weight_bits = mapping.out_lanes * (fold.in_lanes // roms) * products.weight_bits
    found.memories += [Memory(weight_bits, rows, True, lanes.storage, is_listed=True)] * roms
    if op.bias is not None or products.moves_bias:
        found.add("bias_bits", lanes.step_lanes * mapping.out_lanes * width)
        words = fold.groups * fold.outs
        found.memories.append(Memory(mapping.out_lanes * width, words, is_rom=True))


def _list(found: Features, kept: int, slices: int, parts: int, slice_bits: int, rows: int) -> None:
    """An EventList: two banks, the words that come, rows of the weight ROM."""
    row_bits = max(1, (kept - 1).bit_length())
    found.memories.append(Memory(slice_bits + row_bits, 2 * kept, is_rom=False))
    found.add("event_list", 1)
    found.add("seen_bits", slice_bits * parts)
    found.add("address_bits", 4 * (row_bits + 1) + rows.bit_length() + parts * row_bits)
    if parts > 1:
        found.add("picked_bits", (slice_bits + row_bits) * parts)
    if kept < slices:
        found.add("mask_bits", slices)
    found.ffs += slice_bits * (parts + 1) + parts * (row_bits + 2) + 7 * row_bits + 30


def _lanes(found: Features, plan: LanePlan, element_bits: int, rows: int) -> None:
    """An EventLanes: of each lane two banks of words, the events of one, rows of its weight ROM."""
    row_bits = max(1, (rows - 1).bit_length())
    word_bits = plan.places * element_bits
    entry = word_bits + max(1, (plan.rows - 1).bit_length()) + 1
    found.memories += [Memory(entry, 2 * plan.words, False)] * plan.in_lanes
    found.add("event_list", 1)
    found.add("seen_bits", 2 * plan.in_lanes * word_bits)
    found.add("picked_bits", plan.in_lanes * plan.places * (element_bits + row_bits))
    found.add("address_bits", plan.in_lanes * (row_bits + 4 * (2 * plan.words).bit_length()))
    found.ffs += plan.in_lanes * (plan.places + 2 * element_bits + 3 * row_bits + entry + 20) + 20


def _rows(found: Features, window: Window, fold: Fold, slice_bits: int) -> None:
    """An EventRows: a ring of rows, flags of all of them at a column, the patch of flags."""
    words = window.channels // fold.in_lanes
    ring, kernel_rows = window.ring_rows, window.kernel[0]
    address = (ring * window.columns * words).bit_length()
    flags = kernel_rows * window.kernel[1] * words
    found.memories.append(Memory(slice_bits, ring * window.columns * words, is_rom=False))
    found.memories += [Memory(words, window.columns, is_rom=False)] * ring
    found.add("event_rows", 1)
    found.add("seen_bits", slice_bits)
    found.add("flag_bits", flags)
    found.add("rotated_bits", kernel_rows * words * ring)
    found.add("address_bits", (kernel_rows + 4) * address + fold.words.bit_length())
    found.ffs += slice_bits + kernel_rows * window.span[1] * words
    found.ffs += (2 + fold.groups) * fold.slices + (2 * kernel_rows + 5) * address + 80
