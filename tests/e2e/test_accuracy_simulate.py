"""A row of benchmarks/accuracy in Verilator: what is recorded, and what the page says of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.accuracy import document
from benchmarks.accuracy.__main__ import main
from benchmarks.accuracy.simulate import simulate_row
from benchmarks.accuracy.train import train_row
from tests.accuracy_rows import use_tiny

pytestmark = pytest.mark.skipif(
    shutil.which("verilator") is None, reason="no verilator: sudo apt-get install -y verilator"
)


def test_the_hardware_of_a_row_is_compared_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = use_tiny(tmp_path, monkeypatch)
    train_row(tiny, 0)
    part = simulate_row(tiny, frames=12)
    assert (part["frames"], part["nodes"], part["mismatches"]) == (12, 2, 0)
    assert 0 < part["interval_cycles"] <= part["latency_cycles"]
    assert "12 frames, 2 nodes, 0 mismatches with the reference" in document.document()


def test_a_row_that_is_not_there_is_named() -> None:
    found = CliRunner().invoke(main, ["simulate", "lenet"])
    assert found.exit_code == 2
    assert "lenet" in found.output
