"""The least cycles that a part needs for a network: what its adders and memories can do at most.

A dense synaptic operation is one weight times one bit of one time step. An ECP5-85F adds about
4,900 of them a cycle (17 LUTs for a 4-bit weight: an adder model, right within a factor of 2) and
reads 36 bits a cycle from each of its 208 block RAMs; other parts in proportion. Every weight is
read once a frame. Modelled, and printed as "% of roofline".
"""

from __future__ import annotations

from e3ne.boards import Board
from e3ne.ir import Conv2d, Graph, Linear
from e3ne.ir.ranges import stored_bits
from e3ne.report.activity import dense_operations

LUTS_PER_OPERATION = 83_640 / 4_900
BITS_PER_BLOCK_RAM = {"ecp5": 36, "ice40": 16}
BITS_PER_SPRAM = 16


def roofline_cycles(graph: Graph, board: Board) -> float:
    """Cycles of a frame at the roofline of the board's part."""
    operations = weight_bits = 0
    for node in graph.nodes:
        bits = max(graph.edge(synapse.source).bits for synapse in node.synapses)
        operations += dense_operations(graph, node.name) * bits
        for synapse in node.synapses:
            if isinstance(synapse.op, Linear | Conv2d):
                weight_bits += synapse.op.weight.size * stored_bits(synapse.op.weight)
    have = board.resources
    spram_bits = have.spram_bits // (16 * 16_384) * BITS_PER_SPRAM
    memory_bits = have.brams * BITS_PER_BLOCK_RAM.get(board.family, 36) + spram_bits
    return max(operations / (have.luts / LUTS_PER_OPERATION), weight_bits / memory_bits)
