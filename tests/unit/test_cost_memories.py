"""The rules of memories against what memory_libmap of Yosys 0.70 chose for some hundred of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from e3ne.boards import Family
from e3ne.cost.memories import Memory, chosen_cells, memory_cells
from e3ne.ir import Storage

CHOICES = json.loads((Path(__file__).parents[1] / "golden" / "memory_choices.json").read_text())


@pytest.mark.parametrize("family", get_args(Family))
def test_every_choice_of_yosys(family):
    """Block RAM cells and LUT RAM cells; both 0 where plain logic is cheapest."""
    wrong = []
    for width, depth, is_rom, blocks, lut_rams in CHOICES[family]:
        found = chosen_cells(Memory(width, depth, bool(is_rom)), family)
        cells = (0, 0) if found is None else (found.cells, 0)
        if found is not None and found.kind.units == 0:
            cells = (0, found.cells)
        if cells != (blocks, lut_rams):
            wrong.append((width, depth, is_rom, (blocks, lut_rams), cells))
    assert wrong == []
    assert len(CHOICES[family]) > 250


@pytest.mark.parametrize("family", get_args(Family))
def test_the_mapping_may_ask_for_another_kind(family):
    for is_rom in (False, True):
        block = memory_cells(Memory(8, 64, is_rom, Storage.BLOCK), family)
        logic = memory_cells(Memory(8, 64, is_rom, Storage.LUT), family)
        assert block.brams >= 1 > logic.brams
        assert logic.luts > block.luts


def test_a_half_of_a_large_block_is_one_and_the_whole_two():
    assert memory_cells(Memory(36, 512, True), "xilinx7").brams == 1
    assert memory_cells(Memory(72, 512, True), "xilinx7").brams == 2
    assert memory_cells(Memory(9, 8192, True), "ultrascale_plus").brams == 4


def test_rows_of_narrow_words_share_a_block():
    """12 bits x 1,536: three rows of 12 bits lie side by side in the 36 of one block."""
    assert memory_cells(Memory(12, 1536, True), "ecp5").brams == 1
