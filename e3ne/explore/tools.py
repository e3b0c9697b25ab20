"""Synthesis and routing of one mapped network, in a process of its own that leaves nothing behind.

The process gets a folder with the graph, and a pipe that says whether its parent lives: when the
pipe closes (the parent was killed, gave up, or has read the outcome) it ends the programs that it
has started, removes the folder and ends, and never before. Memory that elaboration takes goes back
to the system with it.
"""

from __future__ import annotations

import json
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ..boards import Board, board_table
from ..emit import save_graph
from ..ir import Graph
from ..toolchain import ToolFailed
from .cache import Figures

Measure = Literal["predicted", "synthesis", "route"]
MEASURES: tuple[Measure, ...] = ("predicted", "synthesis", "route")

REQUEST, OUTCOME, LOG = "request.json", "outcome.json", "tools.log"
GRACE_S = 10.0
"""How long the process may take to end itself before it is killed."""

LAST_LINES = 8


@dataclass(frozen=True)
class Limits:
    """What one run of the tools may use: wall seconds, bytes of memory, place and route runs."""

    timeout_s: float = 3600.0
    memory_bytes: int | None = None
    seeds: int = 1


DEFAULT_LIMITS = Limits()


def run_tools(mapped: Graph, board: Board, measure: Measure, limits: Limits) -> Figures:
    """Resources after Yosys, and after nextpnr with `measure` route; `clock_hz` is the median.

    `infeasible` has the reasons where the part is too small. ToolFailed where a tool fails, takes
    too long or needs too much memory.
    """
    folder = Path(tempfile.mkdtemp(prefix="e3ne-explore-"))
    try:
        save_graph(folder / "graph", mapped)
        request = {
            "board": {"name": board.name, **board_table(board)},
            "measure": measure,
            "limits": asdict(limits),
        }
        (folder / REQUEST).write_text(json.dumps(request), encoding="utf-8")
        with _child(folder, limits.timeout_s):
            return _outcome(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _child(folder: Path, timeout_s: float) -> Iterator[None]:
    """The process, from the time that it has its outcome: it closes its output then, or dies.

    Its standard input is the pipe that says that we live.
    """
    with (folder / LOG).open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "e3ne.explore.tool_child", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        with selectors.DefaultSelector() as waits:  # of any number of open files
            waits.register(child.stdout, selectors.EVENT_READ)
            ended = waits.select(timeout_s)
        if not ended:
            raise ToolFailed(
                f"tools: found no end after {timeout_s:g} s, accepted less; allow more with "
                "--tool-timeout, or make the space smaller"
            )
        yield
    finally:
        child.stdin.close()
        try:
            child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()


def _outcome(folder: Path) -> Figures:
    """What the process found; ToolFailed with what it said where it found nothing."""
    try:
        found: dict[str, Any] = json.loads((folder / OUTCOME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        lines = (folder / LOG).read_text(errors="replace").strip().splitlines()[-LAST_LINES:]
        said = "; ".join(lines) or f"ended by {signal.SIGKILL.name} or without a word"
        raise ToolFailed(
            f"tools: found no result, accepted one ({said}); allow more memory with "
            "--tool-memory, or use fewer --jobs"
        ) from None
    if "failed" in found:
        raise ToolFailed(str(found["failed"]))
    return found
