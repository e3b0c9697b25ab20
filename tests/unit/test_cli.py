"""What the program prints and how it exits, for commands that start no tool."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from e3ne.boards import list_boards
from e3ne.cli import information
from e3ne.cli.commands import main
from e3ne.cli.options import (
    ModelOptions,
    example_frames,
    frames_have_steps,
    load,
    misplaced,
    parse_outputs,
    parse_shape,
)
from e3ne.cli.terminal import cell_text, command_options, print_table
from e3ne.ir import BadInput, UnsupportedModel
from e3ne.report.document import new_report, write_report
from e3ne.toolchain import ToolFailed, ToolStatus

COMMANDS = ("compile", "check", "simulate", "synth", "report", "boards", "doctor")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_json(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"e3ne {command}" in result.stdout
    assert "--json" in result.stdout


def test_help_of_the_program_names_every_command() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert all(command in result.stdout for command in COMMANDS)


def test_boards_lists_every_board() -> None:
    assert all(name in run("boards").stdout for name in list_boards())
    found = json.loads(run("boards", "--json").stdout)
    assert [board["name"] for board in found] == list(list_boards())
    assert found[0]["resources"]["luts"] > 0


def test_wrong_use_exits_with_2() -> None:
    assert run("simulate", "build").exit_code == 2
    assert run("compile", "m.py:net", "-o", "b", "--input-shape", "1,x").exit_code == 2
    assert run("nothing").exit_code == 2


def test_unknown_board_is_one_message() -> None:
    result = run("compile", "m.py:net", "-o", "b", "--board", "ulx3s-85k")
    assert result.exit_code == 1
    assert "did you mean ulx3s-85f?" in result.stderr
    assert "Traceback" not in result.output


def test_error_as_json() -> None:
    result = run("report", "no-such-build", "--json")
    assert result.exit_code == 1
    error = json.loads(result.stdout)["error"]
    assert error["kind"] == "BadInput"
    assert "found no readable report" in error["problems"][0]


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (UnsupportedModel(["a: found X, accepted Y", "b: found Z, accepted Y"]), "b: found Z"),
        (ToolFailed("yosys: found exit status 1, accepted 0"), "yosys: found exit status 1"),
    ],
)
def test_errors_are_told_without_a_stack(raised: Exception, message: str) -> None:
    @click.command()
    @command_options
    def failing(as_json: bool) -> None:
        raise raised

    result = CliRunner().invoke(failing, [])
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.output
    with pytest.raises(type(raised)):
        CliRunner().invoke(failing, ["--debug"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "free some disk space"),
        (errno.EACCES, "choose a folder that you may write to"),
        (errno.ENOTDIR, "choose a folder that is not below a file"),
    ],
)
def test_a_full_disk_is_one_message_in_every_command(number: int, advice: str) -> None:
    @click.command()
    @command_options
    def full(as_json: bool) -> None:
        raise OSError(number, os.strerror(number), "build/net")

    result = CliRunner().invoke(full, [])
    assert result.exit_code == 1
    assert f"e3ne: found {os.strerror(number)} at build/net; {advice}" in result.stderr


def test_other_exceptions_are_not_hidden() -> None:
    @click.command()
    @command_options
    def broken(as_json: bool) -> None:
        raise RuntimeError("a bug")

    assert isinstance(CliRunner().invoke(broken, []).exception, RuntimeError)


def test_interrupt_exits_with_130() -> None:
    @click.command()
    @command_options
    def interrupted(as_json: bool) -> None:
        raise KeyboardInterrupt

    result = CliRunner().invoke(interrupted, [])
    assert result.exit_code == 130
    assert "nothing half-written" in result.stderr


def states(ok: bool) -> list[ToolStatus]:
    advice = "" if ok else "verilator: found none; sudo apt-get install -y verilator"
    return [ToolStatus("verilator", "5.006", "/usr/bin/verilator", "simulation", ok, advice)]


def test_doctor_exits_with_0_only_when_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(information, "tool_states", lambda: states(True))
    assert run("doctor").exit_code == 0
    monkeypatch.setattr(information, "tool_states", lambda: states(False))
    result = run("doctor")
    assert result.exit_code == 1
    assert "sudo apt-get install -y verilator" in result.stdout
    found = json.loads(run("doctor", "--json").stdout)
    assert [(state["name"], state["ok"]) for state in found] == [
        ("python", True),
        ("verilator", False),
    ]


def test_report_writes_html_and_prints_the_figures(tmp_path: Path) -> None:
    write_report(tmp_path, new_report("net", "icebreaker", 24_000_000))
    result = run("report", str(tmp_path))
    assert result.exit_code == 0
    assert "report.html" in result.stdout
    assert (tmp_path / "report.html").is_file()
    assert json.loads(run("report", str(tmp_path), "--json").stdout)["board"] == "icebreaker"


@pytest.mark.parametrize("given", ["", "1,,2", "0,3", "-1,3", "a"])
def test_shapes_that_are_no_shapes(given: str) -> None:
    with pytest.raises(click.BadParameter, match="accepted positive integers"):
        parse_shape(given)


def test_frames_with_steps_are_seen_by_their_axes() -> None:
    assert parse_shape("1,8,8") == (1, 8, 8)
    assert frames_have_steps(np.zeros((5, 10, 1, 8, 8)), (1, 8, 8))
    assert not frames_have_steps(np.zeros((5, 1, 8, 8)), (1, 8, 8))
    assert not frames_have_steps(None, (1, 8, 8))


def test_example_frames_need_a_shape_or_data() -> None:
    assert example_frames(None, ((3,),), None).shape == (2, 3)  # type: ignore[union-attr]
    assert example_frames(None, ((3,),), 7).shape == (2, 7, 3)  # type: ignore[union-attr]
    two = example_frames(None, ((3,), (1, 4)), 7)
    assert [array.shape for array in two] == [(2, 7, 3), (2, 7, 1, 4)]  # type: ignore[union-attr]
    frames = np.arange(12.0).reshape(4, 3)
    assert np.array_equal(example_frames(frames, (), None), frames[:2])  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="found neither --input-shape nor --calibration"):
        example_frames(None, (), None)
    with pytest.raises(BadInput, match=r"found frames of shape \(3,\), accepted \(4,\)"):
        example_frames(frames, ((4,),), None)


def test_outputs_by_number_or_name() -> None:
    assert parse_outputs(None) is None
    assert parse_outputs("2") == 2
    assert parse_outputs("class, map") == ["class", "map"]


def test_options_belong_to_a_kind_of_model() -> None:
    torch = ModelOptions("m.py:net", dt=0.1, reset="zero", convention="norse")
    assert [problem.split(":")[0] for problem in misplaced(torch)] == [
        "--dt",
        "--reset",
        "--convention",
    ]
    nir = ModelOptions("net.nir", Path("w.pt"), ((3,),), outputs=2, dt=0.1)
    assert [problem.split(":")[0] for problem in misplaced(nir)] == [
        "--weights",
        "--outputs",
        "--input-shape",
    ]
    assert misplaced(ModelOptions("m.py:net", Path("w.pt"))) == []
    assert misplaced(ModelOptions("net.nir", dt=0.1, reset="zero")) == []
    result = run("check", "m.py:net", "--dt", "0.1")
    assert result.exit_code == 1
    assert "--dt: found with a torch module, accepted with a .nir file" in result.stderr


def test_tables_are_never_folded(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "figure"), [("a" * 150, 1_000), ("b", None)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("1,000")
    assert lines[2].endswith("     -")
    assert cell_text(1.5) == "1.50"


MODELS = """
import snntorch
import torch
from torch import nn


def stepwise():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), snntorch.Leaky(0.5, threshold=0.2, init_hidden=True))


def signals():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(6, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6, 2))
"""


@pytest.mark.parametrize(("factory", "has_steps"), [("stepwise", True), ("signals", False)])
def test_frames_of_unknown_meaning_are_what_traces(
    tmp_path: Path, factory: str, has_steps: bool
) -> None:
    (tmp_path / "models.py").write_text(MODELS)
    frames = np.random.default_rng(0).random((5, 6, 4), dtype=np.float32)
    np.savez(tmp_path / "frames.npz", x=frames)
    chosen = ModelOptions(
        model=f"{tmp_path / 'models.py'}:{factory}", calibration=tmp_path / "frames.npz"
    )
    assert load(chosen).input_has_steps is has_steps
