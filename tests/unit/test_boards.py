from __future__ import annotations

import json
from pathlib import Path

import pytest

import e3ne
from e3ne.boards import (
    board_from_table,
    board_table,
    boards_folder,
    list_boards,
    load_board,
)
from e3ne.ir import BadInput

GOOD = (boards_folder() / "ulx3s-85f.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", list_boards())
def test_every_board_file_is_read(name: str) -> None:
    board = load_board(name)
    assert board.name == name
    assert board.resources.bram_bits % board.resources.brams == 0
    assert board.clock_hz >= board.oscillator.hz
    assert dict(board.sources).keys() == {"resources", "oscillator"}


def test_ulx3s_holds_what_its_part_holds() -> None:
    board = load_board("ulx3s-85f")
    assert (board.family, board.device, board.package, board.speed) == (
        "ecp5",
        "85k",
        "CABGA381",
        "6",
    )
    assert board.resources.luts == 83_640
    assert board.resources.bram_bits == 208 * 18_432
    assert board.resources.dsps == 156


def test_unknown_board_names_the_nearest() -> None:
    with pytest.raises(BadInput) as caught:
        load_board("ulx3s-85k")
    assert "board: found 'ulx3s-85k', accepted arty-a7-100t, arty-a7-35t, colorlight-i5, " in str(
        caught.value
    )
    assert str(caught.value).endswith("; did you mean ulx3s-85f?")


def test_board_without_a_near_name_points_to_the_list() -> None:
    with pytest.raises(BadInput, match="`e3ne boards` lists them"):
        load_board("zzz")


def test_own_board_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace("83_640", "1_000"), encoding="utf-8")
    board = load_board(str(path))
    assert (board.name, board.resources.luts) == ("mine", 1_000)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('family = "ecp5"', 'family = "vega"', "family: found 'vega', accepted 'ecp5', 'ice40', "),
        ("dsps = 156", "dsps = -1", "resources.dsps: found -1, accepted 0 or more"),
        ("dsps = 156", 'dsps = "no"', "resources.dsps: found 'no', accepted int"),
        ("dsps = 156", "dsp = 156", "resources.dsp: found an unknown key, accepted luts, ffs"),
        ("dsps = 156", "", "resources.dsps: found nothing, accepted int"),
        ('pin = "G2"', "pin =", "found no readable TOML file"),
    ],
)
def test_bad_board_file(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        load_board(str(path))
    assert message in str(caught.value)


def test_all_problems_of_a_board_file_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace("dsps = 156", "").replace('pin = "G2"', ""), encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        load_board(str(path))
    assert len(caught.value.problems) == 2


def test_board_survives_json() -> None:
    board = load_board("icebreaker")
    table = json.loads(json.dumps(board_table(board)))
    assert board_from_table("icebreaker", table, "somewhere") == board


def test_table_in_the_place_of_a_figure() -> None:
    with pytest.raises(BadInput, match="here: resources: found 3, accepted a table"):
        board_from_table("mine", {"resources": 3}, "here")


def test_boards_are_exported_from_the_package() -> None:
    assert e3ne.list_boards() == list_boards()
