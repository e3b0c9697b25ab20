"""Which memories become block RAM, and what the others take: the rules of Yosys, measured.

Yosys compares costs: a block RAM of ECP5 counts 128, one of iCE40 64, a LUT RAM of 16 words of
4 bits 4, a bit of a ROM in logic 1/16 (1/64 on Xilinx), a bit of a RAM in flip-flops 1. A memory
becomes block RAM where that is cheaper (`memory_kinds.py` has the figures of each family).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ..boards import Family
from ..ir import Storage
from .memory_kinds import (
    BLOCKS,
    EMULATIONS,
    LUT_RAM_EMULATIONS,
    LUT_RAMS,
    RAM_BIT_COST,
    ROM_BIT_COST,
    ROM_EMULATIONS,
    Fit,
    best_fit,
)

LARGE_SHAPES: dict[Family, tuple[int, int]] = {"ice40": (16_384, 16)}
"""(words, bits) of a large RAM without contents of its own (SPRAM), where a family has any."""
LARGE_BITS = {family: words * bits for family, (words, bits) in LARGE_SHAPES.items()}
LOADER_LUTS, LOADER_FFS = 60, 30  # the port that fills memories
BLOCK_BITS: dict[Family, int] = {
    **{"ecp5": 18_432, "ice40": 4_096, "gowin": 18_432},
    **{"nexus": 18_432, "xilinx7": 18_432, "ultrascale_plus": 18_432},
}
LUT_INPUTS: dict[Family, int] = {
    **{"ecp5": 4, "ice40": 4, "gowin": 4, "nexus": 4, "xilinx7": 6, "ultrascale_plus": 6}
}
ROM_LUTS: dict[Family, tuple[int, float]] = {
    **{"ecp5": (6, 1.35), "ice40": (4, 2.2), "gowin": (6, 1.36)},
    **{"nexus": (5, 1.8), "xilinx7": (7, 1.4), "ultrascale_plus": (7, 1.4)},
}
"""Of a ROM in LUTs: the address bits that wide multiplexers choose by, which are no LUTs; and LUTs
for each LUT's worth of contents where it has more. Measured: 16 bits x 16 .. 256 words."""
UNASKED_LUTS = 0.085
"""A word and bit of a ROM of more than 64 words that Xilinx has in LUTs without being asked to:
three times what it takes where the mapping says so, or behind a list of events. Measured in nodes
of 72 .. 288 words."""


@dataclass(frozen=True)
class Memory:
    """`depth` words of `width_bits` bits; a ROM of one word is a constant.

    `storage` BLOCK and LUT are what the mapping asks for, and the synthesizer obeys. `is_listed`:
    its addresses come from a list of events, not from a counter.
    """

    width_bits: int
    depth: int
    is_rom: bool
    storage: Storage = Storage.AUTO
    is_listed: bool = False


@dataclass(frozen=True)
class MemoryCells:
    """What one memory takes, the register behind its read port included."""

    luts: float
    ffs: float
    brams: int
    sprams: int = 0


@lru_cache(maxsize=65536)
def memory_cells(memory: Memory, family: Family) -> MemoryCells:
    """The cells of `memory` as Yosys chooses them."""
    width, depth = memory.width_bits, memory.depth
    if memory.storage is Storage.LOADED:
        return _loaded(width, depth, family)
    if width == 0 or (memory.is_rom and depth == 1):
        return MemoryCells(0, 0, 0)
    found = chosen_cells(memory, family)
    if found is None:
        return _logic(memory, family)
    select = (found.rows - 1).bit_length()
    choice = _mux_luts(found.rows, family) * width + (0 if memory.is_rom else select * 2)
    if found.kind.units == 0:
        return MemoryCells(found.cells * found.kind.luts + choice, width, 0)
    blocks = found.cells * found.kind.units
    if memory.is_rom or not EMULATIONS[family]:
        return MemoryCells(choice, select, blocks)
    # A word written and read in one cycle must give the old one: a register and a choice.
    address = (depth - 1).bit_length()
    return MemoryCells(choice + width + 2 * address, select + 2 * width + address + 2, blocks)


def chosen_cells(memory: Memory, family: Family) -> Fit | None:
    """The cells that cost least; None where plain logic does. Equal costs: logic, then blocks."""
    width, depth, is_rom = memory.width_bits, memory.depth, memory.is_rom
    emulated = ROM_EMULATIONS[family] if is_rom else EMULATIONS[family]
    block = best_fit(BLOCKS[family], width, depth, is_rom, emulated)
    kinds = () if is_rom else LUT_RAMS[family]
    luts = best_fit(kinds, width, depth, is_rom, LUT_RAM_EMULATIONS)
    match memory.storage:
        case Storage.BLOCK:
            return block
        case Storage.LUT:
            return luts
        case _:
            logic_cost = width * depth * (ROM_BIT_COST[family] if is_rom else RAM_BIT_COST)
            fits = [fit for fit in (block, luts) if fit is not None and fit.cost < logic_cost]
            return min(fits, key=lambda fit: fit.cost) if fits else None


def _logic(memory: Memory, family: Family) -> MemoryCells:
    """A ROM as tables of LUTs, a RAM as flip-flops."""
    width, depth = memory.width_bits, memory.depth
    address_bits = (depth - 1).bit_length()
    if memory.is_rom:
        words, (wide_bits, deep) = 1 << LUT_INPUTS[family], ROM_LUTS[family]
        each: float = max(1, (1 << address_bits) // words)
        is_asked = memory.storage is Storage.LUT or memory.is_listed
        if depth > words and LUT_INPUTS[family] == 6 and not is_asked:
            each = UNASKED_LUTS * depth
        elif address_bits > wide_bits:
            each = deep * depth / words
        return MemoryCells(width * each, width, 0)
    return MemoryCells(width * depth * 0.7 + depth, width * (depth + 1), 0)


def _mux_luts(ways: int, family: Family) -> float:
    """LUTs of one bit chosen among `ways`."""
    return (ways - 1) * (0.4 if LUT_INPUTS[family] == 6 else 0.8)


def _loaded(width: int, depth: int, family: Family) -> MemoryCells:
    """A memory that is filled through a port, with the words' way into it."""
    address_bits = max(1, (depth - 1).bit_length())
    luts, ffs = LOADER_LUTS + 2 * address_bits, LOADER_FFS + width + 2 * address_bits
    if family not in LARGE_SHAPES:
        return MemoryCells(luts, ffs, block_rams(width, depth, family))
    words, bits = LARGE_SHAPES[family]
    rows = -(-depth // words)
    return MemoryCells(luts + width * (rows - 1), ffs, 0, rows * -(-width // bits))


def block_rams(width_bits: int, depth: int, family: Family) -> int:
    """Block RAMs of a ROM of this shape that is all in block RAM."""
    found = best_fit(BLOCKS[family], width_bits, depth, True)
    assert found is not None
    return found.cells * found.kind.units
