"""The estimate of the clock: the slowest node's, nothing where nothing was fitted."""

from __future__ import annotations

import pytest

from e3ne.boards import load_board
from e3ne.cost.clock import clock_class, clock_hz_estimate, path_features
from e3ne.cost.clock_table import PERIODS
from tests.small_networks import convolution, spiking


@pytest.mark.parametrize("graph", [convolution(), spiking()], ids=["radix", "spiking"])
def test_the_slowest_node_decides(graph, monkeypatch):
    monkeypatch.setitem(PERIODS, "ecp5", {"any": 2.0, "carry_bits": 0.5})
    widest = max(path_features(graph, node)["carry_bits"] for node in graph.nodes)
    expected = 1e9 / (2 + 0.5 * widest)
    assert clock_hz_estimate(graph, load_board("ulx3s-85f")) == round(expected)


def test_a_family_without_place_and_route_has_no_estimate():
    assert clock_hz_estimate(convolution(), load_board("zcu104")) is None
    assert clock_hz_estimate(convolution(), load_board("arty-a7-35t")) is None


def test_dies_of_ice40_differ():
    assert clock_class(load_board("upduino-v3")) == "ice40-up"
    assert clock_class(load_board("ice40-hx8k")) == "ice40-hx"
