"""Golden files, and the rule that continuous integration skips nothing for want of a tool."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from importlib.util import find_spec
from pathlib import Path

import pytest

# Small arrays, and a process for each core already: threads within them only wait for each other
# (a trace of 0.2 s takes 6 s). Said before torch is loaded.
for _library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_library, "1")

GOLDEN = Path(__file__).parent / "golden"

# Collected where sinabs can be seen: in the session that test_separate_libraries.py starts.
collect_ignore = (
    [] if find_spec("sinabs") else ["unit/test_frontend_sinabs.py", "e2e/test_nir_sinabs.py"]
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite golden files; read their diff then"
    )
    parser.addoption(
        "--library", default=None, help="run the matrix of one library only (tests/matrix)"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that start a session of their own take minutes: they come first, with a short one
    between them, because pytest-xdist gives each worker two tests to begin with.
    """
    slow = [item for item in items if "in_its_own" in item.name]
    fast = [item for item in items if "in_its_own" not in item.name]
    between = len(slow) if len(fast) >= len(slow) else 0
    items[:] = [item for pair in zip(slow, fast[:between], strict=False) for item in pair]
    items += slow[between:] + fast[between:]


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden(name, text)` asserts that `text` equals tests/golden/<name>.

    With --update-golden it writes the file instead.
    """

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        assert path.is_file(), f"no golden file {name}; write it with pytest --update-golden"
        assert text == path.read_text(encoding="utf-8"), (
            f"{name} differs; if the change is meant, run pytest --update-golden and read the diff"
        )

    return check


def skip_is_failure(reason: str) -> bool:
    """Whether a skip fails in CI: all do, but for data sets that only some machines have."""
    return "E3NE_DATA" not in reason


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, None, None]:
    outcome = yield
    fail_where_skipped(outcome.get_result(), item.nodeid)  # type: ignore[attr-defined]


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, None, None]:
    """The same for whole files: importorskip at the top of one."""
    outcome = yield
    fail_where_skipped(outcome.get_result(), collector.nodeid)  # type: ignore[attr-defined]


def fail_where_skipped(report: pytest.TestReport | pytest.CollectReport, name: str) -> None:
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
        if skip_is_failure(reason):
            report.outcome = "failed"
            report.longrepr = f"{name}: skipped in CI ({reason})"
