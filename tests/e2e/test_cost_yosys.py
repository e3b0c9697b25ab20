"""The area estimate beside a Yosys run of today, one small node on every family."""

from __future__ import annotations

from typing import get_args

import pytest

from benchmarks.cost_runs import component, synthesize
from benchmarks.lut_cases import integers, one_node
from e3ne.boards import Family
from e3ne.cost import node_resources
from e3ne.ir import Linear, Requantize, SpikeType


@pytest.mark.parametrize("family", get_args(Family))
def test_a_small_node_is_as_large_as_predicted(family):
    op = Linear(integers((16, 32), 4))
    graph = one_node(op, SpikeType((32,), 1, 2), Requantize(1, 4), 2, (2, 2, 1, 1))
    (used,) = synthesize([component(graph)], family)
    found = node_resources(graph, graph.nodes[0], family)
    assert found.luts == pytest.approx(used["luts"], rel=0.35)
    assert found.ffs == pytest.approx(used["ffs"], rel=0.25)
    assert (found.brams, found.dsps) == (used["brams"], used["dsps"])
