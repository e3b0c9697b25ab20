"""Tests of libraries that cannot stand beside the others run in sessions of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = {
    "spikingjelly-0.0.0.0.14": ["tests/unit/test_frontend_spikingjelly.py"],
    "sinabs-3.1.3": ["tests/unit/test_frontend_sinabs.py", "tests/e2e/test_nir_sinabs.py"],
}


@pytest.mark.parametrize("folder", TESTS)
def test_library_in_its_own_folder(folder: str) -> None:
    """Its tests pass, at least 50 of them, and none is skipped."""
    path = ROOT / ".venv" / "separate" / folder
    assert path.is_dir(), f"{path} is missing; run make setup"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS[folder]],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stdout.strip().splitlines()[-1]
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert "skipped" not in last
    assert int(last.split(" passed")[0]) > 50


def test_each_folder_has_the_version_of_its_name() -> None:
    for folder in TESTS:
        name, _, version = folder.partition("-")
        assert (ROOT / ".venv" / "separate" / folder / f"{name}-{version}.dist-info").is_dir()
        assert (ROOT / "scripts" / "libraries" / f"{folder}.txt").is_file()
