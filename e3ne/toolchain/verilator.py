"""Verilator: lint, and the build of a simulator with a C++ harness."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from .locate import find
from .process import DAY_S, clear_os_errors, run_program

FAST = ("--x-assign", "fast", "--x-initial", "fast", "--noassert", "-O3", "--threads", "1")


def lint(files: Sequence[str], top: str, cwd: Path, defines: Sequence[str] = ()) -> str:
    """Runs `--lint-only` without style warnings; returns Verilator's output (empty: no words)."""
    program = find("verilator")
    flags = [f"-D{define}" for define in defines]
    command = [*program.command, "--lint-only", "-Wno-fatal", "-Wno-lint", "-Wno-style", *flags]
    return run_program("verilator", [*command, "--top-module", top, *files], cwd)


def build(
    files: Sequence[str],
    top: str,
    harness: str,
    cwd: Path,
    objects: str,
    defines: Sequence[str] = (),
    jobs: int = 2,
    timeout_s: float = DAY_S,
) -> Path:
    """A simulator of `top` driven by the C++ file `harness`; the path of the executable.

    Paths are relative to `cwd`. The result is kept in `objects`, in a folder named after a hash
    of every source, the flags and Verilator's version, and found again there; a build that was
    interrupted is never taken for a finished one.
    """
    program = find("verilator")
    find("make"), find("g++")
    flags = [*FAST, *(f"-D{define}" for define in defines)]
    key = sources_key([*files, harness], cwd, [program.version_text, top, *flags])
    folder = cwd / objects / key
    executable = folder / f"V{top}"
    if (folder / "finished").is_file() and executable.is_file():
        return executable
    with clear_os_errors("verilator", folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copyfile(cwd / harness, folder / "harness.cpp")
    command = [
        *program.command,
        *("--cc", "--exe", "-Wno-fatal", "-Wno-lint", "-Wno-style"),
        *("--top-module", top, "--Mdir", os.path.join(objects, key)),
        *flags,
        *files,
        "harness.cpp",
    ]
    run_program("verilator", command, cwd, folder / "verilator.log", timeout_s)
    make = [
        *find("make").command,
        *("-j", str(jobs), "-f", f"V{top}.mk", f"V{top}"),
        *("OPT_FAST=-O2", "OPT_SLOW=-O0", "OPT_GLOBAL=-O1"),
    ]
    run_program("make", make, folder, folder / "make.log", timeout_s)
    with clear_os_errors("verilator", folder):
        (folder / "finished").write_text(program.version_text + "\n")
    return executable


def sources_key(files: Sequence[str], cwd: Path, flags: Sequence[str]) -> str:
    """16 hex digits of the sha256 of the files' names and contents and the flags."""
    digest = hashlib.sha256("\0".join(flags).encode())
    for file in files:
        digest.update(f"\0{file}\0".encode())
        digest.update((cwd / file).read_bytes())
    return digest.hexdigest()[:16]
