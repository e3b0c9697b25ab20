"""The labelled model of energy: power times time, deterministic, larger with more of anything."""

from __future__ import annotations

from dataclasses import replace

import pytest

from e3ne.boards import list_boards, load_board
from e3ne.cost import Prediction, energy, node_resources, port_resources, predict
from e3ne.cost.energy import COEFFICIENTS, HIGH, LOW, PORTS, memory_bits, static_w
from e3ne.ir import Storage
from e3ne.reference import run as reference_run
from tests.rtl.lane_cases import LANE_ROWS, lane_frames, lane_rows
from tests.small_networks import convolution, spiking

BOARD = load_board("ulx3s-85f")


@pytest.mark.parametrize("graph", [convolution(), spiking()], ids=["radix", "spiking"])
def test_energy_is_power_times_time_between_its_two_ends(graph):
    found = energy(graph, BOARD)
    assert found.power_w * found.time_s == pytest.approx(found.nominal_j)
    assert found.time_s == predict(graph).interval_cycles / BOARD.clock_hz
    assert found.low_nj == pytest.approx(found.nominal_nj * LOW)
    assert found.low_nj < found.nominal_nj < found.high_nj == found.nominal_nj * HIGH
    assert found == energy(graph, BOARD)


def test_more_spikes_longer_frames_and_more_area_cost_energy():
    graph = spiking()
    prediction = predict(graph)
    found = energy(graph, BOARD, prediction)
    names = [source.name for source in graph.inputs] + [node.name for node in graph.nodes]
    quiet = energy(graph, BOARD, prediction, dict.fromkeys(names, 0.1))
    assert quiet.dynamic_j < found.dynamic_j
    longer = replace(prediction, interval_cycles=2 * prediction.interval_cycles)
    assert energy(graph, BOARD, longer).static_j == pytest.approx(2 * found.static_j)
    larger = replace(prediction, ffs=2 * prediction.ffs)
    assert energy(graph, BOARD, larger).dynamic_j > found.dynamic_j
    slower = energy(graph, BOARD, prediction, clock_hz=BOARD.clock_hz / 2)
    assert slower.dynamic_j == found.dynamic_j
    assert slower.static_j == pytest.approx(2 * found.static_j)


def test_counted_changes_take_the_place_of_the_assumed_ones():
    graph = spiking()
    assumed = energy(graph, BOARD).dynamic_j
    still = {PORTS: 0.0} | {node.name: 0.0 for node in graph.nodes}
    rest = energy(graph, BOARD, changes=still).dynamic_j
    assert 0 < rest < assumed
    assert energy(graph, BOARD, activity={"hidden": 1.0}, changes=still).dynamic_j == rest
    luts = node_resources(graph, graph.node("hidden"), "ecp5").luts
    pj = COEFFICIENTS["ecp5"].lut_pj
    more = energy(graph, BOARD, changes={**still, "hidden": 8.0}).dynamic_j - rest
    assert more == pytest.approx(luts * 8.0 * pj * 1e-12)
    ports = energy(graph, BOARD, changes={**still, PORTS: 8.0}).dynamic_j - rest
    assert ports == pytest.approx(port_resources(graph, "ecp5").luts * 8.0 * pj * 1e-12)


@pytest.mark.parametrize("name", list_boards())
def test_every_board_has_a_model(name):
    board = load_board(name)
    assert 0 < energy(convolution(), board).nominal_nj < 1e9
    assert 1e-5 < static_w(board) < 10


def test_a_board_may_say_what_its_part_takes():
    assert static_w(replace(BOARD, static_uw=1000)) == pytest.approx(1e-3)


def test_bits_of_block_rams_are_counted_only_where_there_are_any():
    assert memory_bits(convolution(), "ecp5") == (0, 0)
    read, written = memory_bits(convolution(), "ice40")
    assert read >= written >= 0
    assert isinstance(predict(convolution()), Prediction)


def test_what_event_nodes_leave_out_is_not_read():
    """Frames of few events read fewer bits and take less energy."""
    graph = lane_rows(LANE_ROWS[0])
    few, many = (reference_run(graph, lane_frames(graph, share, 1)) for share in (0.1, 0.9))
    nodes = [
        replace(n, mapping=replace(n.mapping, synapses=in_blocks(n.mapping.synapses)))
        for n in graph.nodes
    ]
    graph = graph.with_nodes(nodes)
    read = [memory_bits(graph, "ecp5", trains)[0] for trains in (few, many, None)]
    assert 0 < read[0] < read[1] <= read[2]
    known = predict(graph)
    spent = [energy(graph, BOARD, known, trains=trains).dynamic_j for trains in (few, many, None)]
    assert spent[0] < spent[1] <= spent[2]


def in_blocks(synapses):
    """The same layouts with weights in block RAM."""
    return tuple(replace(lanes, storage=Storage.BLOCK) for lanes in synapses)
