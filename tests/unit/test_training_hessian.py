"""Hessian traces against the exact Hessian, and what they predict against what is measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from e3ne.config import Config
from e3ne.ir import Graph, IntegrateFire, Rectify, UnsupportedModel
from e3ne.lower import prepared
from e3ne.training.hessian import hessian_traces, predicted_losses
from e3ne.training.network import QuantizedNetwork
from tests.unit.lower_graphs import chain, conv, frames, linear, max_pool

BITS = (1.58, 3, 4, 6, 8)


def network() -> Graph:
    layers = {"conv": conv(2, 1), "relu": Rectify(4.0), "pool": max_pool(), "fc": linear(3, 8)}
    return prepared(chain((1, 6, 6), layers), frames(8, 1, 1, 6, 6), Config())


def data() -> tuple[np.ndarray, np.ndarray]:
    return frames(24, 1, 1, 6, 6), np.random.default_rng(2).integers(0, 3, 24)


def exact(graph: Graph, name: str) -> float:
    """The trace, one second derivative after the other."""
    x, y = data()
    model = QuantizedNetwork(graph, quantizing=False)
    loss = cross_entropy(model(torch.from_numpy(x.astype(np.float32))), torch.from_numpy(y))
    weight = model.weights[f"{name}.weight"]
    (slope,) = torch.autograd.grad(loss, [weight], create_graph=True)
    total = 0.0
    for place, each in enumerate(slope.reshape(-1)):
        (row,) = torch.autograd.grad(each, [weight], retain_graph=True)
        total += float(row.reshape(-1)[place])
    return total


def test_the_estimate_comes_near_the_exact_trace() -> None:
    traces = hessian_traces(network(), *data(), samples=400)
    for name in ("conv", "fc"):
        assert traces[name] == pytest.approx(exact(network(), name), rel=0.15)
    assert hessian_traces(network(), *data()) == hessian_traces(network(), *data())


def test_fewer_bits_are_predicted_to_lose_more() -> None:
    traces = hessian_traces(network(), *data())
    losses = predicted_losses(network(), traces, BITS, Config(), data()[0])
    for by_bits in losses.values():
        values = [by_bits[bits] for bits in BITS]
        assert values == sorted(values, reverse=True)
        assert values[-1] < 0.01 * values[0]


def test_no_trace_predicts_no_loss() -> None:
    losses = predicted_losses(network(), {"fc": -1.0}, (2,), Config(), data()[0])
    assert losses == {"fc": {2: 0.0}}


def test_spiking_networks_have_no_hessian() -> None:
    graph = chain((4,), {"fc": linear(3, 4), "lif": IntegrateFire(1.0, 0.5)}, steps=3)
    ready = prepared(graph, frames(4, 1, 4), replace(Config(), calibration_frames=4))
    with pytest.raises(UnsupportedModel, match="fc: found spiking neurons, accepted networks of"):
        hessian_traces(ready, frames(4, 1, 4), np.zeros(4, np.int64))
