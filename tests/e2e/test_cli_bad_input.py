"""Bad input on the command line: exit code 1, one clear message, nothing half-written."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from e3ne.__main__ import main

MODEL = """
import sys
import time
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.fc1, self.fc2, self.way = nn.Linear(6, 3), nn.Linear(6, 3), forward

    def forward(self, x):
        return self.way(self, x)

def good():
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))

def unsupported():
    return nn.Sequential(nn.Linear(6, 5), nn.Sequential(nn.Softplus()), nn.ELU())

def branching():
    return Net(lambda net, x: net.fc1(x) if x.sum() > 0 else net.fc2(x))

def not_finite():
    net = good()
    net[0].weight.data[0, 0] = float("nan")
    net[2].bias.data[1] = float("inf")
    return net

def disagreeing():
    net = good()
    forward = net[2].forward
    def hidden(x):
        with torch._C.DisableTorchFunction():
            x.data.mul_(2)
        return forward(x)
    net[2].forward = hidden
    return net

def endless():
    print("at work", file=sys.stderr, flush=True)
    time.sleep(3600)
"""


Run = Callable[..., subprocess.CompletedProcess[str]]


def run(
    folder: Path, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "e3ne", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )


@pytest.fixture
def run_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same command in this process, which knows torch already: half of a second, not four."""

    def invoke(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(folder)
        found = CliRunner().invoke(main, arguments)
        return subprocess.CompletedProcess(arguments, found.exit_code, found.stdout, found.stderr)

    return invoke


def refused(result: subprocess.CompletedProcess[str], *messages: str) -> None:
    """Exit code 1, every message on stderr, no stack."""
    assert result.returncode == 1, result.stderr
    assert "error:" in result.stderr
    assert "Traceback" not in result.stderr
    for message in messages:
        assert message in result.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad input")
    (folder / "model.py").write_text(MODEL)
    x = np.random.default_rng(3).random((12, 6), dtype=np.float32)
    np.savez(folder / "data.npz", x=x, y=np.arange(12) % 3)
    np.savez(folder / "none.npz", x=x[:0])
    np.savez(folder / "nan.npz", x=np.where(x < x.max(), x, np.nan))
    np.savez(folder / "narrow.npz", x=x[:, :4])
    np.savez(folder / "range.npz", x=x * 255)
    np.savez(folder / "complex.npz", x=x + 1j)
    np.savez(folder / "labels.npz", x=x, y=np.arange(12))
    np.savez(folder / "fractions.npz", x=x, y=x[:, 0])
    made = compile_model(folder, "good", "data.npz", "build")
    assert made.returncode == 0, made.stderr
    return folder


def compile_model(
    folder: Path, factory: str, calibration: str, output: str, **options: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    more = ("--calibration", calibration, "-o", output)
    return run(folder, "compile", f"model.py:{factory}", *more, **options)


@pytest.mark.parametrize(
    ("factory", "calibration", "messages"),
    [
        ("unsupported", "data.npz", ("1.0 (Softplus): found softplus", "2 (ELU): found elu")),
        ("branching", "data.npz", ("found __bool__ of an activation", "model.py:", "accepted")),
        ("not_finite", "data.npz", ("0.weight: found 1 NaN or infinite", "2.bias: found 1 NaN")),
        (
            "disagreeing",
            "data.npz",
            ("expected", "from the model's forward, got", "accepted equal"),
        ),
        ("good", "none.npz", ("x: found shape (0, 6), accepted (frames, ...), one or more",)),
        ("good", "nan.npz", ("found NaN or infinite values, accepted finite ones",)),
        ("good", "narrow.npz", ("0 (Linear): found input (frames, ...) of shape (2, 4)",)),
        ("good", "complex.npz", ("found dtype complex64, accepted real numbers",)),
        ("good", "no-such.npz", ("no-such.npz: found no readable .npz file",)),
    ],
)
def test_compile_refuses(
    folder: Path, run_here: Run, factory: str, calibration: str, messages: tuple[str, ...]
) -> None:
    before = sorted(set(os.listdir(folder)) - {"__pycache__"})
    more = ("--calibration", calibration, "-o", "refused")
    refused(run_here("compile", f"model.py:{factory}", *more), *messages)
    assert sorted(set(os.listdir(folder)) - {"__pycache__"}) == before


def test_compile_without_calibration_names_the_layers(folder: Path) -> None:
    result = run(folder, "compile", "model.py:good", "--input-shape", "6", "-o", "refused")
    refused(
        result, "calibration: found none, needed for the ranges of 0; give frames of training data"
    )
    assert not (folder / "refused").exists()


def test_compile_without_yosys_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    """Amaranth's Yosys is a Python package: one that is empty stands before it."""
    (tmp_path / "pyosys").mkdir()
    (tmp_path / "pyosys" / "__init__.py").write_text("raise ImportError('no pyosys')\n")
    environment = {"PYTHONPATH": str(tmp_path), "PATH": str(tmp_path)}
    before = sorted(os.listdir(folder))
    result = compile_model(folder, "good", "data.npz", "refused", environment=environment)
    refused(result, "yosys")
    assert sorted(os.listdir(folder)) == before


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        ("narrow.npz", ("found frames of shape (4,), accepted (6)",)),
        ("complex.npz", ("complex.npz: x: found dtype complex64, accepted real numbers",)),
        ("nan.npz", ("nan.npz: x: found NaN or infinite values, accepted finite ones",)),
        ("none.npz", ("none.npz: x: found shape (0, 6), accepted (frames, ...), one or more",)),
        (
            "range.npz",
            ("input input: found values", "far outside of what it holds", "scale the frames"),
        ),
        ("labels.npz", ("data: y: found labels 0 .. 11, accepted 0 .. 2, one of 3 classes",)),
        ("fractions.npz", ("fractions.npz: y: found shape (12,) of float32, accepted integers",)),
        ("model.py", ("model.py: found no readable .npz file",)),
    ],
)
def test_simulate_refuses_data(
    folder: Path, run_here: Run, data: str, messages: tuple[str, ...]
) -> None:
    report = (folder / "build" / "report.json").read_bytes()
    refused(run_here("simulate", "build", "--data", data), *messages)
    assert (folder / "build" / "report.json").read_bytes() == report


