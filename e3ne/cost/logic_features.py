"""What the LOGIC engine is made of."""

from __future__ import annotations

from ..ir import Conv2d, Graph, Linear, Node
from ..ir.frames import window_steps
from ..ir.geometry import op_window, synapse_fold
from ..ir.logic_plan import synapse_plan
from .counts import Features
from .dense_features import current_bits, patch_features


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
    found.add("logic_tables", plan.network.table_luts * plan.step_lanes)
    found.add("logic_gate_bits", plan.network.gate_bits * plan.step_lanes)
    found.add("logic_carry_bits", plan.network.carry_bits * plan.step_lanes)
    found.ffs += plan.register_bits * plan.step_lanes + 3 * plan.stages
    if plan.chunks > 1:
        held = len(plan.lanes) * source.bits * steps
        sums = mapping.lanes * current_bits(synapse, source)
        found.add("loaded_bits", held * (plan.chunks - 1) // plan.chunks)
        found.add("accumulator_bits", sums * plan.step_lanes)
        found.ffs += held + sums * steps + 10
