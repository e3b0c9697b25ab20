"""Each convention is its library: what its own exporter wrote fires as its own forward does."""

from __future__ import annotations

import copy
import importlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from e3ne.frontend.nir import read_nir
from e3ne.ir import Graph, text
from tests.nir_cases import STEPS, sent, spikes

nir = pytest.importorskip("nir", reason="pip install nir")

INPUTS = 9


@pytest.fixture(autouse=True)
def quiet() -> Any:
    torch.manual_seed(5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def linear(inputs: int, outputs: int, bias: bool = True) -> nn.Linear:
    """Weights large enough that neurons fire at different times."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    nn.init.normal_(layer.weight, 0.15, 0.5)
    return layer


def through_file(exported: Any, tmp_path: Path, **options: Any) -> Graph:
    """The graph of what an exporter made, read from a file and from the object: they agree.

    Norse and Rockpool leave tensors in the object that nir.write cannot store: `plain` them first.
    """
    nir.write(tmp_path / "net.nir", plain(exported))
    graph = read_nir(tmp_path / "net.nir", steps=STEPS, **options)
    from_object = read_nir(exported, steps=STEPS, **options)
    assert sorted(text(graph).splitlines()) == sorted(text(from_object).splitlines())
    return graph


def plain(exported: Any) -> Any:
    """The same graph with NumPy arrays of at least one axis in its nodes."""
    exported = copy.deepcopy(exported)
    for node in exported.nodes.values():
        for name, value in vars(node).items():
            value = value.detach().numpy() if isinstance(value, torch.Tensor) else value
            if isinstance(value, np.ndarray | np.floating):
                setattr(node, name, np.atleast_1d(value))
    return exported


def stepped(net: nn.Module, x: Any) -> Any:
    """The outputs of a net that takes one step a call, (frames, steps, outputs)."""
    inputs = torch.tensor(x).to(next(net.parameters()).dtype)
    with torch.no_grad():
        outputs = [net(inputs[:, step]) for step in range(x.shape[1])]
    first = [out[0] if isinstance(out, tuple) else out for out in outputs]
    return torch.stack(first, 1).flatten(2).numpy()


def check(graph: Graph, x: Any, expected: Any) -> None:
    """Every spike of every step equals the library's, and there are some to compare."""
    found = sent(graph, x)
    assert found.shape == expected.shape
    assert np.count_nonzero(found != expected) == 0
    assert 0.02 < np.mean(expected > 0) < 0.98


# snnTorch


def snntorch_export(net: nn.Module, shape: tuple[int, ...]) -> Any:
    from snntorch.export_nir import export_to_nir

    return export_to_nir(net, torch.rand(1, *shape), ignore_dims=[0])


@pytest.mark.parametrize("mechanism", ["subtract", "zero", "none"])
def test_snntorch_leaky_and_synaptic(mechanism: str, tmp_path: Path) -> None:
    snn = pytest.importorskip("snntorch", reason="pip install snntorch")
    net = nn.Sequential(
        linear(INPUTS, 8),
        snn.Leaky(torch.linspace(0.6, 0.95, 8), torch.ones(8) * 1.2, init_hidden=True,
                  reset_mechanism=mechanism),
        linear(8, 6, bias=False),
        snn.Synaptic(torch.full((6,), 0.6), torch.full((6,), 0.8), torch.full((6,), 1.5),
                     init_hidden=True, output=True, reset_mechanism=mechanism),
    )  # fmt: skip
    graph = through_file(
        snntorch_export(net, (INPUTS,)), tmp_path, dt=1e-4, reset=mechanism, convention="snntorch"
    )
    assert [node.name for node in graph.nodes] == ["1", "3"]
    x = spikes((INPUTS,))
    importlib.import_module("snntorch.utils").reset(net)
    check(graph, x, stepped(net, x))


@pytest.mark.parametrize("mechanism", ["subtract", "zero"])
@pytest.mark.parametrize("kind", ["RLeaky", "RSynaptic", "one_to_one"])
def test_snntorch_recurrent(kind: str, mechanism: str, tmp_path: Path) -> None:
    snn = pytest.importorskip("snntorch", reason="pip install snntorch")
    beta, theta = torch.full((7,), 0.8), torch.full((7,), 1.1)
    options = {"init_hidden": True, "output": True, "reset_mechanism": mechanism}
    if kind == "RSynaptic":
        layer = snn.RSynaptic(0.5, beta, linear_features=7, threshold=theta, **options)
    elif kind == "RLeaky":
        layer = snn.RLeaky(beta, linear_features=7, threshold=theta, **options)
    else:
        layer = snn.RLeaky(
            beta, all_to_all=False, V=torch.linspace(-0.9, 0.9, 7), threshold=theta, **options
        )
    if kind != "one_to_one":
        nn.init.normal_(layer.recurrent.weight, 0, 0.4)
    net = nn.Sequential(linear(INPUTS, 7), layer)
    graph = through_file(
        snntorch_export(net, (INPUTS,)), tmp_path, dt=1e-4, reset=mechanism, convention="snntorch"
    )
    (node,) = graph.nodes
    assert sorted(synapse.delay for synapse in node.synapses) == [0, 1]
    x = spikes((INPUTS,))
    importlib.import_module("snntorch.utils").reset(net)
    check(graph, x, stepped(net, x))


def test_snntorch_convolutions(tmp_path: Path) -> None:
    snn = pytest.importorskip("snntorch", reason="pip install snntorch")
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False),
        snn.Leaky(0.8, threshold=0.4, init_hidden=True),
        nn.AvgPool2d(2),
        nn.Conv2d(4, 3, 3),
        snn.Leaky(torch.full((3, 2, 2), 0.7), torch.full((3, 2, 2), 0.2), init_hidden=True),
        nn.Flatten(),
        linear(12, 5),
        snn.Leaky(torch.full((5,), 0.9), torch.ones(5), init_hidden=True, output=True),
    )
    net[1].beta = torch.full((4, 8, 8), 0.8)
    net[1].threshold = torch.full((4, 8, 8), 0.4)
    graph = through_file(
        snntorch_export(net, (2, 8, 8)), tmp_path, dt=1e-4, reset="subtract", convention="snntorch"
    )
    x = spikes((2, 8, 8))
    importlib.import_module("snntorch.utils").reset(net)
    check(graph, x, stepped(net, x))


