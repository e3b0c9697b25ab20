"""How every command talks: results on stdout, progress and errors on stderr, exit codes."""

from __future__ import annotations

import functools
import json
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed

from ..ir.errors import E3neError
from ..toolchain.errors import ToolError
from ..toolchain.process import clear_os_errors

Function = TypeVar("Function", bound=Callable[..., Any])

stderr = Console(stderr=True, highlight=False)
stdout = Console(highlight=False)

ERROR_EXIT = 1
INTERRUPT_EXIT, TERMINATE_EXIT = 128 + signal.SIGINT, 128 + signal.SIGTERM


class _Terminated(KeyboardInterrupt):
    """Somebody asked this process to end: as an interrupt, or its programs would go on alone."""


def _terminate(*_: object) -> None:
    raise _Terminated


def command_options(function: Function) -> Function:
    """The options that every command has, and one message instead of a stack trace."""

    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
    @click.option("--debug", is_flag=True, help="Log every step, and show the stack of an error.")
    @functools.wraps(function)
    def wrapped(*args: Any, as_json: bool, debug: bool, **options: Any) -> None:
        logging.basicConfig(
            level=logging.DEBUG if debug else logging.WARNING,
            format="%(message)s",
            handlers=[RichHandler(console=stderr, show_path=False, show_time=debug)],
            force=True,
        )
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _terminate)
        try:
            with clear_os_errors("e3ne", Path.cwd()):
                function(*args, as_json=as_json, **options)
        except (E3neError, ToolError) as error:
            if debug:
                raise
            stop(error, as_json)
        except KeyboardInterrupt as interrupt:
            if debug:
                raise
            stderr.print("interrupted: nothing half-written is left behind", style="red")
            ended = isinstance(interrupt, _Terminated)
            raise SystemExit(TERMINATE_EXIT if ended else INTERRUPT_EXIT) from None

    return wrapped  # type: ignore[return-value]


def stop(error: E3neError | ToolError, as_json: bool) -> None:
    """Prints the error and ends the program with exit code 1."""
    problems = list(getattr(error, "problems", (str(error),)))
    if as_json:
        print_json({"error": {"kind": type(error).__name__, "problems": problems}})
    for problem in problems:
        stderr.print("error:", style="bold red", end=" ")
        stderr.print(problem, markup=False, soft_wrap=True)
    raise SystemExit(ERROR_EXIT)


def print_json(value: Any) -> None:
    """`value` on stdout, indented."""
    click.echo(json.dumps(value, indent=2))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table on stdout, never folded; columns whose cells are all numbers stand to the right."""
    cells = [list(columns), *([cell_text(cell) for cell in row] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    right = [
        bool(rows) and all(isinstance(row[index], int | float | None) for row in rows)
        for index in range(len(columns))
    ]
    for line in cells:
        padded = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        )
        click.echo("  ".join(padded).rstrip())


def cell_text(value: Any) -> str:
    """Thousands apart; a dash for what is not known."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """`tell(stage, done, total)`, called as work goes on; total 0 where nobody knows it.

    On a terminal it draws a line a stage on stderr; elsewhere it writes a line when one begins.
    """
    if not stderr.is_terminal:
        begun: set[str] = set()

        def tell_plainly(stage: str, done: int, total: int) -> None:
            if stage not in begun:
                begun.add(stage)
                stderr.print(f"{stage} ...", markup=False)

        yield tell_plainly
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), Elapsed())
    with Progress(*columns, MofNCompleteColumn(), console=stderr, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                for task in tasks.values():
                    bars.stop_task(task)
                tasks[stage] = bars.add_task(stage)
            bars.update(tasks[stage], completed=done, total=total or None)

        yield tell
