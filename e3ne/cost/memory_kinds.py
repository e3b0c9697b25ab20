"""The memories of each family as Yosys's memory_libmap knows them, and what it counts for each.

A memory goes where its cost is least: that of the cells, half a point for each bit of a
multiplexer between rows of cells and for each decoded write enable, two points for each thing to be
emulated. Figures are those of Yosys 0.70 (`brams.txt`, `lutrams.txt`, `urams.txt` of its share
folder); `tests/unit/test_cost_memories.py` has what Yosys made of some hundred memories.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..boards import Family

MUX_COST = DEMUX_COST = 0.5
EMULATED_COST = 2.0
RAM_BIT_COST = 1.0  # of a memory in flip-flops
ROM_BIT_COST: dict[Family, float] = {
    **{"ecp5": 1 / 16, "ice40": 1 / 16, "gowin": 1 / 16, "nexus": 1 / 16},
    **{"xilinx7": 1 / 64, "ultrascale_plus": 1 / 64},
}
"""Of a ROM in plain LUTs: synth_xilinx says 1 / 64 (LUTs of six inputs), the others nothing."""


@dataclass(frozen=True)
class Kind:
    """Cells of `units` blocks (or `luts` LUTs) each that hold 2**address_bits words of widths[0].

    A cell is used with any of `widths` bits, each twice as wide (times 9 / 8) and half as deep as
    the one before. `byte` is the width that one write enable has, 0: that of the cell. `cost` of a
    cell, of which `scaled` shrinks with the bits in use.
    """

    widths: tuple[int, ...]
    address_bits: int
    cost: float
    units: int = 0
    luts: int = 0
    byte: int = 0
    scaled: float = 0


@dataclass(frozen=True)
class Fit:
    """`cells` of a kind in `rows` one behind the other, `cost` in all."""

    kind: Kind
    cells: int
    rows: int
    cost: float


NARROW = (1, 2, 4, 9, 18)
WIDE = (*NARROW, 36)

BLOCKS: dict[Family, tuple[Kind, ...]] = {
    "ecp5": (Kind(WIDE, 14, 128, 1, byte=9),),
    "ice40": (Kind((2, 4, 8, 16), 11, 64, 1, byte=1),),
    "gowin": (Kind(WIDE, 14, 128, 1, byte=9),),
    "nexus": (Kind(WIDE, 14, 128, 1, byte=9),),
    "xilinx7": (
        Kind(WIDE, 14, 129, 1, byte=9),
        Kind((*WIDE, 72), 15, 257, 2, byte=9),
        Kind((1, 2, 4, 9), 16, 513, 4, byte=9),
    ),
    "ultrascale_plus": (
        Kind(WIDE, 14, 129, 1, byte=9),
        Kind((*WIDE, 72), 15, 257, 2, byte=9),
        Kind((1, 2, 4, 9), 16, 513, 4, byte=9),
    ),
}
LUT_RAMS: dict[Family, tuple[Kind, ...]] = {
    "ecp5": (Kind((4,), 4, 4, luts=6),),
    "ice40": (),
    "gowin": (Kind((4,), 4, 4, luts=4, scaled=4),),
    "nexus": (Kind((4,), 4, 4, luts=4),),
    "xilinx7": (
        Kind((6,), 5, 8, luts=4, scaled=7),
        Kind((3,), 6, 8, luts=4, scaled=7),
        Kind((1,), 7, 8, luts=4, scaled=8),
    ),
    "ultrascale_plus": (
        Kind((14,), 5, 16, luts=8, scaled=16),
        Kind((7,), 6, 16, luts=8, scaled=16),
        Kind((2,), 7, 16, luts=8, scaled=16),
        Kind((1,), 8, 16, luts=8, scaled=16),
    ),
}
EMULATIONS: dict[Family, int] = {
    **{"ecp5": 7, "ice40": 7, "gowin": 7},
    **{"nexus": 0, "xilinx7": 0, "ultrascale_plus": 0},
}
"""Things to be emulated beside a block RAM so that a word read while it is written is the old one.
Measured: 7 explains all choices on gowin and ice40, 0 .. 2 those on nexus and xilinx7."""
ROM_EMULATIONS: dict[Family, int] = {
    **{"ecp5": 0, "ice40": 0, "gowin": 0, "nexus": 0},
    **{"xilinx7": 2, "ultrascale_plus": 2},
}
"""The register behind a ROM has a reset and an enable, of which Xilinx wants the other first."""
LUT_RAM_EMULATIONS = 1  # the register behind its read port


def best_fit(
    kinds: tuple[Kind, ...], width_bits: int, depth: int, is_rom: bool, emulated: int = 0
) -> Fit | None:
    """The cheapest way to make the memory of cells of one kind; None without kinds."""
    found: Fit | None = None
    for kind in kinds:
        for place, cell_bits in enumerate(kind.widths):
            rows = -(-depth // (1 << (kind.address_bits - place)))
            byte = 1 if is_rom else min(kind.byte or cell_bits, cell_bits)
            cells = -(-rows * (-(-width_bits // byte) * byte) // cell_bits)
            cost = (kind.cost - kind.scaled) * cells
            cost += kind.scaled * rows * width_bits / cell_bits
            cost += (rows - 1) * width_bits * MUX_COST + EMULATED_COST * emulated
            if rows > 1 and not is_rom:
                cost += rows * DEMUX_COST
            if found is None or cost < found.cost:
                found = Fit(kind, cells, rows, cost)
    return found
