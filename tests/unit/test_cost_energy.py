"""The labelled model of energy: power times time, deterministic, larger with more of anything."""

from __future__ import annotations

from dataclasses import replace

import pytest

from e3ne.boards import list_boards, load_board
from e3ne.cost import Prediction, energy, predict
from e3ne.cost.energy import HIGH, LOW, memory_bits, static_w
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
