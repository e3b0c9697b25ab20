"""Multipliers that the user asks for and the board cannot give."""

from __future__ import annotations

from ..boards import Board
from ..config import Config
from ..ir import Conv2d, Graph, Linear
from ..ir.products import MULTIPLIERS, packings
from ..ir.synapse_products import stored_kind


def multiplier_problems(graph: Graph, board: Board, config: Config) -> list[str]:
    """For each node whose `dsps` the user fixed what the multipliers of the board cannot form."""
    problems = []
    for node in graph.nodes:
        fixed = config.mapping.get(node.name)
        for synapse in node.synapses if fixed and fixed.dsps else ():
            op = synapse.op
            if not fixed or not isinstance(op, Linear | Conv2d):
                continue
            part, weight_bits = MULTIPLIERS[board.family], stored_kind(op)[0]
            element_bits = fixed.bit_lanes or graph.edge(synapse.source).bits
            if not any(packings(weight_bits, element_bits, part)):
                problems.append(
                    f"config.mapping.{node.name}.dsps: found {fixed.dsps}, accepted 0 for weights "
                    f"of {weight_bits} bits and elements of {element_bits} on board {board.name}: "
                    f"its multipliers take {part.a_bits} x {part.b_bits} bits, and factors of one "
                    "bit are gates; leave it out"
                )
    return problems
