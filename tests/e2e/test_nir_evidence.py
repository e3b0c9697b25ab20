"""The NIR paper's own files: Norse's trace, and the Braille networks beside snnTorch and in RTL."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import e3ne
from e3ne.frontend.nir import read_nir, write_nir
from e3ne.ir import Graph, Integrate, IntegrateFire, text
from e3ne.reference import run
from tests.fixed_lanes import no_search
from tests.nir_cases import sent, shared, spikes

BRAILLE = {
    "zero": ("braille_noDelay_bias_zero.nir", "model_noDelay_bias_ref_zero.pt", True),
    "subtract": ("braille_noDelay_noBias_subtract.nir", "model_noDelay_noBias_ref_subtract.pt",
                 False),
}  # fmt: skip
STEPS = 256


@pytest.mark.parametrize("convention", ["norse", "euler"])
def test_lif_of_norse_against_its_trace(convention: str) -> None:
    """Input, membrane and spikes of 1,000 steps, as Norse recorded them for the NIR paper."""
    graph = read_nir(shared("lif_norse.nir"), 1e-4, "value", convention, steps=1000)
    trace = np.loadtxt(shared("lif_norse.csv"), delimiter=",")
    x = trace[:, 0].reshape(1, 1000, 1)
    (node,) = graph.nodes
    assert isinstance(node.neuron, IntegrateFire)
    found = run(graph, x)[node.name].ravel()
    assert found.sum() == trace[:, 2].sum() == 4
    assert np.count_nonzero(found != trace[:, 2]) == 0
    sends = replace(node, neuron=replace(node.neuron, sends="membrane"))
    membrane = run(graph.with_nodes([sends]), x)[node.name].ravel()
    assert np.abs(membrane - trace[:, 1]).max() < 1e-6


def braille_by_snntorch(reset: str) -> Any:
    """snnTorch's own network, built from the state dict beside the .nir file."""
    snn = pytest.importorskip("snntorch", reason="pip install snntorch")
    state = torch.load(shared(BRAILLE[reset][1]), map_location="cpu", weights_only=True)
    hidden, bias = len(state["fc1.weight"]), BRAILLE[reset][2]
    net = torch.nn.Module()
    net.fc1 = torch.nn.Linear(12, hidden, bias=bias)
    net.lif1 = snn.RSynaptic(0.5, 0.5, linear_features=hidden, reset_mechanism=reset)
    if not bias:
        net.lif1.recurrent = torch.nn.Linear(hidden, hidden, bias=False)
    net.fc2 = torch.nn.Linear(hidden, 7, bias=bias)
    net.lif2 = snn.Synaptic(0.5, 0.5, reset_mechanism=reset)
    net.load_state_dict({
        name: value.reshape(net.state_dict()[name].shape) for name, value in state.items()
    })  # fmt: skip
    return net


@pytest.mark.parametrize("reset", BRAILLE)
def test_braille_fires_as_snntorch(reset: str) -> None:
    """Every spike of both layers over 256 steps of random spikes."""
    net = braille_by_snntorch(reset)
    x = np.concatenate([spikes((12,), STEPS, 8, density) for density in (0.05, 0.2, 0.5)])
    first, second = [], []
    spk, syn, mem = net.lif1.reset_mem()
    syn2, mem2 = net.lif2.reset_mem()
    with torch.no_grad():
        for step in range(STEPS):
            current = net.fc1(torch.tensor(x[:, step]).float())
            spk, syn, mem = net.lif1(current, spk, syn, mem)
            out, syn2, mem2 = net.lif2(net.fc2(spk), syn2, mem2)
            first.append(spk)
            second.append(out)
    graph = read_nir(shared(BRAILLE[reset][0]), 1e-4, reset, "snntorch", steps=STEPS)
    found = run(graph, x)
    for name, trains in (("lif1.lif", first), ("lif2", second)):
        expected = torch.stack(trains, 1).numpy()
        assert expected.sum() > 100
        assert np.count_nonzero(found[name] != expected) == 0


def test_the_other_reset_fires_otherwise() -> None:
    """The broken twin: the comparison above sees a wrong reset."""
    path = shared(BRAILLE["zero"][0])
    x = spikes((12,), STEPS, 2)
    trains = [
        run(read_nir(path, 1e-4, reset, "snntorch", steps=STEPS), x)["lif1.lif"]
        for reset in ("zero", "subtract")
    ]
    assert np.count_nonzero(trains[0] != trains[1]) > 20


def compiled(graph: Graph, folder: Path, x: Any) -> Any:
    return e3ne.compile(graph, calibration=x, output=folder, name=folder.name)


@pytest.mark.parametrize("reset", BRAILLE)
def test_braille_in_rtl(reset: str, tmp_path: Path) -> None:
    """Verilator equals the integer reference bit for bit at every node, 256 steps."""
    graph = read_nir(shared(BRAILLE[reset][0]), 1e-4, reset, "snntorch", steps=STEPS)
    x = spikes((12,), STEPS, frames=4)
    result = compiled(graph, tmp_path / "braille", x).simulate(x)
    result.raise_for_mismatch()
    assert (result.frames, result.mismatches) == (4, 0)
    assert result.nodes_checked >= 2


def test_a_nir_file_of_its_own_in_rtl(tmp_path: Path) -> None:
    """The same without shared data: a small recurrent network, written, read, compiled, run."""
    path = tmp_path / "net.nir"
    small_recurrent(path)
    graph = read_nir(path, 1e-3, "subtract", "snntorch", steps=24)
    assert isinstance(graph.nodes[-1].neuron, Integrate)
    x = spikes((5,), 24, frames=3)
    assert np.count_nonzero(run(graph, x)["hidden"]) > 50
    with no_search():
        hardware = compiled(graph, tmp_path / "net", x)
    result = hardware.simulate(x)
    result.raise_for_mismatch()
    assert (result.frames, result.mismatches) == (3, 0)
    write_nir(graph, tmp_path / "again.nir", 1e-3)
    assert text(read_nir(tmp_path / "again.nir")) == text(graph)
    np.testing.assert_array_equal(sent(read_nir(tmp_path / "again.nir"), x), sent(graph, x))


def small_recurrent(path: Path) -> None:
    """Input -> Affine -> CubaLIF with feedback through a Linear -> Linear -> LI."""
    nir = pytest.importorskip("nir", reason="pip install 'e3ne[nir]'")
    random = np.random.default_rng(3)

    def full(value: float, size: int) -> Any:
        return np.full(size, value)

    nodes = {
        "input": nir.Input({"input": np.array([5])}),
        "fc": nir.Affine(random.normal(0.3, 0.6, (6, 5)), random.normal(0, 0.1, 6)),
        "hidden": nir.CubaLIF(
            tau_syn=full(2e-3, 6), tau_mem=full(5e-3, 6), r=full(5.0, 6), v_leak=full(0.0, 6),
            v_threshold=full(1.0, 6), w_in=full(2.0, 6),
        ),
        "w_rec": nir.Linear(random.normal(0, 0.4, (6, 6))),
        "out": nir.Linear(random.normal(0, 0.7, (3, 6))),
        "readout": nir.LI(tau=full(8e-3, 3), r=full(8.0, 3), v_leak=full(0.0, 3)),
        "output": nir.Output({"output": np.array([3])}),
    }  # fmt: skip
    edges = [
        ("input", "fc"), ("fc", "hidden"), ("hidden", "w_rec"), ("w_rec", "hidden"),
        ("hidden", "out"), ("out", "readout"), ("readout", "output"),
    ]  # fmt: skip
    nir.write(path, nir.NIRGraph(nodes, edges))
