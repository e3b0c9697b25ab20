"""The command line on a tiny network: compile, simulate, synth, report, and bad input."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

MODEL = """
import torch

def net():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3)
    )

def bad():
    return torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Softplus(), torch.nn.ELU())
"""

needs_verilator = pytest.mark.skipif(
    shutil.which("verilator") is None, reason="no verilator: sudo apt-get install -y verilator"
)


def e3ne(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "e3ne", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a space in its name: model, data, configuration and a build."""
    folder = tmp_path_factory.mktemp("the journey")
    generator = np.random.default_rng(3)
    (folder / "model.py").write_text(MODEL)
    x = generator.random((12, 6), dtype=np.float32)
    np.savez(folder / "data.npz", x=x, y=generator.integers(0, 3, 12))
    (folder / "e3ne.yaml").write_text("utilisation: 0.02\n")
    made = compile_tiny(folder, "build")
    assert made.returncode == 0, made.stderr
    return folder


def compile_tiny(folder: Path, output: str, *more: str) -> subprocess.CompletedProcess[str]:
    options = ("--calibration", "data.npz", "-c", "e3ne.yaml", "-o", output)
    return e3ne(folder, "compile", "model.py:net", *options, *more)


def test_compile_writes_a_whole_build(folder: Path) -> None:
    names = {path.name for path in (folder / "build").iterdir()}
    assert {"manifest.json", "rtl", "rom", "sim", "synth", "report.json"} <= names
    report = json.loads((folder / "build" / "report.json").read_text())
    assert report["model"] == "model.py:net"
    assert set(report["wall_s"]) == {"trace", "lower", "optimize", "gateware", "emit"}
    assert report["memory"]["compile_peak_bytes"] < 2 * 2**30
    assert report["accuracy"]["samples"] == 12  # the calibration file has labels
    assert report["accuracy"]["rtl"] is None


def test_lost_accuracy_is_told_by_compile_and_by_simulate(folder: Path) -> None:
    """Labels of the float network itself, and weights of one bit."""
    (folder / "one_bit.yaml").write_text("default: {weight_bits: 1, edge_bits: 1}\n")
    (folder / "label.py").write_text(
        "import numpy as np, torch\nfrom model import net\n"
        "x = np.random.default_rng(1).normal(size=(90, 6)).astype(np.float32)\n"
        "y = net()(torch.from_numpy(x)).argmax(1).numpy()\n"
        "np.savez('own.npz', x=x, y=y)\n"
    )
    subprocess.run([sys.executable, "label.py"], cwd=folder, check=True)
    options = ("--calibration", "own.npz", "-c", "one_bit.yaml", "-o", "one_bit")
    made = e3ne(folder, "compile", "model.py:net", *options)
    assert made.returncode == 0, made.stderr
    run = e3ne(folder, "simulate", "one_bit", "--data", "own.npz", "--simulator", "reference")
    for found in (made, run):
        assert "in float on 90 frames, more than 1 point is lost" in " ".join(found.stderr.split())
    report = json.loads((folder / "one_bit" / "report.json").read_text())
    assert report["accuracy"]["float"] == 100


def test_two_compiles_give_the_same_bytes(folder: Path) -> None:
    result = compile_tiny(folder, "again", "--json", "--dump", "passes")
    assert json.loads(result.stdout)["board"] == "ulx3s-85f"
    for path in sorted((folder / "again").rglob("*")):
        if path.is_file() and path.name not in ("manifest.json", "report.json"):
            twin = folder / "build" / path.relative_to(folder / "again")
            assert path.read_bytes() == twin.read_bytes(), path
    dumped = {path.name for path in (folder / "passes").iterdir()}
    assert {"traced.txt", "mapped.txt"} <= dumped
    assert len(dumped) > 6


@needs_verilator
def test_simulate_and_report(folder: Path) -> None:
    modelled = json.loads((folder / "build" / "report.json").read_text())["energy"]
    result = e3ne(folder, "simulate", "build", "--data", "data.npz", "--toggles")
    assert result.returncode == 0, result.stderr
    assert "12 frames" in result.stdout
    assert "toggles a frame (simulated, 12 frames); energy" in result.stdout
    assert "0 mismatches" in result.stdout
    for kind in ("modelled", "simulated"):
        assert re.search(
            rf"^latency +{kind} +[\d.,]+ +[\d.,]+ +[-\d,]+ +[\d,]+$", result.stdout, re.M
        )
    figures = json.loads(e3ne(folder, "report", "build", "--json").stdout)
    assert figures["accuracy"]["rtl"] == figures["accuracy"]["reference"]
    assert figures["bit_exact"]["mismatches"] == 0
    assert figures["cycles"]["latency_max"] > 0
    assert figures["fidelity"]["percent"] > 90
    page = (folder / "build" / "report.html").read_text()
    check_toggles(figures, modelled, page)


