"""The resource model: memories, features, and the figures that Yosys gave for some nodes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import e3ne.cost
from benchmarks import lut_cases
from benchmarks.cost_cases import cases
from benchmarks.fit_cost import TABLES, table_text
from e3ne.cost import node_resources, port_resources, predict
from e3ne.cost.features import node_features
from e3ne.cost.flip_flop_table import FFS
from e3ne.cost.lut_table import LUTS
from e3ne.cost.matrix_features import tree_bits
from e3ne.cost.memories import Memory, block_rams, memory_cells
from e3ne.cost.neuron_features import factor_adders
from e3ne.ir import (
    ONE,
    Dyadic,
    Graph,
    Identity,
    Input,
    IntegrateFire,
    Linear,
    Mapping,
    Node,
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    SynapseMapping,
    frozen,
)

CASES = dict(lut_cases.cases()) | dict(cases())

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "yosys_nodes.json").read_text())
"""What Yosys gave for the nodes of the sweep: `python -m benchmarks.fit_cost --write`."""


@pytest.mark.parametrize(("name", "tables"), [("LUTS", LUTS), ("FFS", FFS)])
def test_the_fit_writes_its_tables_as_they_are(name, tables):
    text = table_text(name, tables)
    assert text == (Path(e3ne.cost.__file__).parent / TABLES[name]).read_text()


NEAR = 0.9
"""The least share of nodes within 15 %."""


@pytest.mark.parametrize("family", sorted(set(GOLDEN) - {"yosys", "columns"}))
def test_most_nodes_of_the_sweep_within_fifteen_percent_of_yosys(family):
    errors, wrong = {}, []
    for name, (luts, _, brams, dsps) in GOLDEN[family].items():
        graph = CASES[name]
        found = node_resources(graph, graph.nodes[0], family)
        errors[name] = abs(found.luts / luts - 1)
        if (found.brams, found.dsps) != (brams, dsps):
            wrong.append((name, (found.brams, found.dsps), (brams, dsps)))
    assert wrong == []
    assert sum(error <= 0.15 for error in errors.values()) >= NEAR * len(errors)


# What Yosys 0.6x chose for single memories: (width, depth, rom, block RAMs, LUTs).
ECP5 = [
    (8, 16, True, 0, 8),
    (8, 64, True, 0, 32),
    (16, 128, True, 0, 176),
    (16, 256, True, 1, 0),
    (36, 32, True, 0, 72),
    (36, 64, True, 1, 0),
    (72, 64, True, 2, 0),
    (36, 512, True, 1, 0),
    (36, 513, True, 2, 0),
    (8, 16, False, 0, 12),
    (36, 32, False, 0, 144),
    (8, 128, False, 0, 152),
    (16, 128, False, 1, 24),
    (8, 256, False, 1, 25),
    (36, 64, False, 1, 45),
    (72, 32, False, 0, 288),
]


@pytest.mark.parametrize(("width", "depth", "rom", "brams", "luts"), ECP5)
def test_memories_of_ecp5_as_yosys_maps_them(width, depth, rom, brams, luts):
    cells = memory_cells(Memory(width, depth, rom), "ecp5")
    assert cells.brams == brams
    assert cells.luts == pytest.approx(luts, rel=0.35, abs=12)


ICE40 = [
    (4, 128, True, 0, 72),
    (16, 64, True, 0, 157),
    (16, 128, True, 1, 0),
    (32, 256, True, 2, 0),
    (4, 16, False, 0, 73),
    (4, 32, False, 1, 10),
    (16, 2, False, 0, 18),
    (16, 16, False, 1, 22),
    (32, 64, False, 2, 39),
]


@pytest.mark.parametrize(("width", "depth", "rom", "brams", "luts"), ICE40)
def test_memories_of_ice40_as_yosys_maps_them(width, depth, rom, brams, luts):
    cells = memory_cells(Memory(width, depth, rom), "ice40")
    assert cells.brams == brams
    assert cells.luts == pytest.approx(luts, rel=0.35, abs=12)


def test_a_rom_of_one_word_is_a_constant():
    assert memory_cells(Memory(400, 1, True), "ecp5").luts == 0
    assert memory_cells(Memory(400, 1, False), "ecp5").luts > 0


def test_block_rams_take_the_shape_that_needs_fewest():
    assert block_rams(36, 512, "ecp5") == 1
    assert block_rams(1, 16_384, "ecp5") == 1
    assert block_rams(37, 512, "ecp5") == 2
    assert block_rams(16, 257, "ice40") == 2
    assert block_rams(8, 512, "ice40") == 1


def test_adders_of_a_tree():
    # Four terms of 3 bits: two adders of 4 bits, one of 5, and registers behind each and the terms.
    assert tree_bits([3] * 4, 20) == (2 * 4 + 5, 4 * 3 + 2 * 4 + 5)
    # Nothing is wider than the whole sum.
    assert tree_bits([3] * 4, 4) == (2 * 4 + 4, 4 * 3 + 2 * 4 + 4)
    # The odd one passes through a register.
    assert tree_bits([3, 5, 2], 20) == (6 + 7, 10 + 6 + 2 + 7)
    assert tree_bits([3], 20) == (0, 3)
    # Nothing is added where one of two is nothing.
    assert tree_bits([3, 0, 0, 4], 20) == (5, 7 + 7 + 5)
    # What lies below the lowest bit of one of two passes by: bits 4 .. 7 of 4 + 4 are added.
    assert tree_bits([6, 7], 20, [0, 4]) == (4, 6 + 3 + 8)


def test_adders_of_a_constant_factor_are_one_less_than_its_ones():
    assert factor_adders(Dyadic(256)) == 0
    assert factor_adders(Dyadic(7, 3)) == 1  # 8 - 1
    assert factor_adders(Dyadic(frozen(np.array([11, 11]), np.int64))) == 2
    assert factor_adders(Dyadic(frozen(np.array([7, 9]), np.int64))) == 2 * 4


def test_every_kind_in_the_table_is_a_feature():
    kinds = {k for g in CASES.values() for k in node_features(g, g.nodes[0]).units}
    kinds |= {"rom_luts", "memory_luts"}  # of the family, not of the node
    kinds |= {"step_sum_bits"}  # of a layout that no node of the sweep has
    assert all(set(table) <= kinds for table in LUTS.values())
    assert all(luts > 0 for table in LUTS.values() for luts in table.values())


def test_constant_weights_cost_what_their_digits_need():
    """A digit that is zero is no operand; of 4 bits, products are those of w - 1: 1 is nothing."""
    graph = CASES["constant 12x8 bits=4 weight=4"]
    node = graph.nodes[0]
    op = node.synapses[0].op
    assert isinstance(op, Linear)
    units = node_features(graph, node).units
    sparse = Linear(frozen(np.where(np.arange(12) % 3 == 0, op.weight, 1), np.int64))
    thinned = replace(node, synapses=(replace(node.synapses[0], op=sparse),))
    fewer = node_features(graph.with_nodes((thinned,)), thinned).units
    assert 0 < fewer["constant_adder_bits"] < units["constant_adder_bits"]
    assert 0 < fewer["tree_bits"] < 0.5 * units["tree_bits"]


def test_queues_and_kept_membranes_are_memories():
    graph = CASES["linear_spiking steps=25 window=5 in=32 out=8 step_lanes=1 weight=6"]
    node = graph.nodes[0]
    assert node.mapping is not None
    without = len(node_features(graph, node).memories)
    queued = replace(node, mapping=replace(node.mapping, queue_words=40))
    found = node_features(graph, queued).memories
    assert len(found) == without + 1
    assert found[-1] == Memory(8 * 5 + 1, 41, is_rom=False)
    assert Memory(8 * 20, 4, is_rom=False) in found  # a step a cycle keeps no spike beside it


def test_a_prediction_adds_up_nodes_and_ports():
    graph = CASES["linear_radix in=4 out=4 bits=4 weight=3"]
    graph = replace(graph, inputs=(replace(graph.inputs[0], lanes=4),))
    node, ports, found = (
        node_resources(graph, graph.nodes[0]),
        port_resources(graph),
        predict(graph),
    )
    assert found.luts == node.luts + ports.luts
    assert found.ffs == node.ffs + ports.ffs
    assert found.brams == node.brams
    assert found.bram_bits == node.brams * 18_432
    assert found.dsps == 0


def test_ice40_has_smaller_block_rams_and_no_lut_ram():
    graph = CASES["linear_radix in=12 out=4 bits=4 weight=4"]
    ecp5, ice40 = (node_resources(graph, graph.nodes[0], family) for family in ("ecp5", "ice40"))
    assert (ecp5.brams, ice40.brams) == (6, 15)
    assert ice40.bram_bits == 15 * 4_096


def node_of(neuron, shape, *, lanes=2, delay=0, steps=6) -> Graph:
    type = SpikeType(shape, steps, 4)
    synapse = Synapse(Identity(), "x", delay)
    mapping = Mapping(out_lanes=lanes, synapses=(SynapseMapping(1, 1),))
    node = Node("n", (synapse,), neuron, type, mapping)
    source = Input("x", type, lanes=lanes)
    return Graph(Stage.MAPPED, (source,), (node,), (Output("n", Readout.COUNT),), 1)


def roms(neuron, shape) -> list[tuple[int, int]]:
    """(bits of a word, words) of the ROMs that the cost model sees."""
    graph = node_of(neuron, shape)
    found = node_features(graph, graph.nodes[0]).memories
    return [(memory.width_bits, memory.depth) for memory in found if memory.is_rom]


def test_tables_are_as_long_as_their_words_differ():
    """One a channel: channels / lanes words. One a neuron: all of them. Equal ones: none."""
    plain = IntegrateFire(9, Dyadic(7, 3), ONE, membrane_bits=11)
    channels = frozen([2, 3, 4, 5], np.int64)
    neurons = frozen(np.arange(24).reshape(4, 2, 3) % 8 + 1, np.int64)
    assert roms(plain, (4, 2, 3)) == []
    assert roms(replace(plain, threshold=channels), (4, 2, 3)) == [(2 * 4, 2)]
    assert roms(replace(plain, threshold=neurons), (4, 2, 3)) == [(2 * 5, 12)]
    both = replace(plain, threshold=channels, decay=Dyadic(neurons, 3))
    assert roms(both, (4, 2, 3)) == [(2 * 4 + 2 * 5, 12)]
    filtered = replace(plain, synaptic_decay=Dyadic(neurons, 3), offset=channels)
    assert roms(filtered, (4, 2, 3)) == [(2 * 5, 12), (2 * 4, 2)]
    several = replace(plain, threshold=channels, max_spikes=3)
    assert roms(several, (4, 2, 3)) == [(2 * 4 + 2 * 5 + 2 * 5, 2)]
    assert roms(replace(several, max_spikes=9), (4, 2, 3)) == [(2 * 4, 2)]  # searched: one multiple


@pytest.mark.parametrize(("delay", "steps", "held"), [(1, 6, 2), (3, 6, 3), (2, 6, 3), (9, 6, 0)])
def test_a_delay_is_a_memory_of_one_step_more(delay, steps, held):
    graph = node_of(Relay(), (4, 2, 3), delay=delay, steps=steps)
    found = node_features(graph, graph.nodes[0]).memories
    assert found == [Memory(2 * 4 + 1, 12 * held + 1, is_rom=False)]


def test_many_spikes_cost_little_more_than_some():
    """Beyond four the count is searched: neither a comparator nor a multiple for each spike."""
    luts = [
        node_resources(graph, graph.nodes[0]).luts
        for graph in (
            node_of(IntegrateFire(9, ONE, ONE, max_spikes=most, membrane_bits=16), (4,))
            for most in (1, 4, 5, 31)
        )
    ]
    assert luts[0] < luts[1]
    assert luts[3] == luts[2]
    assert luts[3] < luts[1]
