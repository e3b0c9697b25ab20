"""Tracing a network of ten million weights stays within seconds and a few GiB."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("snntorch", reason="pip install snntorch")


@pytest.mark.parametrize("size", [32, 224])
def test_a_spiking_resnet18(size: int) -> None:
    options = ["--size", str(size), "--threads", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.trace_resnet18", *options],
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["weights"] > 11_000_000
    assert found["nodes"] > 60
    assert found["cpu_s"] < 20  # of one core, however busy it is
    assert found["peak_gib"] < 4