def check_toggles(figures: dict[str, Any], modelled: dict[str, Any], page: str) -> None:
    """Counts of every node, with their kind, in the report and its page; a model that uses them."""
    energy = figures["energy"]
    rows = energy["toggles"]["by_node"]
    assert len(rows) == figures["graph"]["nodes"] + 1  # and what belongs to no node
    for row in rows.values():
        assert 0 < row["toggles_per_frame"] < 1000 * row["register_bits"]
        assert 0 < row["toggles_per_bit_and_cycle"] <= 1
    total = sum(row["toggles_per_frame"] for row in rows.values())
    rounding = 0.001 * len(rows)
    assert energy["proxies"]["toggles"] == pytest.approx(total, abs=rounding)
    assert energy["proxies"]["memory_bits_read"] == modelled["proxies"]["memory_bits_read"]
    assert (modelled["toggles_from"], energy["toggles_from"]) == ("assumed", "counted")
    assert modelled["model_nominal"] != energy["model_nominal"]
    assert figures["kinds"]["energy.proxies.toggles"] == "simulated"
    assert "Toggles of the registers of each node (simulated)" in page
    assert f"{energy['proxies']['toggles']:,.0f}"[:-2] in page


def test_reference_alone_needs_no_simulator(folder: Path) -> None:
    options = ("--data", "data.npz", "--simulator", "reference", "--frames", "3", "--json")
    result = e3ne(folder, "simulate", "build", *options)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["accuracy"]["samples"] == 3


@needs_verilator
def test_simulate_prints_figures_of_its_own_run(folder: Path, tmp_path: Path) -> None:
    """The report has those of earlier runs, too: of labelled frames, cycles, toggles."""
    build = str(shutil.copytree(folder / "build", tmp_path / "build"))
    with np.load(folder / "data.npz") as stored:
        np.savez(tmp_path / "plain.npz", x=stored["x"])
    labelled = e3ne(folder, "simulate", build, "--data", "data.npz", "--toggles")
    assert labelled.returncode == 0, labelled.stderr
    plain = ("--data", str(tmp_path / "plain.npz"), "--frames", "1")
    told = e3ne(folder, "simulate", build, *plain, "--simulator", "reference").stdout
    assert told == "1 frame, in the reference alone\n"
    told = e3ne(folder, "simulate", build, *plain).stdout
    assert told.startswith("1 frame, ")
    assert "latency   simulated" in told
    assert "interval  simulated" not in told, "one frame alone has none"
    assert "toggles" not in told
    assert "float %" not in told


def test_toggles_need_verilator(folder: Path) -> None:
    options = ("--data", "data.npz", "--simulator", "reference", "--toggles")
    result = e3ne(folder, "simulate", "build", *options)
    assert result.returncode == 1
    assert "--toggles: found simulator reference, accepted verilator" in result.stderr


def test_synth_counts_cells(folder: Path) -> None:
    result = e3ne(folder, "synth", "build", "--seeds", "0", "--json")
    assert result.returncode == 0, result.stderr
    resources = json.loads(result.stdout)["resources"]
    assert 0 < resources["synthesis"]["luts"] < 83_640
    for exact in ("dsps", "brams"):
        assert resources["synthesis"][exact] == resources["predicted"][exact]


def test_unsupported_modules_are_all_named_by_path(folder: Path) -> None:
    result = e3ne(folder, "compile", "model.py:bad", "--input-shape", "6", "-o", "bad")
    assert result.returncode == 1
    assert "Softplus" in result.stderr
    assert "ELU" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (folder / "bad").exists()


def test_folder_that_holds_something_else_is_left_alone(folder: Path) -> None:
    other = folder / "mine"
    other.mkdir()
    (other / "thesis.tex").write_text("precious")
    result = compile_tiny(folder, "mine")
    assert result.returncode == 1
    assert "thesis.tex" in result.stderr
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]


def test_data_of_another_shape(folder: Path) -> None:
    np.savez(folder / "wide.npz", x=np.zeros((2, 7)))
    result = e3ne(folder, "simulate", "build", "--data", "wide.npz")
    assert result.returncode == 1
    assert "found frames of shape (7,), accepted (6)" in result.stderr


def test_build_that_was_changed_is_refused(folder: Path) -> None:
    changed = folder / "changed"
    shutil.copytree(folder / "build", changed)
    rom = next((changed / "rom").iterdir(), None) or changed / "rtl" / "e3ne_top.v"
    rom.write_text(rom.read_text() + "\n")
    result = e3ne(folder, "simulate", "changed", "--data", "data.npz")
    assert result.returncode == 1
    assert "compile again" in result.stderr


def test_half_a_build_is_refused(folder: Path) -> None:
    half = folder / "half"
    shutil.copytree(folder / "build", half)
    (half / "manifest.json").unlink()
    for command in (("simulate", "half", "--data", "data.npz"), ("synth", "half")):
        result = e3ne(folder, *command)
        assert result.returncode == 1
        assert "found no manifest.json" in result.stderr


def test_too_large_for_the_board_says_what_would_fit(folder: Path) -> None:
    (folder / "tiny.yaml").write_text("utilisation: 0.01\n")
    options = ("--calibration", "data.npz", "-c", "tiny.yaml", "--board", "icebreaker", "-o", "no")
    result = e3ne(folder, "compile", "model.py:net", *options)
    assert result.returncode == 1
    assert "icebreaker" in result.stderr
    assert "LUT" in result.stderr
    assert not (folder / "no").exists()
