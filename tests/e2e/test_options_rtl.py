"""Networks of every option of post-training quantisation in Verilog: every number equals."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import e3ne
from e3ne.config import parse_config
from e3ne.ir import Graph, IntegrateFire, Linear, Neuron, Op, Rectify
from tests.fixed_lanes import no_search
from tests.unit.lower_graphs import chain, conv, linear, max_pool, real

FRAMES = 6
FEW = {"weight_scale": "mse", "per_channel": True, "fit_threshold": True}


def radix() -> Graph:
    layers: dict[str, Op | Neuron] = {"c1": conv(4, 1, padding=(1, 1)), "r1": Rectify()}
    layers |= {"pool": max_pool(), "f1": linear(8, 64), "r2": Rectify(), "f2": linear(3, 8)}
    return chain((1, 8, 8), layers)


def spiking() -> Graph:
    layers: dict[str, Op | Neuron] = {"f1": linear(16, 64), "n1": IntegrateFire(0.5, 0.9)}
    layers |= {"f2": Linear(real(4, 16)), "n2": IntegrateFire(0.4, 0.9)}
    return chain((64,), layers, steps=5)


@pytest.mark.skipif(
    shutil.which("verilator") is None, reason="no verilator: sudo apt-get install -y verilator"
)
@pytest.mark.parametrize(
    ("graph", "bits"),
    [(radix(), "binary"), (spiking(), "mixed")],
    ids=["binary radix", "mixed spiking"],
)
def test_few_bits_in_verilog(graph: Graph, bits: str, tmp_path: Path) -> None:
    data = {"calibration": "mse", "equalize": True, "default": {"weight_bits": "binary", **FEW}}
    names = ("c1", "f1", "f2") if bits == "binary" else ("f1", "f2")
    data["mapping"] = {name: {"engine": "dense"} for name in names}  # the one with weight memories
    if bits == "mixed":
        data["nodes"] = {"f2": {"weight_bits": "ternary"}, "f1": {"weight_bits": 5}}
    x = np.random.default_rng(0).random((50, *graph.inputs[0].type.shape)).astype(np.float32)
    config, output = parse_config(data), tmp_path / "build"
    with no_search():  # all weights at once would be constants, and in no memory
        hardware = e3ne.compile(graph, calibration=x, config=config, output=output, name=bits)
    result = hardware.simulate(x[:FRAMES])
    assert (result.frames, result.mismatches) == (FRAMES, 0)
    assert result.nodes_checked == len(hardware.graph.nodes)
    answers = hardware.reference(x[:FRAMES])
    assert np.array_equal(result.classes, answers.classes)
    stored = (hardware.folder / "rom").glob("*weight*.hex")
    used = sum(4 * len(line) for path in stored for line in path.read_text().split())
    weights = hardware.figures()["graph"]["weights"]
    assert used >= weights * (1 if bits == "binary" else 2)
    if bits == "binary":
        assert used < 2 * weights  # whole hexadecimal digits, one bit a weight
