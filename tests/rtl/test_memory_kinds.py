"""Line and row memories lie where the mapping says: Yosys for ECP5 obeys, the cost model agrees."""

from __future__ import annotations

import pytest
from amaranth.back import rtlil

from e3ne.cost.memories import Memory, memory_cells
from e3ne.emit.verilog import without_brackets
from e3ne.gateware.row_memory import RowMemory
from e3ne.gateware.sliding_window import SlidingWindow
from e3ne.gateware.streams import Word
from e3ne.ir import Storage
from e3ne.ir.geometry import Fold, Window
from e3ne.toolchain import yosys

WORD = Word(4, 1, 4)
IN_MEMORY = Fold(1, 1, 9, 4, True)
UNITS = {  # a unit, and (bits of a word, words) of its memory
    "rows of a small image": (RowMemory, Window(4, 8, 8, (3, 3)), (IN_MEMORY, 1), (16, 32)),
    "lines of a small image": (SlidingWindow, Window(4, 28, 28, (3, 3)), (1, 1, 1), (32, 28)),
    "lines of a large image": (SlidingWindow, Window(4, 9, 200, (5, 5)), (1, 1, 1), (64, 200)),
}


@pytest.mark.parametrize("storage", [Storage.AUTO, Storage.BLOCK, Storage.LUT])
@pytest.mark.parametrize("name", UNITS)
def test_a_memory_lies_where_the_mapping_says(name, storage, tmp_path):
    kind, window, more, (width_bits, depth) = UNITS[name]
    unit = kind(WORD, window, *more, storage)
    text = rtlil.convert(unit, name="unit", emit_src=False)
    (tmp_path / "unit.il").write_text(without_brackets(text))
    passes = ["read_rtlil unit.il", "synth_ecp5 -top unit -run begin:map_gates"]
    yosys.run([*passes, "tee -q -o stat.json stat -json"], tmp_path)
    cells = yosys.cell_counts(tmp_path / "stat.json", "unit")
    blocks = sum(count for cell, count in cells.items() if "DP16KD" in cell)
    lut_rams = sum(count for cell, count in cells.items() if "DPR16X4" in cell)
    assert blocks == memory_cells(Memory(width_bits, depth, False, storage), "ecp5").brams
    assert (blocks == 0) == (lut_rams != 0)
    if storage is not Storage.AUTO:
        assert (blocks != 0) == (storage is Storage.BLOCK)
