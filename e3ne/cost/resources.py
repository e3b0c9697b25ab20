"""LUTs, flip-flops and block RAM of a mapped network, as estimates of what Yosys gives.

`python -m benchmarks.fit_cost` fits them to Yosys runs of a sweep of components (`lut_table.py`,
`flip_flop_table.py`); `docs/cost_model.md` has what remains as error.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..boards import Family
from ..ir import Graph, Input, Node, OutputWords, Readout, SpikeType
from ..ir.cycles import GATE_QUEUE_SPARE, class_comparisons
from ..ir.edge_words import source_lanes, wanted_lanes
from ..ir.frames import input_format, input_words, source_windows, window_steps
from ..ir.ranges import edge_range
from .counts import Features
from .features import node_features
from .flip_flop_table import FFS
from .lut_table import LUTS
from .memories import BLOCK_BITS, LARGE_BITS, Memory, MemoryCells, memory_cells

PORT_LUTS = 250  # checks of the frame's length, handshakes, the class
READOUT_LUTS_PER_BIT = 1.5
CLASS_LUTS_PER_BIT = 2.5  # a bit of a comparator and of the choice behind it, of the class alone
EVENT_LUTS, EVENT_LUTS_PER_BIT = 180, 10.0  # judging; a bit of a word in which events are counted
EVENT_FFS = 160
FEW_READOUT_BITS = 512  # the numbers of a class readout; those of an image follow their memory


@dataclass(frozen=True)
class Resources:
    """LUTs of the family's own inputs, flip-flops, block RAMs and the bits that these hold in all,
    multipliers; `spram_bits` those of the large RAMs in use, filled or not."""

    luts: int
    ffs: int
    brams: int
    bram_bits: int
    dsps: int = 0
    spram_bits: int = 0


def node_resources(graph: Graph, node: Node, family: Family = "ecp5") -> Resources:
    """The resources of one mapped node."""
    features = node_features(graph, node)
    units, cells = family_units(features, family)
    table, ff_table = LUTS[family], FFS[family]
    logic = sum(table.get(kind, 0.0) * amount for kind, amount in units.items())
    ffs = ff_table.get("counted", 1.0) * features.ffs
    ffs += sum(ff_table.get(kind, 0.0) * amount for kind, amount in features.units.items())
    brams = sum(cell.brams for cell in cells)
    return Resources(
        round(logic),
        round(ffs + sum(cell.ffs for cell in cells)),
        brams,
        brams * BLOCK_BITS[family],
        features.dsps,
        sum(cell.sprams for cell in cells) * LARGE_BITS.get(family, 0),
    )


def family_units(features: Features, family: Family) -> tuple[dict[str, float], list[MemoryCells]]:
    """The features and what depends on the family: LUTs of ROMs in logic, of all other memories."""
    cells = [memory_cells(memory, family) for memory in features.memories]
    in_logic = [m.is_rom and not c.brams for m, c in zip(features.memories, cells, strict=True)]
    roms = sum(cell.luts for cell, is_rom in zip(cells, in_logic, strict=True) if is_rom)
    units = {"rom_luts": roms, "memory_luts": sum(cell.luts for cell in cells) - roms}
    return features.units | units, cells


def port_resources(graph: Graph, family: Family = "ecp5") -> Resources:
    """The resources of the AXI4-Stream ports and the readouts."""
    pairs = max(len(graph.inputs), len(graph.outputs))
    beat_bits = sum(input_format(graph, source).beat_bytes * 8 for source in graph.inputs)
    luts, ffs, brams = float(PORT_LUTS * pairs), 150 * pairs + 2 * beat_bits, 0
    for source in graph.inputs:
        cells = [memory_cells(memory, family) for memory in _frame_memories(graph, source)]
        luts += sum(cell.luts for cell in cells)
        ffs += round(sum(cell.ffs for cell in cells))
        brams += sum(cell.brams for cell in cells)
        if source.queue_words:
            ffs += 4 * source.queue_words.bit_length()
        if source.events:
            luts += EVENT_LUTS + EVENT_LUTS_PER_BIT * _word_bits(graph, source)
            ffs += EVENT_FFS
    for output in graph.outputs:
        type = graph.edge(output.source)
        mapping = graph.node(output.source).mapping
        lanes = 1 if mapping is None else mapping.lanes
        sums = type.bits + type.steps.bit_length()
        bits = lanes * sums * window_steps(graph, type.steps)
        # Numbers of two banks; of the class alone only what several windows add up to is kept.
        several = type.steps > window_steps(graph, type.steps)
        adds_up = several and output.readout is not Readout.LAST
        is_class = output.words is OutputWords.CLASS
        banks = int(adds_up) if is_class else 2
        width = lanes * _number_bits(type, output.readout)
        stored = memory_cells(Memory(width, banks * type.neurons // lanes, False), family)
        if is_class:
            luts += CLASS_LUTS_PER_BIT * class_comparisons(lanes) * width / lanes
        if banks and (stored.brams or type.neurons * sums > FEW_READOUT_BITS):
            # What several windows add up to is read back while it is collected.
            copies = 1 + (adds_up and not is_class)
            luts, ffs = luts + copies * stored.luts, ffs + round(copies * stored.ffs)
            brams += copies * stored.brams
        elif banks:
            bits += type.neurons * sums
        luts, ffs = luts + READOUT_LUTS_PER_BIT * bits, ffs + 2 * bits
    return Resources(round(luts), ffs, brams, brams * BLOCK_BITS[family])


def _word_bits(graph: Graph, source: Input) -> int:
    return source.lanes * source.type.bits * window_steps(graph, source.type.steps)


def _frame_memories(graph: Graph, source: Input) -> list[Memory]:
    """What holds words behind an input: a queue, two banks of events, a frame of a stream."""
    words, width = input_words(graph, source), _word_bits(graph, source)
    queues = [Memory(width + 1, source.queue_words + 1, False)] if source.queue_words else []
    if source.events:
        steps = source.type.steps if source_windows(graph, source.name) > 1 else 1
        times = Memory((max(words, steps) - 1).bit_length(), steps, is_rom=True)
        return [*queues, *[Memory(width, words, is_rom=False)] * 2, times]
    if graph.streaming:
        return [*queues, Memory(width + 1, words + GATE_QUEUE_SPARE + 1, is_rom=False)]
    return queues


def _number_bits(type: SpikeType, readout: Readout) -> int:
    """Bits of one number of a readout."""
    summed = readout in (Readout.COUNT, Readout.MEAN)
    found = edge_range(type).times(type.steps if summed else 1)
    return found.signed_bits if type.signed else found.high.bit_length()


def regroup_resources(graph: Graph, node: Node, index: int) -> Resources:
    """The resources of the Regroup before a synapse: none where the lanes agree."""
    source = graph.edge(node.synapses[index].source)
    lanes = source_lanes(graph, node.synapses[index].source) or 1
    element_bits = source.bits * window_steps(graph, source.steps)
    wanted = wanted_lanes(graph, node, index)
    luts = lanes * element_bits if lanes % wanted == 0 and lanes != wanted else 0
    ffs = max(lanes, wanted) * element_bits + 10 if lanes != wanted else 0
    return Resources(luts, ffs, 0, 0)
