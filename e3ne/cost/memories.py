"""Which memories become block RAM, and what the others take: the rules of Yosys, measured.

`synth_ecp5` and `synth_ice40` compare costs: a block RAM of ECP5 counts 128, one of iCE40 64, a
LUT RAM of 16 words of 4 bits 4, a bit of a ROM in logic 1/16, a bit of a RAM in flip-flops 1. A
memory becomes block RAM where that is cheaper; runs over widths 8 .. 72 and depths 2 .. 256 agree.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..boards import Family
from ..ir import Storage

# Words of one block RAM by the width in which it is used.
BLOCK_SHAPES: dict[Family, dict[int, int]] = {
    "ecp5": {36: 512, 18: 1024, 9: 2048, 4: 4096, 2: 8192, 1: 16384},
    "ice40": {16: 256, 8: 512, 4: 1024, 2: 2048},
}
LARGE_SHAPES: dict[Family, tuple[int, int]] = {"ice40": (16_384, 16)}
"""(words, bits) of a large RAM without contents of its own (SPRAM), where a family has any."""
LARGE_BITS = {family: words * bits for family, (words, bits) in LARGE_SHAPES.items()}
LOADER_LUTS, LOADER_FFS = 60, 30  # the port that fills memories
BLOCK_COST: dict[Family, int] = {"ecp5": 128, "ice40": 64}
BLOCK_BITS: dict[Family, int] = {"ecp5": 18_432, "ice40": 4_096}
LUTS_PER_LUT_RAM = 6  # as synthesis.py counts a TRELLIS_DPR16X4
LUT_RAM_COST = 4


@dataclass(frozen=True)
class Memory:
    """`depth` words of `width_bits` bits; a ROM of one word is a constant.

    `storage` BLOCK and LUT are what the mapping asks for, and the synthesizer obeys.
    """

    width_bits: int
    depth: int
    is_rom: bool
    storage: Storage = Storage.AUTO


@dataclass(frozen=True)
class MemoryCells:
    """What one memory takes, the register behind its read port included."""

    luts: float
    ffs: float
    brams: int
    sprams: int = 0


def memory_cells(memory: Memory, family: Family) -> MemoryCells:
    """The cells of `memory` as Yosys chooses them."""
    width, depth = memory.width_bits, memory.depth
    if memory.storage is Storage.LOADED:
        return _loaded(width, depth, family)
    if width == 0 or (memory.is_rom and depth == 1):
        return MemoryCells(0, 0, 0)
    blocks = block_rams(width, depth, family)
    deep = blocks * BLOCK_COST[family] < _logic_cost(memory, family)
    if memory.storage is not Storage.AUTO:
        deep = memory.storage is Storage.BLOCK
    if deep:
        # A word written and read in one cycle must give the old one: a register and a choice.
        return MemoryCells(0, 0, blocks) if memory.is_rom else _read_first(width, depth, blocks)
    address_bits = (depth - 1).bit_length()
    if memory.is_rom:
        muxes = 2.3 if family == "ice40" and address_bits > 4 else 1  # ECP5 has wide muxes
        return MemoryCells(width * max(1.0, muxes * (1 << address_bits) / 16), width, 0)
    if family == "ecp5":
        rows = -(-depth // 16)
        cells = -(-width // 4) * rows
        return MemoryCells(cells * LUTS_PER_LUT_RAM + width * (rows - 1), width, 0)
    return MemoryCells(width * depth * 0.7 + depth, width * (depth + 1), 0)


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
    """Block RAMs of a memory in the shape that needs fewest."""
    return min(
        -(-width_bits // width) * -(-depth // words)
        for width, words in BLOCK_SHAPES[family].items()
    )


def _logic_cost(memory: Memory, family: Family) -> float:
    bits = memory.width_bits * memory.depth
    if memory.is_rom:
        return bits / 16
    if family == "ecp5":
        # One more than the cells count, because equal costs go to block RAM.
        return LUT_RAM_COST * -(-memory.width_bits // 4) * -(-memory.depth // 16) + 1
    return bits


def _read_first(width: int, depth: int, blocks: int) -> MemoryCells:
    address_bits = (depth - 1).bit_length()
    return MemoryCells(width + 2 * address_bits, 2 * width + address_bits + 2, blocks)
