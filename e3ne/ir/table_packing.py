"""Which narrow nodes of a row's sum share a table."""

from __future__ import annotations

from collections.abc import Callable

from .adder_graph import TABLE_BITS

Entity = tuple[int, int]
"""(node, factor): a part of a row's sum."""
Group = tuple[Entity, ...]
"""Narrow nodes that one table takes, or a single node."""


def in_turn(parts: list[Entity], bits: Callable[[int], int]) -> list[Group]:
    """Neighbours fill a table, one after the other."""
    groups: list[Group] = []
    held: list[Entity] = []
    used = 0
    for part in parts:
        if held and used + bits(part[0]) > TABLE_BITS:
            groups.append(tuple(held))
            held, used = [], 0
        held.append(part)
        used += bits(part[0])
    return [*groups, tuple(held)] if held else groups


def in_blocks(parts: list[Entity], bits: Callable[[int], int]) -> list[Group]:
    """The same nodes share a table in every row, so that rows may share tables; what is left of
    blocks with few parts is put together."""
    blocks: dict[int, list[Entity]] = {}
    for part in parts:
        blocks.setdefault(part[0] * bits(part[0]) // TABLE_BITS, []).append(part)
    groups: list[list[Entity]] = []
    room: list[int] = []
    by_size = sorted(blocks.values(), key=lambda block: -sum(bits(part[0]) for part in block))
    for block in by_size:
        fits = sum(bits(part[0]) for part in block) <= TABLE_BITS
        for piece in [block] if fits else [[part] for part in block]:
            size = sum(bits(part[0]) for part in piece)
            place = next((k for k, left in enumerate(room) if left >= size), None)
            if place is None:
                groups.append(list(piece))
                room.append(TABLE_BITS - size)
            else:
                groups[place] += piece
                room[place] -= size
    return [tuple(sorted(group)) for group in groups]
