"""Scales of weights and bounds of edges that are learned, and what of it becomes integers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from e3ne.config import parse_config
from e3ne.ir import BadInput, Linear, Rectify, frozen
from e3ne.lower import prepared
from e3ne.training.fit import Schedule, fit
from e3ne.training.grids import Grid
from e3ne.training.learned_scales import LearnedScales
from e3ne.training.network import QuantizedNetwork
from tests.trained import assert_same_integers
from tests.unit.lower_graphs import chain, linear
from tests.unit.test_training_bits import (
    digits,
    digits_cnn,
    percent,
    torch_as_before,
    trained,
)

__all__ = ["torch_as_before"]


def small(scale: str = "integer") -> QuantizedNetwork:
    graph = chain((6,), {"fc1": linear(5, 6), "relu": Rectify(1.0), "fc2": linear(3, 5)})
    chosen = {"scale": scale, "default": {"weight_bits": 3}, "input": {"bits": 8, "scale": 1 / 255}}
    config = parse_config(chosen)
    return QuantizedNetwork(prepared(graph, None, config), config)


def test_the_pass_is_near_to_that_of_the_integers() -> None:
    network = small()
    x = torch.rand(50, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(LearnedScales(network)(x), network(x), rtol=0, atol=0.1)


def test_the_derivative_of_a_unit_is_that_of_lsq() -> None:
    weight = frozen([[0.31, -0.9, 0.2, 0.05]], np.float32)
    graph = chain((4,), {"fc": Linear(weight)})
    config = parse_config({"default": {"weight_bits": 3}, "input": {"bits": 1, "scale": 1.0}})
    network = QuantizedNetwork(prepared(graph, None, config), config)
    network.set_scales({"fc": Grid(3, np.asarray(0.25))}, {})
    learned = LearnedScales(network)
    learned(torch.ones(1, 4)).sum().backward()
    units = weight.astype(float) / 0.25
    inside = np.rint(units) - units  # LSQ, equation 3: round(v) - v, +-q where v is outside
    wanted = np.where(np.abs(units) > 3.5, np.sign(units) * 3, inside).sum()
    assert learned.logs["fc.unit"].grad.item() == pytest.approx(wanted * 0.25, abs=1e-5)


def test_a_bound_grows_where_it_clips_what_is_wanted() -> None:
    graph = chain(
        (1,),
        {
            "fc": Linear(
                frozen(
                    [
                        [
                            1.0,
                        ]
                    ],
                    np.float32,
                )
            ),
            "relu": Rectify(0.5),
        },
    )
    config = parse_config({"default": {"edge_bits": 4}, "input": {"bits": 8, "scale": 1 / 100}})
    network = QuantizedNetwork(prepared(graph, None, config), config)
    learned = LearnedScales(network, weights=False)
    x = torch.full((64, 1), 0.9)
    fit(learned, x, torch.zeros(64), Schedule(80, 64, 0.03),
        objective=lambda model, x, y: (model(x) - 0.9).square().mean())  # fmt: skip
    learned.settle()
    assert network(x)[0].item() == pytest.approx(0.9, abs=0.04)
    assert 0.85 < network.float_graph().node("fc").neuron.bound < 1.1


def test_bad_scales_are_mended() -> None:
    network = digits_cnn(float_epochs=6)
    network.refresh()
    coarse = {name: Grid(grid.bits, grid.scale * 3) for name, grid in network.trained.grids.items()}
    network.set_scales(coarse, {})
    bad = percent(network)
    learned = LearnedScales(network)
    trained(network, learned, 8)
    learned.settle()
    assert_same_integers(network, digits().test_x[:50].astype(float))
    assert percent(network) > max(94, bad)
    factors = [grid.scale / coarse[name].scale for name, grid in network.trained.grids.items()]
    assert np.mean(factors) < 0.97


def test_powers_of_two_are_refused() -> None:
    with pytest.raises(BadInput, match="learned scales: found scale power_of_two, accepted int"):
        LearnedScales(small("power_of_two"))
