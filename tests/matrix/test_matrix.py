"""Every supported library, neuron and option: float graph = library, Verilator = reference."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from e3ne.ir import IntegrateFire

from .case import LIBRARIES, Case, cases, traced
from .checks import check_float, check_integer, check_rtl
from .environments import ROOT, folder_of, python_path


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen = metafunc.config.getoption("--library")
    names = [chosen] if chosen else [name for name, folder in LIBRARIES.items() if folder is None]
    found = [case for name in names for case in cases(name)]
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", found, ids=lambda case: case.name)


def test_library_integer_network_and_hardware_agree(case: Case, tmp_path: Path) -> None:
    """One trace for all: it takes as long as each of the comparisons."""
    graph = traced(case)
    assert check_float(case, graph).compared > 0
    agreement = check_integer(case, graph).agreement
    assert agreement.compared > 0
    assert agreement.fraction > 0.5, "the integer network is another one"
    if case.rtl:
        check_rtl(case, graph, tmp_path)


def test_names_are_unique_and_every_option_reaches_hardware(request: pytest.FixtureRequest) -> None:
    chosen = request.config.getoption("--library")
    names = [chosen] if chosen else [name for name, folder in LIBRARIES.items() if folder is None]
    found = [case for name in names for case in cases(name)]
    twice = [name for name, count in Counter(case.name for case in found).items() if count > 1]
    assert not twice
    in_hardware = {(case.library, case.option) for case in found if case.rtl}
    missing = {(case.library, case.option) for case in found} - in_hardware
    assert not missing


@pytest.mark.parametrize("library", [name for name, folder in LIBRARIES.items() if folder])
def test_library_in_its_own_environment(library: str, request: pytest.FixtureRequest) -> None:
    """The same tests in a session that sees the library's own folder first."""
    if request.config.getoption("--library"):
        return
    folder = folder_of(library)
    assert folder is not None
    assert folder.is_dir(), f"{folder} is missing; run make setup"
    this = str(Path(__file__).relative_to(ROOT))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--library", library, this],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": python_path(library)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


BROKEN = (
    {"threshold": 0.9},
    {"decay": 0.5},
    {"reset": "none"},
    {"reset_step": "same"},
    {"gain": 1.1},
)


@pytest.mark.parametrize("changed", BROKEN, ids=lambda changed: next(iter(changed)))
def test_a_wrong_neuron_is_caught(changed: dict[str, object]) -> None:
    """The broken twin of the comparison: one parameter of the first population is another."""
    case = next(case for case in cases("snntorch") if case.option == "Leaky, subtract")
    graph = traced(case)
    check_float(case, graph)
    first = next(node for node in graph.nodes if isinstance(node.neuron, IntegrateFire))
    wrong = replace(first, neuron=replace(first.neuron, **changed))
    twin = graph.with_nodes([wrong if node is first else node for node in graph.nodes])
    with pytest.raises(AssertionError):
        check_float(case, twin)


def test_the_page_has_every_row() -> None:
    """docs/supported.md is written from these cases (python -m tests.matrix)."""
    text = (ROOT / "docs" / "supported.md").read_text(encoding="utf-8")
    for case in (case for name, folder in LIBRARIES.items() if not folder for case in cases(name)):
        row = next((row for row in text.splitlines() if row.startswith(f"| {case.option} |")), "")
        assert case.shape in row, f"{case.name}: no row in docs/supported.md; write it anew"
