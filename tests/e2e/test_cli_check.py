"""`e3ne check` and `e3ne compile` from the command line, on torch modules and on a .nir file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.nir_cases import shared

MODEL = """
import torch
import snntorch as snn

class Net(torch.nn.Module):
    "Two spiking convolutions, joined, in front of a recurrent population."

    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 2, 3, padding=1)
        self.lif1 = snn.Leaky(0.9)
        self.conv2 = torch.nn.Conv2d(2, 2, 3, padding=1)
        self.lif2 = snn.Leaky(0.9)
        self.fc = torch.nn.Linear(4 * 6 * 6, 5)
        self.out = snn.RLeaky(0.9, linear_features=5)

    def forward(self, x):
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spikes, mem3 = self.out.init_rleaky()
        record = []
        for _ in range(4):
            one, mem1 = self.lif1(self.conv1(x), mem1)
            two, mem2 = self.lif2(self.conv2(one), mem2)
            joined = torch.cat([one, two], 1).flatten(1)
            spikes, mem3 = self.out(self.fc(joined), spikes, mem3)
            record.append(spikes)
        return torch.stack(record)

def net():
    torch.manual_seed(0)
    return Net()

def bad():
    return torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Softplus(), torch.nn.ELU())

def plain():
    return torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
"""


def e3ne(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "e3ne", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("check")
    (folder / "model.py").write_text(MODEL)
    generator = np.random.default_rng(0)
    np.savez(folder / "data.npz", x=generator.random((6, 1, 6, 6), dtype=np.float32))
    return folder


def test_a_network_is_drawn_and_counted_and_nothing_is_written(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    made = e3ne(folder, "check", "model.py:net", "--input-shape", "1,6,6")
    assert made.returncode == 0, made.stderr
    lines = made.stdout.splitlines()
    assert "conv1" in lines[1]
    assert "of conv1" in lines[3]
    assert "of itself, 1 step ago" in lines[3]
    assert "3 populations, 149 neurons, 5 edges, 813 parameters, 4 steps" in made.stdout
    assert "not lowered: the ranges of" in made.stdout
    after = [path for path in sorted(folder.rglob("*")) if "__pycache__" not in path.parts]
    assert after == before


def test_with_calibration_every_code_is_known(folder: Path) -> None:
    made = e3ne(folder, "check", "model.py:net", "--calibration", "data.npz", "--json")
    assert made.returncode == 0, made.stderr
    found = json.loads(made.stdout)
    assert found["compiles"]
    assert found["stage"] == "integer"
    assert [node["name"] for node in found["nodes"]][:2] == ["conv1", "conv2"]
    assert {node["code"] for node in found["nodes"]} == {"rate"}
    assert found["needs_calibration_for"] == []


def test_everything_refused_is_told_at_once(folder: Path) -> None:
    made = e3ne(folder, "check", "model.py:bad", "--input-shape", "6")
    assert made.returncode == 1
    assert "refused: 1 (Softplus)" in made.stderr
    assert "refused: 2 (ELU)" in made.stderr
    assert "Traceback" not in made.stderr
    made = e3ne(folder, "check", "model.py:bad", "--input-shape", "6", "--json")
    assert made.returncode == 1
    found = json.loads(made.stdout)
    assert not found["compiles"]
    assert len(found["refused"]) == 2


def test_a_board_that_is_too_small_is_told(folder: Path) -> None:
    (folder / "tiny.yaml").write_text("utilisation: 0.01\n")
    np.savez(folder / "vectors.npz", x=np.random.default_rng(1).random((5, 6)))
    options = ("--calibration", "vectors.npz", "--board", "icebreaker", "-c", "tiny.yaml")
    made = e3ne(folder, "check", "model.py:plain", *options)
    assert made.returncode == 1
    assert "refused:" in made.stderr
    assert "2 populations" in made.stdout  # the picture of how far it came
    assert e3ne(folder, "check", "model.py:plain", *options[:4]).returncode == 0


def test_a_nir_file_is_checked_and_compiled(folder: Path) -> None:
    path = str(shared("lif_norse.nir").resolve())
    options = ("--dt", "1e-4", "--reset", "value", "--convention", "norse", "--steps", "20")
    made = e3ne(folder, "check", path, *options, "--json")
    assert made.returncode == 0, made.stderr
    found = json.loads(made.stdout)
    assert found["totals"]["steps"] == 20
    train = np.random.default_rng(0).integers(0, 2, (3, 20, *found["inputs"][0]["shape"]))
    np.savez(folder / "train.npz", x=train.astype(np.float32))
    made = e3ne(folder, "compile", path, *options, "--calibration", "train.npz", "-o", "build")
    assert made.returncode == 0, made.stderr
    assert (folder / "build" / "manifest.json").is_file()
    wrong = e3ne(folder, "check", path, "--weights", "w.pt", "--reset", "value")
    assert wrong.returncode == 1
    assert "--weights: found with a .nir file" in wrong.stderr
    missing = e3ne(folder, "check", path, "--reset", "value", "--steps", "20")
    assert missing.returncode == 1
    assert "dt" in missing.stderr