@pytest.mark.parametrize(
    ("simulator", "tool", "says", "found"),
    [
        ("verilator", "verilator", None, "verilator: found none on the PATH"),
        ("verilator", "verilator", "Verilator 4.038", "verilator: found version 4.038"),
        ("icarus", "iverilog", None, "iverilog: found none on the PATH"),
        ("icarus", "iverilog", "Icarus Verilog version 10.3", "iverilog: found version 10.3"),
    ],
)
def test_simulate_names_the_tool_that_is_missing_or_old(
    run_here: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    simulator: str,
    tool: str,
    says: str | None,
    found: str,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if says is not None:
        (tmp_path / tool).write_text(f"#!/bin/sh\necho '{says}'\n")
        (tmp_path / tool).chmod(0o755)
    result = run_here("simulate", "build", "--data", "data.npz", "--simulator", simulator)
    refused(result, found, f"sudo apt-get install -y {tool}")


def test_a_build_without_its_report_is_refused(folder: Path) -> None:
    """The report is written after the build: a compile that was stopped between has none."""
    shutil.copytree(folder / "build", folder / "stopped")
    (folder / "stopped" / "report.json").unlink()
    for command in (("simulate", "stopped", "--data", "data.npz"), ("synth", "stopped")):
        refused(run(folder, *command), "found no readable report", "run `e3ne compile`")
    shutil.rmtree(folder / "stopped")


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_compile_leaves_nothing(
    sent: signal.Signals, status: int, folder: Path
) -> None:
    before = sorted(os.listdir(folder))
    arguments = ("compile", "model.py:endless", "--calibration", "data.npz", "-o", "stopped")
    process = subprocess.Popen(
        [sys.executable, "-m", "e3ne", *arguments],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background of a shell ignores interrupts, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    assert any("at work" in line for line in process.stderr)  # read until the model runs
    process.send_signal(sent)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert "interrupted: nothing half-written is left behind" in errors
    assert "Traceback" not in errors
    assert sorted(os.listdir(folder)) == before


def test_an_output_below_a_file_is_refused(folder: Path) -> None:
    result = compile_model(folder, "good", "data.npz", "data.npz/build")
    refused(result, "choose a folder that is not below a file")
