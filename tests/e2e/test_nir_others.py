"""Other tools read what e3ne writes, and fire alike; traced torch models go both ways."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from e3ne.frontend import trace
from e3ne.frontend.nir import read_nir, write_nir
from e3ne.ir import (
    Graph,
    Input,
    IntegrateFire,
    Linear,
    Node,
    Output,
    Readout,
    SpikeType,
    Stage,
    Synapse,
    frozen,
    text,
    verify,
)
from e3ne.lower import simplify
from tests.nir_cases import STEPS, sent, spikes

nir = pytest.importorskip("nir", reason="pip install nir")

INPUTS = 9
DT = 1e-4


@pytest.fixture(autouse=True)
def quiet() -> Any:
    torch.manual_seed(5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def two_layers(neuron: IntegrateFire) -> Graph:
    random = np.random.default_rng(2)

    def layer(name: str, source: str, outputs: int, inputs: int) -> Node:
        weight = frozen(random.normal(0.5, 1.2, (outputs, inputs)).astype(np.float32), np.float32)
        bias = frozen(random.normal(0, 0.2, outputs).astype(np.float32), np.float32)
        synapse = Synapse(Linear(weight, bias), source)
        return Node(name, (synapse,), neuron, SpikeType((outputs,), STEPS))

    return verify(
        Graph(
            Stage.FLOAT,
            (Input("input", SpikeType((INPUTS,), STEPS)),),
            (layer("first", "input", 8, INPUTS), layer("second", "first", 5, 8)),
            (Output("second", Readout.COUNT),),
        )
    )


def imported_spikes(net: Any, x: Any) -> Any:
    """The outputs of an imported module that takes (x, state) and gives (out, state)."""
    state, outputs = None, []
    with torch.no_grad():
        for step in range(x.shape[1]):
            out, state = net(torch.tensor(x[:, step]).float(), state)
            outputs.append(out)
    return torch.stack(outputs, 1).numpy()


def compare(graph: Graph, x: Any, found: Any) -> None:
    expected = sent(graph, x)
    assert 0.02 < expected.mean() < 0.98
    assert np.count_nonzero(found != expected) == 0


def test_norse_runs_our_file(tmp_path: Path) -> None:
    norse = pytest.importorskip("norse.torch", reason="pip install norse")
    graph = two_layers(IntegrateFire(0.5, 0.8, 0.2, reset="to_value", reset_step="same"))
    write_nir(graph, tmp_path / "net.nir", DT)
    net = norse.from_nir(nir.read(tmp_path / "net.nir"), dt=DT)
    x = spikes((INPUTS,))
    compare(graph, x, imported_spikes(net, x))


@pytest.mark.parametrize("gain", [1.0, 0.25])
def test_spikingjelly_runs_our_file(gain: float, tmp_path: Path) -> None:
    pytest.importorskip("spikingjelly", reason="pip install spikingjelly")
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    neuron = IntegrateFire(
        0.9 * gain + 0.1, 0.75, gain, reset="to_value", reset_step="same", fire_on=">="
    )
    graph = two_layers(neuron)
    write_nir(graph, tmp_path / "net.nir", DT)
    net = import_from_nir(nir.read(tmp_path / "net.nir"), dt=DT)
    x = spikes((INPUTS,))
    compare(graph, x, imported_spikes(net, x))


def test_snntorch_imports_our_file(tmp_path: Path) -> None:
    """snnTorch's importer knows one reset of its own: weights, decays and thresholds arrive."""
    snn = pytest.importorskip("snntorch", reason="pip install snntorch")
    from snntorch.import_nir import import_from_nir

    neuron = IntegrateFire(0.9, 0.75, 1.0, synaptic_decay=0.5, reset="to_value", reset_step="same")
    graph = two_layers(neuron)
    write_nir(graph, tmp_path / "net.nir", DT)
    net = import_from_nir(nir.read(tmp_path / "net.nir"))
    layers = [member for member in net.modules() if isinstance(member, snn.Synaptic)]
    assert [(float(m.alpha), float(m.beta), float(m.threshold)) for m in layers] == [
        pytest.approx((0.5, 0.75, 0.9)),
        pytest.approx((0.5, 0.75, 0.9)),
    ]
    weights = [m.weight.detach().numpy() for m in net.modules() if isinstance(m, nn.Linear)]
    ops = [node.synapses[0].op for node in graph.nodes]
    for weight, op in zip(weights, ops, strict=True):
        assert isinstance(op, Linear)
        np.testing.assert_array_equal(weight, op.weight)


def test_a_traced_snntorch_model_round_trips(tmp_path: Path) -> None:
    snn = pytest.importorskip("snntorch", reason="pip install snntorch")

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 3)
            self.norm = nn.BatchNorm2d(4)
            self.lif1 = snn.Leaky(0.8, threshold=0.5)
            self.pool = nn.AvgPool2d(2)
            self.rec = snn.RLeaky(torch.linspace(0.5, 0.9, 6), linear_features=6)
            self.fc = nn.Linear(36, 6)
            self.out = nn.Linear(6, 3)
            self.lif2 = snn.Synaptic(0.5, 0.7, reset_mechanism="zero")

        def forward(self, x: Any) -> Any:
            mem1 = self.lif1.reset_mem()
            spk, mem = self.rec.reset_mem()
            syn2, mem2 = self.lif2.reset_mem()
            counts = 0
            for step in range(x.shape[1]):
                current = self.pool(self.norm(self.conv(x[:, step])))
                spk1, mem1 = self.lif1(current, mem1)
                spk, mem = self.rec(self.fc(spk1.flatten(1)), spk, mem)
                spk2, syn2, mem2 = self.lif2(self.out(spk), syn2, mem2)
                counts = counts + spk2
            return counts

    net = Net()
    net.norm.running_mean.uniform_(-0.1, 0.1)
    x = spikes((1, 8, 8), 12, 3)
    graph = simplify(trace(net.eval(), torch.tensor(x).float(), 12, input_has_steps=True))
    round_trip(graph, x, tmp_path)


def test_a_traced_spikingjelly_model_round_trips(tmp_path: Path) -> None:
    pytest.importorskip("spikingjelly", reason="pip install spikingjelly")
    layer = importlib.import_module("spikingjelly.activation_based.layer")
    neuron = importlib.import_module("spikingjelly.activation_based.neuron")
    functional = importlib.import_module("spikingjelly.activation_based.functional")
    net = nn.Sequential(
        layer.Conv1d(2, 4, 5, stride=2, padding=2),
        neuron.LIFNode(tau=2.0, v_threshold=0.5),
        layer.Flatten(),
        layer.Linear(40, 5),
        neuron.IFNode(v_reset=None),
    )
    functional.set_step_mode(net, "m")

    class Steps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Any) -> Any:
            functional.reset_net(self.net)
            return self.net(x.transpose(0, 1)).sum(0)

    x = spikes((2, 20), 10, 3)
    graph = trace(Steps().eval(), torch.tensor(x).float(), 10, input_has_steps=True)
    round_trip(graph, x, tmp_path)


def round_trip(graph: Graph, x: Any, tmp_path: Path) -> None:
    write_nir(graph, tmp_path / "net.nir", DT)
    again = read_nir(tmp_path / "net.nir")
    assert text(again) == text(graph)
    assert nir.read(tmp_path / "net.nir").check_types()
    expected = sent(graph, x)
    assert np.count_nonzero(expected) > 0
    np.testing.assert_array_equal(sent(again, x), expected)
