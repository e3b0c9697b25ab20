"""An estimate of the clock that a mapped network reaches after routing.

The longest path of a node is taken as a sum: what every path has, bits of the longest carry chain,
adders and comparisons one behind the other in its neuron, how far a node spreads, how many
registers follow its counters, and the multiplexers of its deepest ROM in LUTs. The
figures (`clock_table.py`) are fitted by `python -m benchmarks.fit_clock` to nextpnr runs of single
nodes; families without any have no estimate.
"""

from __future__ import annotations

import math

from ..boards import Board
from ..ir import Engine, Graph, Integrate, IntegrateFire, Node, Requantize
from ..ir.cycles import multiplies, searches_spikes
from .clock_table import PERIODS
from .dense_features import current_bits
from .features import node_features
from .memories import memory_cells
from .resources import node_resources


def clock_hz_estimate(graph: Graph, board: Board) -> int | None:
    """Hz that a MAPPED graph may reach on `board`: those of its slowest node; None: not fitted."""
    table = PERIODS.get(clock_class(board))
    if table is None:
        return None
    longest = max(
        sum(table.get(name, 0.0) * amount for name, amount in path_features(graph, node).items())
        for node in graph.nodes
    )
    return round(1e9 / longest)


def clock_class(board: Board) -> str:
    """What a fit holds for: the family, and the die where its dies differ much in speed."""
    return f"ice40-{board.device[:2]}" if board.family == "ice40" else board.family


def path_features(graph: Graph, node: Node) -> dict[str, float]:
    """What the length of the longest path of a node follows."""
    carry = max(current_bits(s, graph.edge(s.source)) for s in node.synapses)
    serial = 0
    neuron = node.neuron
    match neuron:
        case IntegrateFire() | Integrate():
            carry = max(carry, neuron.membrane_bits)
            serial = 1 + (not multiplies(neuron.decay))
            if isinstance(neuron, IntegrateFire):
                serial += 1 + 2 * searches_spikes(neuron) + (neuron.reset_step != "next")
        case Requantize():
            serial = 1
        case _:
            serial = 0
    luts = node_resources(graph, node, "ecp5").luts
    features = node_features(graph, node)
    in_luts = [
        (memory.depth - 1).bit_length()
        for memory in features.memories
        if memory.is_rom and memory.depth > 1 and not memory_cells(memory, "ecp5").brams
    ]
    assert node.mapping is not None
    # LOGIC has no counters that say which slice of which word is due.
    is_counted = node.mapping.engine is not Engine.LOGIC
    return {
        "any": 1.0,
        "carry_bits": float(carry),
        "serial_adders": float(serial),
        "luts_log2": math.log2(max(2, luts)),
        "counted_log2": math.log2(max(2.0, features.ffs)) if is_counted else 0.0,
        "rom_address_bits": float(max(in_luts, default=0)),
    }
