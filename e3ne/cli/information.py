"""`e3ne report`, `e3ne boards`, `e3ne doctor`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from ..boards import list_boards, load_board
from ..report import read_report, write_html
from ..toolchain import ToolStatus
from ..toolchain import doctor as tool_states
from .terminal import command_options, print_json, print_table, stdout


@click.command(epilog="\b\nExample:\n  e3ne report build/digits_lif")
@click.argument("build", type=click.Path(path_type=Path))
@command_options
def report(build: Path, as_json: bool) -> None:
    """Write BUILD/report.html from the figures in BUILD/report.json."""
    figures = read_report(build)
    path = write_html(build)
    if as_json:
        print_json(figures)
    else:
        stdout.print(str(path), markup=False, soft_wrap=True)


@click.command(epilog="\b\nExample:\n  e3ne boards --json")
@command_options
def boards(as_json: bool) -> None:
    """List the boards that a network can be compiled for."""
    known = [load_board(name) for name in list_boards()]
    if as_json:
        print_json([asdict(board) | {"sources": dict(board.sources)} for board in known])
        return
    columns = ("name", "part", "LUTs", "block RAM bits", "DSPs", "SPRAM bits", "MHz", "board")
    rows = [
        (
            board.name,
            board.part,
            board.resources.luts,
            board.resources.bram_bits,
            board.resources.dsps,
            board.resources.spram_bits,
            board.clock_hz // 1_000_000,
            board.title,
        )
        for board in known
    ]
    print_table(columns, rows)


@click.command(epilog="\b\nExample:\n  e3ne doctor")
@command_options
def doctor(as_json: bool) -> None:
    """Show which tools are installed, at which version, and what to do about the rest.

    Exits with 0 only when nothing is missing or too old; what is optional may be.
    """
    states = [python_state(), *tool_states()]
    if as_json:
        print_json([asdict(state) for state in states])
    else:
        rows = [
            (
                _state_text(state),
                state.name,
                state.version or "-",
                state.path or "-",
                state.needed_for,
            )
            for state in states
        ]
        print_table(("state", "tool", "version", "where", "needed for"), rows)
        for state in states:
            if state.advice:
                stdout.print(f"{state.advice}", markup=False, soft_wrap=True)
    if not all(state.ok for state in states):
        raise SystemExit(1)


def _state_text(state: ToolStatus) -> str:
    if not state.advice:
        return "ok"
    return "optional" if state.ok else "missing"


def python_state() -> ToolStatus:
    """The interpreter that runs e3ne."""
    version = ".".join(map(str, sys.version_info[:3]))
    return ToolStatus("python", version, sys.executable, "everything", True, "")
