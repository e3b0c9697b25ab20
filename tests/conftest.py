"""Golden files, and the rule that continuous integration skips nothing for want of a tool."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite golden files; read their diff then"
    )
    parser.addoption(
        "--library", default=None, help="run the matrix of one library only (tests/matrix)"
    )


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
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
        if skip_is_failure(reason):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid}: skipped in CI ({reason})"
