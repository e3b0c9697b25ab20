"""A network of ReLUs as a rate network in Verilog: every number of every node equals."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import e3ne
from e3ne.compile import trace_model
from e3ne.config import load_config
from e3ne.frontend import load_model
from e3ne.training.datasets import digits

FOLDER = Path(__file__).parents[2] / "examples" / "digits_radix"
FRAMES = 12


@pytest.mark.skipif(
    shutil.which("verilator") is None, reason="no verilator: sudo apt-get install -y verilator"
)
def test_the_digits_network_as_a_rate_network(tmp_path: Path) -> None:
    split = digits()
    calibration = split.train_x[:200]
    model = load_model(f"{FOLDER / 'model.py'}:net", FOLDER / "weights.safetensors")
    config = replace(load_config(FOLDER / "e3ne.yaml"), code="rate", steps=6, scale="integer")
    graph = trace_model(model, calibration[:2], False, config)
    hardware = e3ne.compile(
        graph, calibration=calibration, config=config, output=tmp_path / "build", name="digits"
    )
    assert {node.type.steps for node in hardware.graph.nodes} == {6}
    result = hardware.simulate(split.test_x[:FRAMES], split.test_y[:FRAMES])
    assert (result.frames, result.mismatches) == (FRAMES, 0)
    assert result.nodes_checked == len(hardware.graph.nodes)
    answers = hardware.reference(split.test_x[:FRAMES])
    assert np.array_equal(result.classes, answers.classes)
    assert len(np.unique(answers.words)) > FRAMES
