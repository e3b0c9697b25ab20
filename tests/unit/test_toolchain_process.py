"""Starting programs: logs, failures, time limits, full disks."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from e3ne.toolchain import ToolFailed, ToolMissing
from e3ne.toolchain.process import (
    TAIL_LINES,
    clear_os_errors,
    limit_programs,
    run_program,
    side_by_side,
)

SLEEP = "time.sleep(600)"  # longer than any test may wait


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_output_is_returned_and_logged(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "tool.log"
    code = "import sys; print('out', flush=True); print('err', file=sys.stderr)"
    assert run_program("tool", python(code), tmp_path, log) == "out\nerr\n"
    assert log.read_text() == "out\nerr\n"


def test_it_runs_in_the_folder_with_the_environment(tmp_path: Path) -> None:
    code = "import os; print(os.getcwd(), os.environ['E3NE_WORD'])"
    found = run_program("tool", python(code), tmp_path, environment={"E3NE_WORD": "spike"})
    assert found.split() == [os.path.realpath(tmp_path), "spike"]


def test_a_failure_shows_the_status_and_the_last_errors(tmp_path: Path) -> None:
    code = "print('Error: wire w'); [print('note', k) for k in range(99)]; raise SystemExit(3)"
    with pytest.raises(ToolFailed) as caught:
        run_program("yosys", python(code), tmp_path, tmp_path / "y.log")
    log = tmp_path / "y.log"
    assert str(caught.value) == (
        f"yosys: found exit status 3, accepted 0; read {log}\n  Error: wire w"
    )


def test_a_failure_without_errors_shows_the_tail(tmp_path: Path) -> None:
    code = "[print('line', k) for k in range(99)]; raise SystemExit(1)"
    with pytest.raises(ToolFailed) as caught:
        run_program("make", python(code), tmp_path)
    lines = str(caught.value).splitlines()
    assert len(lines) == TAIL_LINES + 1
    assert lines[-1] == "  line 98"


def test_a_full_disk_in_the_tool_is_named(tmp_path: Path) -> None:
    code = "print('write error: No space left on device'); raise SystemExit(1)"
    with pytest.raises(ToolFailed, match="free some disk space"):
        run_program("g++", python(code), tmp_path)


def test_a_full_disk_under_the_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match=r"found No space left on device at .*; free some disk"):
        run_program("tool", python("print(1)"), tmp_path, Path("/dev/full"))


def test_a_refused_permission_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(ToolFailed, match="choose a folder that you may write to"),
        clear_os_errors("compile", tmp_path),
    ):
        raise PermissionError(13, "Permission denied", str(tmp_path / "x"))


def test_a_time_limit_ends_the_program_and_its_children(tmp_path: Path) -> None:
    """The child holds a pipe open; only its end closes it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    child = f"import time; p = open({str(pipe)!r}, 'w'); print(1, file=p, flush=True); {SLEEP}"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    began = time.monotonic()
    for limit_s in (0.5, 5.0, 50.0):  # the child may need long to begin
        with pytest.raises(ToolFailed, match=rf"found no end after {limit_s:g} s"):
            run_program("tool", python(code), tmp_path, timeout_s=limit_s)
        with contextlib.suppress(BlockingIOError):  # it is about to end, and had not begun
            if os.read(reader, 9) == b"1\n":
                break
    assert select.select([reader], [], [], 60)[0], "the child has ended"
    assert os.read(reader, 9) == b""
    os.close(reader)
    assert time.monotonic() - began < 300


def test_missing_programs_and_folders_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="found no program no-such-tool"):
        run_program("tool", ["no-such-tool"], tmp_path)
    with pytest.raises(ToolFailed, match="found no folder"):
        run_program("tool", python(""), tmp_path / "nowhere")


def test_programs_side_by_side_answer_in_their_order(tmp_path: Path) -> None:
    """Each waits for the file of the next: none could end if they ran one after the other."""
    code = (
        "import pathlib, sys, time; own, other = sys.argv[1:]; pathlib.Path(own).touch()\n"
        "while not pathlib.Path(other).exists(): time.sleep(0.01)\n"
        "print(own)"
    )
    calls = [
        partial(run_program, "tool", [*python(code), str(k), str((k + 1) % 3)], tmp_path)
        for k in range(3)
    ]
    told: list[int] = []
    assert side_by_side(calls, 3, told.append) == ["0\n", "1\n", "2\n"]
    assert told == [1, 2, 3]


def test_the_first_failure_ends_the_programs_beside_it(tmp_path: Path) -> None:
    codes = [f"import time; {SLEEP}", "raise SystemExit(3)", f"import time; {SLEEP}"]
    calls = [partial(run_program, "tool", python(code), tmp_path) for code in codes]
    begun = time.perf_counter()
    with pytest.raises(ToolFailed, match="found exit status 3"):
        side_by_side(calls, 2, lambda _: None)
    assert time.perf_counter() - begun < 300


def test_programs_are_refused_data_beyond_the_limit(tmp_path: Path) -> None:
    code = "print(len(bytearray(300_000_000)))"
    limit_programs(200_000_000)
    try:
        with pytest.raises(ToolFailed, match="MemoryError"):
            run_program("tool", python(code), tmp_path)
    finally:
        limit_programs(None)
    assert run_program("tool", python(code), tmp_path) == "300000000\n"
