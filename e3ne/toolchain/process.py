"""Starting a program: its output into a log, its failure into one readable error."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TypeVar

from .errors import ToolFailed, ToolMissing, ToolTimedOut

logger = logging.getLogger(__name__)

TAIL_LINES = 12
DAY_S = 24 * 3600.0

Result = TypeVar("Result")

_running: dict[subprocess.Popen[bytes], int] = {}  # and the thread that waits for each
_data_limit: list[int] = []  # bytes, of programs still to be started; empty: none
_starting = threading.Lock()  # held while a program is started and noted


def run_program(
    name: str,
    command: Sequence[str],
    cwd: Path,
    log: Path | None = None,
    timeout_s: float = DAY_S,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Runs `command` in `cwd` and returns what it wrote (both streams together).

    The same text goes into the file `log`. ToolFailed with the last lines where the program ends
    with another status than 0, runs longer than `timeout_s` or finds no room to write;
    ToolMissing where it does not start. The program and its children end with this call.
    """
    logger.info("%s: %s", name, " ".join(command))
    with clear_os_errors(name, cwd):
        try:
            with _starting:
                process = subprocess.Popen(
                    _limited(command),
                    cwd=cwd,
                    env={**os.environ, **(environment or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                _running[process] = threading.get_ident()
        except FileNotFoundError:
            if not cwd.is_dir():
                raise ToolFailed(f"{name}: found no folder {cwd}; create it first") from None
            raise ToolMissing(
                f"{name}: found no program {command[0]}; e3ne doctor says what to install"
            ) from None
        try:
            output = process.communicate(timeout=timeout_s)[0].decode(errors="replace")
        except subprocess.TimeoutExpired:
            raise ToolTimedOut(
                f"{name}: found no end after {timeout_s:g} s, accepted less; "
                "make the design smaller or allow more time"
            ) from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            _running.pop(process, None)
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(output)
    if process.returncode != 0:
        raise ToolFailed(failure_text(name, process.returncode, output, log))
    return output


def end_programs() -> None:
    """Ends all running programs with their children; none can be started any more.

    For a process that is about to end itself, from any of its threads.
    """
    _starting.acquire()
    _kill(tuple(_running))


def limit_programs(limit_bytes: int | None) -> None:
    """Bounds the data of every program that this process starts from now on; None: no bound.

    Programs alone: a Python that is refused memory in the middle of its work may do anything.
    """
    _data_limit[:] = [] if limit_bytes is None else [limit_bytes]


def _limited(command: Sequence[str]) -> Sequence[str]:
    """The command, by way of a shell that bounds its data where that is asked for."""
    if not _data_limit:
        return command
    return ["sh", "-c", 'ulimit -d "$0" && exec "$@"', str(_data_limit[0] // 1024), *command]


def side_by_side(
    calls: Sequence[Callable[[], Result]], jobs: int, done: Callable[[int], None]
) -> list[Result]:
    """What the calls return, in their order; at most `jobs` of them run at a time, in threads.

    `done(n)` is called in this thread when n of them have ended. The first failure, or an
    interrupt, ends the programs that the others have started, and is raised.
    """
    threads: set[int] = set()
    with ThreadPoolExecutor(
        max(jobs, 1), initializer=lambda: threads.add(threading.get_ident())
    ) as pool:
        futures = [pool.submit(call) for call in calls]
        try:
            for count, future in enumerate(as_completed(futures), start=1):
                future.result()
                done(count)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            with _starting:
                _kill([process for process, owner in _running.items() if owner in threads])
            raise
    return [future.result() for future in futures]


def _kill(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def failure_text(name: str, status: int, output: str, log: Path | None) -> str:
    """The message of a program that ended with `status`: its last lines, errors first."""
    lines = [line for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    tail = (errors or lines)[-TAIL_LINES:]
    advice = f"read {log}" if log is not None else "read the lines below"
    if "No space left on device" in output:
        advice = "free some disk space or choose another folder"
    ended = f"signal {-status}" if status < 0 else f"exit status {status}"
    return "\n  ".join([f"{name}: found {ended}, accepted 0; {advice}", *tail])


@contextlib.contextmanager
def clear_os_errors(name: str, folder: Path) -> Iterator[None]:
    """Turns a full disk, a refused permission or a file in the way into ToolFailed with advice."""
    try:
        yield
    except OSError as error:
        advice = {
            errno.ENOSPC: "free some disk space or choose another folder",
            errno.EDQUOT: "free some disk space or choose another folder",
            errno.EACCES: "choose a folder that you may write to",
            errno.EPERM: "choose a folder that you may write to",
            errno.EROFS: "choose a folder that you may write to",
            errno.ENOTDIR: "choose a folder that is not below a file",
            errno.EEXIST: "choose a folder that is not below a file",
        }.get(error.errno or 0)
        if advice is None:
            raise
        where = error.filename or folder
        raise ToolFailed(f"{name}: found {error.strerror} at {where}; {advice}") from error
