"""Verilator: lint, and the build of a simulator with a C++ harness."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .locate import find
from .process import DAY_S, clear_os_errors, run_program

FAST = ("--x-assign", "fast", "--x-initial", "fast", "--noassert", "-O3", "--threads", "1")
OPTIMIZE = ("VM_PARALLEL_BUILDS=1", "OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O1")
"""For make: one object a file; optimisation of the design, its set-up, Verilator's own library.

Measured on LeNet-5 (2.5 MB of Verilog): -O1 builds in 29 s of CPU and runs 300 frames in 3.2 s,
-O2 in 46 s and 3.4 s, -Os in 44 s and 4.6 s.
"""
FEW_BYTES = 4_000_000  # of C++ of a design whose files are compiled as two


def lint(files: Sequence[str], top: str, cwd: Path, defines: Sequence[str] = ()) -> str:
    """Runs `--lint-only`; returns Verilator's output. ToolFailed on any warning or error."""
    program = find("verilator")
    flags = [f"-D{define}" for define in defines]
    command = [*program.command, "--lint-only", *flags, "--top-module", top, *files]
    return run_program("verilator", command, cwd)


def build(
    files: Sequence[str],
    top: str,
    harness: str,
    cwd: Path,
    objects: str,
    defines: Sequence[str] = (),
    jobs: int = 2,
    timeout_s: float = DAY_S,
    headers: Sequence[str] = (),
    quick: bool = False,
) -> Path:
    """A simulator of `top` driven by the C++ file `harness`; the path of the executable.

    `headers` are what the harness includes besides the design. `quick`: for short runs; it is
    compiled without optimisation unless there is one already, in half the time.

    Paths are relative to `cwd`. The result is kept in `objects`, in a folder named after a hash
    of every source, the flags and Verilator's version, and found again there; a build that was
    interrupted is never taken for a finished one.
    """
    program = find("verilator")
    find("make"), find("g++")
    flags = [*FAST, *(f"-D{define}" for define in defines)]
    key = sources_key([*files, harness, *headers], cwd, [program.version_text, top, *flags])
    for folder in [cwd / objects / name for name in (key, *([f"{key}-quick"] if quick else []))]:
        executable = folder / f"V{top}"
        if executable.is_file():
            return executable
    with (
        clear_os_errors("verilator", folder),
        tempfile.TemporaryDirectory(prefix="e3ne-", dir=folder_without_space()) as scratch,
    ):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        command = [
            *program.command,
            *("--cc", "--exe", "-Wno-fatal", "-Wno-lint", "-Wno-style"),
            *("--top-module", top, "--Mdir", scratch),
            *flags,
            *files,
            "harness.cpp",
        ]
        run_program("verilator", command, cwd, folder / "verilator.log", timeout_s)
        shutil.copyfile(cwd / harness, Path(scratch, "harness.cpp"))
        for header in headers:
            shutil.copy(cwd / header, scratch)
        targets = ("-f", f"V{top}.mk", f"V{top}")
        optimize = ("OPT_FAST=-O0",) if quick else ()  # make takes the last one
        settings = (*OPTIMIZE, *optimize, *in_two_files(Path(scratch), top), *compiler_cache())
        make = [*find("make").command, "-j", str(jobs), *targets, *settings]
        run_program("make", make, Path(scratch), folder / "make.log", timeout_s)
        partial = folder / "partial"
        shutil.copy(Path(scratch, f"V{top}"), partial)
        os.replace(partial, executable)
    return executable


def in_two_files(folder: Path, top: str) -> list[str]:
    """What makes make compile a small design as two files: what runs, with the harness, and what
    sets it up.

    Verilator writes ten files or more for the smallest design, and each costs 0.6 s of CPU for the
    headers that it includes (4.5 of 9 s). A large design keeps its files, for several jobs.
    """
    files = sorted(folder.glob("*.cpp"))
    if sum(file.stat().st_size for file in files) > FEW_BYTES:
        return []
    rare = [file for file in files if file.stem.endswith(("Slow", "__Syms")) or "Pool" in file.stem]
    for name, parts in (("often", [f for f in files if f not in rare]), ("rare", rare)):
        text = "".join(f'#include "{file.name}"\n' for file in parts)
        Path(folder, f"{top}_{name}.cpp").write_text(text)
    return [
        *(f"VM_CLASSES_FAST={top}_often", f"VM_CLASSES_SLOW={top}_rare"),
        *("VM_SUPPORT_FAST=", "VM_SUPPORT_SLOW=", "VM_USER_CLASSES="),
    ]


def compiler_cache() -> list[str]:
    """What makes make use ccache, where there is one: Verilator's own runtime is compiled anew
    for every design otherwise (4 of about 8 s of CPU for a small network).
    """
    return ["OBJCACHE=ccache"] if shutil.which("ccache") else []


def folder_without_space() -> str:
    """A folder for temporary files that make accepts: it cannot work below a space."""
    usual = tempfile.gettempdir()
    return "/tmp" if any(map(str.isspace, usual)) else usual


def sources_key(files: Sequence[str], cwd: Path, flags: Sequence[str]) -> str:
    """16 hex digits of the sha256 of the files' names and contents and the flags."""
    digest = hashlib.sha256("\0".join(flags).encode())
    for file in files:
        digest.update(f"\0{file}\0".encode())
        digest.update((cwd / file).read_bytes())
    return digest.hexdigest()[:16]
