"""Tracing a network of ten million weights stays within seconds and a few GiB."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("snntorch", reason="pip install snntorch")


@pytest.mark.parametrize("size", [32, 96])
def test_a_spiking_resnet18(size: int) -> None:
    options = ["--size", str(size), "--threads", "2"]
    command = [sys.executable, "-m", "benchmarks.trace_resnet18", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["weights"] > 11_000_000
    assert found["nodes"] > 60
    assert found["cpu_s"] < 2 * 20  # 20 s on 2 cores, however busy they are
    assert found["peak_gib"] < 4
