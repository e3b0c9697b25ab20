"""Processes of `e3ne explore` that are killed: nothing finished is lost, nothing is left behind."""

from __future__ import annotations

import importlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import e3ne
from e3ne.boards import load_board
from e3ne.compile import map_traced
from e3ne.config import Config
from e3ne.explore.crew import Crew, WorkerLost, open_crew
from e3ne.explore.tools import Limits, run_tools
from e3ne.ir import Graph
from e3ne.progress import Stages
from e3ne.toolchain import ToolFailed
from tests.unit.explore_cases import labelled, relu_network

crew_module = importlib.import_module("e3ne.explore.crew")
MOST_TRIALS = 1000  # more than a search can finish before it is killed, however late that is
PATIENCE_S = 240.0


def wait_for(what: Callable[[], Any], every_s: float = 0.1) -> Any:
    """The first true answer of `what`."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(every_s)
    raise AssertionError(f"waited {PATIENCE_S} s in vain")


def complete(database: Path) -> dict[int, str]:
    """By number: when each finished trial was finished."""
    if not database.exists():
        return {}
    connection = sqlite3.connect(database, timeout=10)
    try:
        query = "SELECT number, datetime_complete FROM trials WHERE state = 'COMPLETE'"
        return {int(number): str(when) for number, when in connection.execute(query)}
    except sqlite3.OperationalError:
        return {}  # the tables are not there yet
    finally:
        connection.close()


@contextmanager
def started(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is killed at the end at the latest."""
    process = subprocess.Popen(
        [sys.executable, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def command(tmp_path: Path) -> list[str]:
    """`e3ne explore` of the small network with few dials, 2 workers; --trials is to follow."""
    x, y = labelled()
    e3ne.save_network(tmp_path / "net.safetensors", relu_network())
    np.savez(tmp_path / "data.npz", x=x, y=y)
    dials = ("code=radix", "target=area", "utilisation=0.5", "input_bits=2,3,4,5,6,7,8")
    vary = [word for dial in dials for word in ("--vary", dial)]
    return [
        *("-m", "e3ne", "explore", str(tmp_path / "net.safetensors")),
        *("--data", str(tmp_path / "data.npz"), "-o", str(tmp_path / "out")),
        *("--cache", str(tmp_path / "cache"), "--sampler", "random"),
        *(*vary, "--trials"),
    ]


def test_a_killed_search_goes_on_and_loses_nothing(tmp_path: Path) -> None:
    database = tmp_path / "out" / "study.db"
    arguments = command(tmp_path)
    with started(*arguments, str(MOST_TRIALS)) as process:
        wait_for(lambda: len(complete(database)) >= 3 or process.poll() is not None)
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = complete(database)
    assert 3 <= len(before) < MOST_TRIALS, "killed in the middle"
    trials = len(before) + 4
    _, alive = psutil.wait_procs(workers, timeout=PATIENCE_S)
    assert not alive, "workers end with their search"
    again = subprocess.run(
        [sys.executable, *arguments, str(trials)], capture_output=True, text=True
    )
    assert again.returncode == 0, again.stderr
    after = complete(database)
    assert {number: after[number] for number in before} == before
    assert len(after) == trials
    assert (tmp_path / "out" / "pareto.csv").is_file()


def die_once(mark: str) -> int:
    """A task that kills its worker when it runs for the first time."""
    if not os.path.exists(mark):
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 7


def die() -> None:
    """A task that kills every worker."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_tasks_of_dead_workers_are_tried_again_and_then_given_up(tmp_path: Path) -> None:
    with open_crew(1, None) as crew:
        crew.submit("once", die_once, str(tmp_path / "mark"))
        assert crew.answer().value == 7
        crew.submit("always", die)
        error = crew.answer().error
        assert isinstance(error, WorkerLost)
        assert "every worker died" in str(error)
        assert "fewer --jobs" in str(error)
        crew.submit("after", os.getpid)
        assert crew.answer().value
    wait_for(lambda: not children_of_this("spawn_main"))


def children_of_this(word: str) -> list[psutil.Process]:
    """The processes below this one that run and have a word in their command."""
    return [p for p in psutil.Process().children(recursive=True) if word in _words(p)]


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_dead_scheduler_is_called_again_and_then_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "CONNECT_S", 60.0)
    port = str(free_port())
    address = f"tcp://127.0.0.1:{port}"
    scheduler = ("-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port)
    worker = ("-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny")
    plain = "--no-dashboard"
    with (
        started(*scheduler, plain) as first,
        started(*worker, plain) as hand,
        open_crew(1, address) as crew,
    ):
        crew.submit("begun", time.sleep, 2)
        first.kill()
        hand.kill()
        with started(*scheduler, plain) as second, started(*worker, plain):
            assert crew.answer().error is None, "started again at the new scheduler"
            _tell_what_is_dead(crew, second, monkeypatch)


def _tell_what_is_dead(
    crew: Crew, scheduler: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "CONNECT_S", 1.0)
    crew.submit("lost", time.sleep, 60)
    scheduler.kill()
    said = r"no longer answers.*what was finished is kept"
    with pytest.raises(ToolFailed, match=said):
        crew.answer()
    with pytest.raises(ToolFailed, match=said):
        crew.share("name", 1)


@pytest.fixture(scope="module")
def mapped() -> Graph:
    x, _ = labelled()
    config = Config(target="area")
    return map_traced(relu_network(), (x,), load_board("ulx3s-85f"), config, Stages()).mapped


@pytest.fixture
def own_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporary files of this test and of its processes are not among those of others."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


def tool_folders() -> set[Path]:
    """The folders of tools that run."""
    return set(Path(tempfile.gettempdir()).glob("e3ne-explore-*"))


@pytest.mark.usefixtures("own_temporary")
def test_tools_end_with_the_process_that_started_them(mapped: Graph, tmp_path: Path) -> None:
    from e3ne.emit import save_graph

    save_graph(tmp_path / "graph", mapped)
    before = tool_folders()
    script = f"""
        from pathlib import Path
        from e3ne.boards import load_board
        from e3ne.emit import load_graph
        from e3ne.explore.tools import Limits, run_tools
        graph = load_graph(Path({str(tmp_path / "graph")!r}))
        while True:
            print(run_tools(graph, load_board("ulx3s-85f"), "synthesis", Limits()), flush=True)
    """
    with started("-c", textwrap.dedent(script)) as process:
        assert process.stdout is not None
        assert b"'luts'" in process.stdout.readline(), "once to its end"
        worker = psutil.Process(process.pid)
        running = wait_for(lambda: len(found := worker.children(recursive=True)) > 1 and found)
        process.kill()
        _, alive = psutil.wait_procs(running, timeout=PATIENCE_S)
        assert not alive
    wait_for(lambda: tool_folders() <= before)


def test_a_tool_process_that_fails_beside_its_removal_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    script = f"""
        import shutil, sys, time
        from pathlib import Path
        from e3ne.explore import tool_child
        remove = shutil.rmtree
        def late(folder, **options):
            time.sleep(0.5)
            remove(folder, **options)
            if not started:
                started.append(folder.mkdir())  # as one who is still writing into it
        started = []
        tool_child.shutil.rmtree = late
        tool_child.main(Path({str(folder)!r}))  # without a request: fails at once
    """
    with started("-c", textwrap.dedent(script)) as process:
        process.communicate(timeout=PATIENCE_S)
    assert not folder.exists()


@pytest.mark.usefixtures("own_temporary")
@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(timeout_s=0.5), "found no end after 0.5 s.*--tool-timeout"),
        (Limits(memory_bytes=30_000_000), "--tool-memory|found (exit status|signal)"),
    ],
)
def test_limits_of_tools(limits: Limits, message: str, mapped: Graph) -> None:
    before = tool_folders()
    with pytest.raises(ToolFailed, match=message):
        run_tools(mapped, load_board("ulx3s-85f"), "synthesis", limits)
    assert tool_folders() <= before
    wait_for(lambda: not children_of_this("tool_child"))
