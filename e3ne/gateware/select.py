"""Choosing one of many values by an index."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Mux, Value


def selected(values: Sequence, index: Value):
    """values[index] as a balanced tree of two-way multiplexers, one level an index bit.

    A chain of comparisons with the index, which an array becomes otherwise, maps badly to LUTs.
    An index beyond the values gives any of them.
    """
    level = list(values)
    for bit in range(len(index)):
        pairs = (level[at : at + 2] for at in range(0, len(level), 2))
        level = [Mux(index[bit], *reversed(pair)) if len(pair) == 2 else pair[0] for pair in pairs]
    assert len(level) == 1, f"{len(values)} values for an index of {len(index)} bits"
    return level[0]
