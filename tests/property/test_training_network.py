"""The training pass computes the integers of the lowered network, whatever it looks like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from e3ne import reference
from e3ne.config import parse_config
from e3ne.ir import Graph, UnsupportedModel
from e3ne.lower import prepared
from e3ne.training.network import QuantizedNetwork
from tests.property import lower_networks
from tests.property.loop_networks import loop_networks, trains
from tests.trained import assert_same_integers, forward, scrambled, shares_divisors

QUICK = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
SEEDS = st.integers(0, 2**16)


@st.composite
def configs(draw: Any, per_channel: bool = True) -> dict[str, Any]:
    """Bits of weights and edges, and how they are scaled."""
    return {
        "scale": draw(st.sampled_from(["integer", "integer", "power_of_two"])),
        "default": {
            "weight_bits": draw(st.sampled_from([1, 1.58, 2, 3, 4, 8])),
            "edge_bits": draw(st.integers(1, 8)),
            "per_channel": per_channel and draw(st.booleans()),
        },
    }


@pytest.mark.parametrize("strategy", ["radix_networks", "spiking_networks"])
def test_networks_with_parameters_a_channel(strategy: str) -> None:
    @QUICK
    @given(getattr(lower_networks, strategy)(), SEEDS, configs())
    def check(graph: Graph, seed: int, chosen: dict[str, Any]) -> None:
        x = lower_networks.inputs(graph, 4, seed)
        config = parse_config(chosen)
        network = QuantizedNetwork(prepared(graph, x, config), config, x)
        scrambled(network, seed)
        assume(not shares_divisors(network))
        assert_same_integers(network, x)

    check()


@QUICK
@given(loop_networks(), SEEDS, configs(per_channel=False))
def test_feedback_concatenations_and_delays(
    graph: Graph, seed: int, chosen: dict[str, Any]
) -> None:
    x = tuple(trains(graph, 4, seed))
    config = parse_config(chosen)
    try:
        network = QuantizedNetwork(prepared(graph, x, config), config, x)
    except UnsupportedModel:  # a loop of sums alone
        return
    scrambled(network, seed)
    assume(not shares_divisors(network))
    assert_same_integers(network, *x)


@pytest.mark.parametrize("strategy", ["radix_networks", "spiking_networks"])
def test_the_real_pass_is_the_float_graph(strategy: str) -> None:
    @settings(max_examples=40, deadline=None)
    @given(getattr(lower_networks, strategy)(), SEEDS)
    def check(graph: Graph, seed: int) -> None:
        x = lower_networks.inputs(graph, 4, seed)
        ready = prepared(graph, x)
        network = QuantizedNetwork(ready, calibration=x, quantizing=False)
        wanted, found = reference.run(network.float_graph(), x), forward(network, (x,))
        for name, sent in wanted.items():
            # float32 against float64: a spike may tip, and what follows it
            far = np.abs(found[name] - sent) > 1e-3 * (1 + np.abs(sent))
            assert far.mean() < 0.05, name

    check()