# SpikingJelly


@pytest.mark.parametrize("reset", [0.0, -0.25])
@pytest.mark.parametrize("decay_input", [True, False])
def test_spikingjelly(decay_input: bool, reset: float, tmp_path: Path) -> None:
    pytest.importorskip("spikingjelly", reason="pip install spikingjelly")
    from spikingjelly.activation_based import functional, layer, neuron
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    net = nn.Sequential(
        layer.Linear(INPUTS, 8),
        neuron.LIFNode(tau=3.0, decay_input=decay_input, v_threshold=0.6, v_reset=reset),
        layer.Linear(8, 8, bias=False),
        neuron.ParametricLIFNode(init_tau=2.5, decay_input=decay_input, v_reset=reset),
        layer.Linear(8, 8),
        neuron.CUBALIFNode(c_decay=0.5, v_decay=0.75, v_threshold=1.2, v_reset=reset),
        layer.Linear(8, 5),
        neuron.IFNode(v_threshold=1.1, v_reset=reset),
    )
    for member in net:
        if isinstance(member, nn.Linear):
            nn.init.normal_(member.weight, 0.1, 0.6)
    graph = through_file(
        export_to_nir(net, torch.rand(1, INPUTS)), tmp_path,
        dt=1e-4, reset="value", convention="spikingjelly",
    )  # fmt: skip
    x = spikes((INPUTS,))
    functional.reset_net(net)
    check(graph, x, stepped(net.double(), x))


def test_spikingjelly_convolutions(tmp_path: Path) -> None:
    pytest.importorskip("spikingjelly", reason="pip install spikingjelly")
    from spikingjelly.activation_based import functional, layer, neuron
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    net = nn.Sequential(
        layer.Conv1d(2, 4, 5, stride=2, padding=2, bias=False),
        neuron.LIFNode(tau=2.0, decay_input=False, v_threshold=0.5),
        layer.Conv1d(4, 3, 3, dilation=2),
        neuron.IFNode(v_threshold=0.4),
        layer.Flatten(),
        linear(18, 4),
        neuron.IFNode(v_threshold=3.0),
    )
    nn.init.normal_(net[0].weight, 0.2, 0.5)
    nn.init.normal_(net[2].weight, 0.2, 0.5)
    graph = through_file(
        export_to_nir(net, torch.rand(1, 2, 20)), tmp_path,
        dt=1e-4, reset="zero", convention="spikingjelly",
    )  # fmt: skip
    assert graph.inputs[0].type.shape == (2, 1, 20)
    x = spikes((2, 20))
    functional.reset_net(net)
    check(graph, x, stepped(net.double(), x))


# Norse


def norse_net(nt: Any, last: Any) -> Any:
    box = nt.LIFBoxParameters(v_th=torch.tensor(0.15), tau_mem_inv=torch.tensor(120.0),
                              v_leak=torch.tensor(0.02))  # fmt: skip
    lif = nt.LIFParameters(v_th=torch.tensor(0.3), tau_syn_inv=torch.tensor(250.0))
    return nt.SequentialState(
        linear(INPUTS, 8), nt.LIFBoxCell(box), linear(8, 8), nt.LIFCell(lif),
        linear(8, 5), last,
    )  # fmt: skip


