"""A model of the energy of a frame: power of the part times the time of a frame.

Always a model, never a measurement: `docs/energy.md` says where each coefficient comes from and how
far it may be off. It ranks designs of one family; its low and high ends bracket the joules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..boards import Board, Family
from ..ir import Graph, Node
from .activity import Trains
from .features import node_features
from .memories import memory_cells
from .predict import Prediction, node_cycles, predict
from .resources import Resources, node_resources, port_resources

PICO = 1e-12
PORTS = ""
"""The key of counted changes for ports and for what lies between nodes."""
TOGGLE = 0.125
"""Share of LUT outputs that change in a cycle in which a node works on words half of ones."""


@dataclass(frozen=True)
class Coefficients:
    """Picojoules: a change of a LUT's output with its wires, a cycle of a flip-flop's clock, a bit
    of a block RAM read or written, a cycle of a DSP; `static_uw` of one LUT's share of the part."""

    lut_pj: float
    ff_pj: float
    bit_pj: float
    dsp_pj: float
    static_uw: float


COEFFICIENTS: dict[Family, Coefficients] = {
    "ecp5": Coefficients(0.5, 0.05, 0.4, 8.0, 2.8),
    "ice40": Coefficients(0.4, 0.03, 0.4, 8.0, 0.1),
    "gowin": Coefficients(0.6, 0.06, 0.5, 10.0, 2.0),
    "nexus": Coefficients(0.25, 0.025, 0.25, 4.0, 1.0),
    "xilinx7": Coefficients(0.3, 0.03, 0.3, 5.0, 2.0),
    "ultrascale_plus": Coefficients(0.15, 0.015, 0.15, 2.5, 1.8),
}
LOW, HIGH = 0.4, 2.5
"""What the model's two ends are times its middle: coefficients are known to about that factor."""


@dataclass(frozen=True)
class Energy:
    """Joules of a frame when frames come back to back, modelled; `power_w` times `time_s`.

    `static_j` and `dynamic_j` are the parts of `nominal_j`.
    """

    static_j: float
    dynamic_j: float
    time_s: float

    @property
    def nominal_j(self) -> float:
        """The middle of the model."""
        return self.static_j + self.dynamic_j

    @property
    def nominal_nj(self) -> float:
        """The same in nanojoules, as report.json and budgets have it."""
        return self.nominal_j * 1e9

    @property
    def low_nj(self) -> float:
        """Nanojoules if all coefficients are at their low end."""
        return self.nominal_nj * LOW

    @property
    def high_nj(self) -> float:
        """Nanojoules if all coefficients are at their high end."""
        return self.nominal_nj * HIGH

    @property
    def power_w(self) -> float:
        """Watts of the part while frames come back to back."""
        return self.nominal_j / self.time_s


def energy(
    graph: Graph,
    board: Board,
    prediction: Prediction | None = None,
    activity: Mapping[str, float] | None = None,
    clock_hz: float | None = None,
    changes: Mapping[str, float] | None = None,
    trains: Trains | None = None,
) -> Energy:
    """The energy of a frame of a MAPPED graph on `board` at `clock_hz` (the board's by default).

    `activity`: by input and node the share of ones among the bits that it sends, 0 .. 1 (0.5 where
    it says nothing); logic changes in proportion to it. `changes`: by node, and PORTS, how often a
    bit of its registers was counted to change in a frame (`check.toggles`): then logic of that part
    changes as often, whatever `activity` says. With `trains` memories and multipliers of EVENT
    nodes work as long as their frames take in the mean, else as if nothing were zero.
    """
    found = prediction or predict(graph, board.family)
    shares, counted, coefficients = activity or {}, changes or {}, COEFFICIENTS[board.family]
    time_s = found.interval_cycles / (clock_hz or board.clock_hz)
    ports = port_resources(graph, board.family)
    dynamic = found.ffs * coefficients.ff_pj * PICO * found.interval_cycles
    ports_change = counted.get(PORTS, TOGGLE * found.interval_cycles)
    dynamic += ports.luts * ports_change * coefficients.lut_pj * PICO
    for node in graph.nodes:
        used = node_resources(graph, node, board.family)
        dynamic += node_energy(
            *(graph, node, board.family, used, shares),
            *(node_cycles(graph, node, trains), counted.get(node.name)),
        )
    return Energy(static_w(board) * time_s, dynamic, time_s)


def node_energy(
    graph: Graph,
    node: Node,
    family: Family,
    used: Resources,
    activity: Mapping[str, float] | None = None,
    cycles: int | None = None,
    changes: float | None = None,
) -> float:
    """Joules of a mapped node's own work on a frame, without what its clock takes.

    `cycles` are those in which it reads and multiplies (`node_cycles` where they are not given);
    `changes` how often the output of a LUT changes in a frame, where it was counted.
    """
    coefficients = COEFFICIENTS[family]
    busy = node_cycles(graph, node) if cycles is None else cycles
    shares = activity or {}
    sources = {synapse.source for synapse in node.synapses}
    ones = sum(shares.get(source, 0.5) for source in sources) / len(sources)
    # Of all cycles that a node without zeros takes: an EVENT node leaves out those without ones.
    assumed = TOGGLE * 2 * ones * node_cycles(graph, node)
    logic = used.luts * (assumed if changes is None else changes) * coefficients.lut_pj
    dsps = used.dsps * coefficients.dsp_pj * busy
    read, written = node_memory_bits(graph, node, family, busy)
    return (logic + dsps + (read + written) * coefficients.bit_pj) * PICO


def node_memory_bits(
    graph: Graph, node: Node, family: Family, busy: int | None = None
) -> tuple[int, int]:
    """(bits read, bits written) of the block RAMs of a mapped node in one frame.

    A memory is read once in each busy cycle; what is no ROM takes everything that the source sends.
    """
    cycles = node_cycles(graph, node) if busy is None else busy
    read = written = 0
    source = graph.edge(node.synapses[0].source)
    arriving = source.neurons * source.bits * source.steps
    for memory in node_features(graph, node).memories:
        if memory_cells(memory, family).brams:
            read += memory.width_bits * cycles
            written += 0 if memory.is_rom else arriving
    return read, written


def memory_bits(graph: Graph, family: Family, trains: Trains | None = None) -> tuple[int, int]:
    """(bits read, bits written) of the block RAMs of all nodes in one frame.

    With `trains` in the mean of their frames.
    """
    found = [
        node_memory_bits(graph, node, family, node_cycles(graph, node, trains))
        for node in graph.nodes
    ]
    return sum(read for read, _ in found), sum(written for _, written in found)


def static_w(board: Board) -> float:
    """Watts that the board's part takes without a clock: as its file says, else by its LUTs."""
    if board.static_uw:
        return board.static_uw * 1e-6
    return board.resources.luts * COEFFICIENTS[board.family].static_uw * 1e-6
