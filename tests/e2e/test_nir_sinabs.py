"""The convention sinabs beside sinabs's own forward; runs in a session that sees its folder."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("sinabs", reason="make setup")

import nir
from sinabs import activation
from sinabs import layers as sl
from sinabs.nir import to_nir

from e3ne.frontend.nir import read_nir
from e3ne.ir import Graph
from tests.nir_cases import STEPS, sent, spikes

INPUTS = 9


@pytest.fixture(autouse=True)
def quiet() -> Any:
    torch.manual_seed(5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, 0.15, 0.5)
    return layer


def graph_of(net: nn.Module, x: Any, tmp_path: Path, reset: str = "subtract") -> Graph:
    """What sinabs exports, through a file; `dt` plays no part: sinabs counts in steps."""
    exported = to_nir(net, torch.tensor(x[:1]).float())
    for node in exported.nodes.values():
        for name, value in vars(node).items():
            if isinstance(value, torch.Tensor | np.ndarray):
                setattr(node, name, np.atleast_1d(np.asarray(value)))
    nir.write(tmp_path / "net.nir", exported)
    return read_nir(tmp_path / "net.nir", dt=1.0, reset=reset, convention="sinabs", steps=STEPS)


def forward(net: nn.Module, x: Any) -> Any:
    for member in net.modules():
        if isinstance(member, sl.StatefulLayer):
            member.reset_states()
    with torch.no_grad():
        return net(torch.tensor(x).float()).flatten(2).numpy()


def test_lif_and_iaf_send_several_spikes(tmp_path: Path) -> None:
    net = nn.Sequential(
        linear(INPUTS, 8),
        sl.LIF(tau_mem=torch.linspace(2.0, 12.0, 8), spike_threshold=torch.full((8,), 0.1)),
        linear(8, 5),
        sl.IAF(spike_threshold=torch.tensor(1.5)),
    )
    x = spikes((INPUTS,))
    graph = graph_of(net, x, tmp_path)
    expected = forward(net, x)
    assert expected.max() > 1
    found = sent(graph, x)
    assert np.count_nonzero(found != expected) == 0


def test_reset_to_zero(tmp_path: Path) -> None:
    net = nn.Sequential(
        linear(INPUTS, 8),
        sl.IAF(spike_threshold=torch.tensor(0.9), reset_fn=activation.MembraneReset()),
    )
    x = spikes((INPUTS,))
    graph = graph_of(net, x, tmp_path, "zero")
    expected = forward(net, x)
    assert np.count_nonzero(expected) > 100
    assert np.count_nonzero(sent(graph, x) != expected) == 0


def test_exp_leak(tmp_path: Path) -> None:
    net = nn.Sequential(linear(INPUTS, 6), sl.ExpLeak(tau_mem=torch.linspace(2.0, 12.0, 6)))
    x = spikes((INPUTS,))
    expected = forward(net, x)
    graph = graph_of(net, x, tmp_path)
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(sent(graph, x), expected, atol=1e-4)


def test_convolutions_and_pools(tmp_path: Path) -> None:
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False),
        sl.IAFSqueeze(batch_size=4, spike_threshold=torch.tensor(0.5)),
        sl.SumPool2d(2),
        nn.Conv2d(4, 3, 3),
        sl.IAFSqueeze(batch_size=4, spike_threshold=torch.tensor(0.8)),
        nn.Flatten(),
        linear(12, 5),
        sl.IAFSqueeze(batch_size=4),
    )
    x = spikes((2, 8, 8))
    flat = x.reshape(-1, 2, 8, 8)
    with torch.no_grad():
        expected = net(torch.tensor(flat).float()).reshape(4, STEPS, 5).numpy()
    exported = to_nir(net, torch.tensor(flat[:4]).float())
    graph = read_nir(exported, dt=1.0, reset="subtract", convention="sinabs", steps=STEPS)
    assert np.count_nonzero(expected) > 50
    assert np.count_nonzero(sent(graph, x) != expected) == 0