def norse_steps(net: Any, x: Any) -> Any:
    state, outputs = None, []
    with torch.no_grad():
        for step in range(x.shape[1]):
            out, state = net(torch.tensor(x[:, step]), state)
            outputs.append(out)
    return torch.stack(outputs, 1).numpy()


def test_norse(tmp_path: Path) -> None:
    nt = pytest.importorskip("norse.torch", reason="pip install norse")
    from norse.torch.utils.export_nir import to_nir

    net = norse_net(nt, nt.IAFCell(nt.IAFParameters(v_th=torch.tensor(1.3))))
    exported = to_nir(net, torch.rand(1, INPUTS))
    assert float(exported.nodes["1"].tau) < 1e-4  # dt times seconds
    graph = through_file(exported, tmp_path, dt=1e-3, reset="value", convention="norse")
    x = spikes((INPUTS,))
    check(graph, x, norse_steps(net.double(), x))


def test_norse_membranes(tmp_path: Path) -> None:
    nt = pytest.importorskip("norse.torch", reason="pip install norse")
    from norse.torch.utils.export_nir import to_nir

    net = norse_net(nt, nt.LIBoxCell(nt.LIBoxParameters(tau_mem_inv=torch.tensor(90.0))))
    exported = to_nir(net, torch.rand(1, INPUTS))
    graph = through_file(exported, tmp_path, dt=1e-3, reset="value", convention="norse")
    x = spikes((INPUTS,))
    expected = norse_steps(net.double(), x)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(sent(graph, x), expected, atol=1e-6)


def test_norse_until_1_0_wrote_seconds(tmp_path: Path) -> None:
    """The same network with tau in seconds, as in lif_norse.nir of the NIR paper."""
    nt = pytest.importorskip("norse.torch", reason="pip install norse")
    from norse.torch.utils.export_nir import to_nir

    net = norse_net(nt, nt.IAFCell(nt.IAFParameters(v_th=torch.tensor(1.3))))
    exported = to_nir(net, torch.rand(1, INPUTS), dt=1.0)
    graph = through_file(exported, tmp_path, dt=1e-3, reset="value", convention="norse")
    x = spikes((INPUTS,))
    check(graph, x, norse_steps(net.double(), x))


# Rockpool


def test_rockpool(tmp_path: Path) -> None:
    pytest.importorskip("rockpool", reason="pip install rockpool")
    from rockpool.nn.combinators import Sequential
    from rockpool.nn.modules import LIFNeuronTorch, LIFTorch, LinearTorch
    from rockpool.nn.modules.torch.nir import to_nir

    dt = 2e-3
    net = Sequential(
        LinearTorch((INPUTS, 8)),
        LIFTorch(8, tau_mem=0.012, tau_syn=0.007, threshold=0.9, dt=dt),
        LinearTorch((8, 5), has_bias=True),
        LIFNeuronTorch(5, tau_mem=torch.linspace(0.01, 0.03, 5), threshold=0.7, dt=dt),
    )
    x = spikes((INPUTS,))
    graph = through_file(to_nir(net), tmp_path, dt=dt, reset="subtract", convention="rockpool")
    net = net.reset_state()  # the exporter has run it
    with torch.no_grad():
        expected = net(torch.tensor(x).float())[0].numpy()
    assert expected.max() > 1  # several spikes a step
    check(graph, x, expected)


def test_rockpool_synapses(tmp_path: Path) -> None:
    pytest.importorskip("rockpool", reason="pip install rockpool")
    from rockpool.nn.combinators import Sequential
    from rockpool.nn.modules import ExpSynTorch, LinearTorch
    from rockpool.nn.modules.torch.nir import to_nir

    net = Sequential(LinearTorch((INPUTS, 6)), ExpSynTorch(6, tau=0.015, dt=1e-3))
    x = spikes((INPUTS,))
    graph = through_file(to_nir(net), tmp_path, dt=1e-3, reset="subtract", convention="rockpool")
    net = net.reset_state()  # the exporter has run it
    with torch.no_grad():
        expected = net(torch.tensor(x).float())[0].numpy()
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(sent(graph, x), expected, atol=1e-4)


@pytest.mark.parametrize("other", ["euler", "spikingjelly"])
def test_another_convention_fires_otherwise(other: str, tmp_path: Path) -> None:
    """The broken twin: with the wrong convention the spikes differ, and `check` sees it."""
    snn = pytest.importorskip("snntorch", reason="pip install snntorch")
    net = nn.Sequential(linear(INPUTS, 8), snn.Leaky(torch.full((8,), 0.8), torch.ones(8),
                        init_hidden=True, output=True))  # fmt: skip
    exported = snntorch_export(net, (INPUTS,))
    graph = through_file(exported, tmp_path, dt=1e-4, reset="subtract", convention=other)
    x = spikes((INPUTS,))
    importlib.import_module("snntorch.utils").reset(net)
    with pytest.raises(AssertionError):
        check(graph, x, stepped(net, x))
