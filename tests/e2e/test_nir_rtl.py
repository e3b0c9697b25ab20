"""One network in every convention: delays, a scale, feedback, a readout, down to Verilator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import e3ne
from e3ne.ir import text
from e3ne.reference import run
from tests.fixed_lanes import no_search
from tests.nir_cases import spikes

nir = pytest.importorskip("nir", reason="pip install 'e3ne[nir]'")

DT = 1e-3
STEPS = 20
RESETS = {
    "euler": "value",
    "snntorch": "zero",
    "spikingjelly": "value",
    "norse": "value",
    "sinabs": "subtract",
    "rockpool": "subtract",
}


def full(value: float, size: int = 6) -> Any:
    return np.full(size, value)


def network(tau: float, theta: float) -> Any:
    """Input -> fc -> a -> (delay, matrix | scale) -> b, which reads itself -> out -> li."""
    random = np.random.default_rng(3)
    taus = np.linspace(0.5, 1.5, 6) * tau
    nodes = {
        "input": nir.Input(np.array([5])),
        "fc": nir.Affine(random.normal(0.5, 0.8, (6, 5)), random.normal(0, 0.1, 6)),
        "a": nir.LIF(taus, full(3.0), full(0.0), np.linspace(0.8, 1.2, 6)),
        "late": nir.Delay(full(2 * DT)),
        "w": nir.Linear(random.normal(0, 0.4, (6, 6))),
        "scale": nir.Scale(np.linspace(0.2, 0.6, 6)),
        "b": nir.CubaLIF(full(tau / 2), full(tau), full(1.5), full(0.0), full(theta)),
        "rec": nir.Linear(random.normal(-0.2, 0.2, (6, 6))),
        "out": nir.Linear(random.normal(0, 0.7, (3, 6))),
        "li": nir.LI(full(2 * tau, 3), full(1.0, 3), full(0.0, 3)),
        "output": nir.Output(np.array([3])),
    }  # fmt: skip
    edges = [
        ("input", "fc"), ("fc", "a"), ("a", "late"), ("late", "w"), ("w", "b"), ("a", "scale"),
        ("scale", "b"), ("b", "rec"), ("rec", "b"), ("b", "out"), ("out", "li"), ("li", "output"),
    ]  # fmt: skip
    return nir.NIRGraph(nodes, edges)


@pytest.mark.parametrize("convention", RESETS)
def test_every_convention_in_rtl(convention: str, tmp_path: Path) -> None:
    tau = 5.0 if convention == "sinabs" else 5e-3
    path = tmp_path / "net.nir"
    several = RESETS[convention] == "subtract"  # spikes a step: fewer with a high threshold
    nir.write(path, network(tau, 0.9 if several else 0.15))
    graph = e3ne.read_nir(path, DT, RESETS[convention], convention, STEPS)
    x = spikes((5,), STEPS, 3)
    sent = run(graph, x)
    assert sent["a"].sum() > 30
    assert sent["b"].sum() > 10
    assert np.ptp(sent["li"]) > 0
    with no_search():
        hardware = e3ne.compile(graph, calibration=x, output=tmp_path / "build", name="net")
    result = hardware.simulate(x)
    result.raise_for_mismatch()
    assert (result.frames, result.mismatches, result.nodes_checked) == (3, 0, 3)
    e3ne.write_nir(graph, tmp_path / "again.nir", DT)
    assert text(e3ne.read_nir(tmp_path / "again.nir")) == text(graph)
