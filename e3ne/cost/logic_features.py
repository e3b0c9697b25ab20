"""What the LOGIC engine is made of."""

from __future__ import annotations

from ..ir import Conv2d, Graph, Linear, Node
from ..ir.edge_words import source_lanes, takes_through_skid, wanted_lanes
from ..ir.frames import window_steps
from ..ir.geometry import op_window, synapse_fold
from ..ir.logic_plan import synapse_plan
from ..ir.network_sketch import NetworkSketch
from .counts import Features
from .dense_features import current_bits, patch_features

SHARED = 0.7
"""What shared sums leave of a sketched network of several bits: 0.64 .. 0.8 of those of LeNet-5."""


def logic_features(
    found: Features, graph: Graph, node: Node, index: int, op: Linear | Conv2d
) -> None:
    """Tables and adders of the network, its registers, what is held of a word, accumulators."""
    assert node.mapping is not None
    synapse, mapping = node.synapses[index], node.mapping
    source, plan = graph.edge(synapse.source), synapse_plan(graph, node, index)
    steps = window_steps(graph, source.steps)
    if isinstance(op, Conv2d):
        window, pixels = op_window(op, source.shape), mapping.pixel_lanes
        fold, columns = synapse_fold(node, index), mapping.synapses[index].in_columns
        patch_features(found, window, fold, pixels, source.bits * steps, columns)
    if takes_through_skid(graph, node, index):
        sent, wanted = source_lanes(graph, synapse.source) or 1, wanted_lanes(graph, node, index)
        skid_features(found, min(sent, wanted) * source.bits * steps)
    built = plan.built
    shared = SHARED if isinstance(built, NetworkSketch) and built.shares_pairs else 1.0
    copies = plan.step_lanes * shared
    found.add("logic_tables", built.table_luts * copies)
    found.add("logic_gate_bits", built.gate_bits * copies)
    found.add("logic_carry_bits", built.carry_bits * copies)
    found.ffs += plan.register_bits * copies + 3 * plan.stages
    if plan.chunks > 1:
        held = len(plan.lanes) * source.bits * steps
        sums = mapping.current_lanes * current_bits(synapse, source)
        found.add("loaded_bits", held * (plan.chunks - 1) // plan.chunks)
        found.add("accumulator_bits", sums * plan.step_lanes)
        found.ffs += held + sums * steps + 10


def skid_features(found: Features, bits: int) -> None:
    """A word of `bits` beside a stream."""
    found.add("loaded_bits", bits)
    found.ffs += bits + 1
