"""About what an adder graph takes, without building it: for a search that asks for hundreds.

All rows are laid out at once, as `adder_build.py` does it without shared pairs of digits: tables of
neighbouring inputs, then the flattest trees, equal sums once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .adder_build import shares_pairs
from .adder_graph import GATE_BITS, TABLE_BITS
from .arrays import Array
from .ranges import Range

_MIXED = np.random.default_rng(0).integers(1, 1 << 62, 64) | 1  # to tell rows of numbers apart


@dataclass(frozen=True, eq=False)
class NetworkSketch:
    """The counts of an adder graph; those of `AdderGraph` of the same names.

    `nodes` (3, nodes) int64 has for each input and sum its bits, its level, and the highest level
    that reads it; -1 where an output does. `shares_pairs`: what is built shares pairs of digits,
    which nothing here does.
    """

    depth: int
    table_luts: int
    gate_bits: int
    carry_bits: int
    carry_chains: int
    nodes: Array
    shares_pairs: bool

    def register_bits(self, stages: int) -> int:
        """Flip-flops of `stages` registers one behind the other, as `LogicPlan` places them."""
        bits, level, last = self.nodes
        deep = max(1, self.depth)
        begins = np.maximum(0, level * stages - 1) // deep
        ends = np.where(last < 0, stages, np.maximum(0, last * stages - 1) // deep)
        return int((np.maximum(0, ends - begins) * bits)[last != 0].sum())


@dataclass
class _Parts:
    """Parts of sums of rows, each array (parts,): `node` times +-2**shift, within low .. high."""

    row: Array
    node: Array
    level: Array
    shift: Array
    sign: Array
    low: Array
    high: Array

    def taken(self, where: Array) -> _Parts:
        """Those at indices, or where a mask is true."""
        return _Parts(*(item[where] for item in self._arrays()))

    def with_more(self, more: _Parts) -> _Parts:
        """These and more of them."""
        pairs = zip(self._arrays(), more._arrays(), strict=True)
        return _Parts(*(np.concatenate(pair) for pair in pairs))

    def _arrays(self) -> tuple[Array, ...]:
        return self.row, self.node, self.level, self.shift, self.sign, self.low, self.high


class _Sketch:
    """Nodes so far: `bits`, `level` and `last` as of NetworkSketch, in pieces."""

    def __init__(self, inputs: Sequence[Range]) -> None:
        self.low = np.array([span.low for span in inputs], np.int64)
        self.high = np.array([span.high for span in inputs], np.int64)
        self.bits = _width(self.low, self.high)
        self.level = np.zeros(len(inputs), np.int64)
        self.last = np.zeros(len(inputs), np.int64)
        self.table_luts = self.gate_bits = self.carry_bits = self.carry_chains = 0

    def grown(self, bits: Array, level: int) -> Array:
        """The numbers of new nodes."""
        first = len(self.bits)
        self.bits = np.concatenate([self.bits, bits])
        self.level = np.concatenate([self.level, np.full(len(bits), level, np.int64)])
        self.last = np.concatenate([self.last, np.zeros(len(bits), np.int64)])
        return first + np.arange(len(bits), dtype=np.int64)

    def read(self, nodes: Array, level: int) -> None:
        """Nodes that are read at a level."""
        self.last[nodes] = np.maximum(self.last[nodes], level)

    def adders(self, bits: Array) -> None:
        """Adders of so many bits."""
        chains = bits[bits > GATE_BITS]
        self.gate_bits += int(bits[bits <= GATE_BITS].sum())
        self.carry_bits += int((chains + chains % 2).sum())
        self.carry_chains += len(chains)


def network_sketch(matrix: Array, inputs: Sequence[Range], offsets: Sequence[int]) -> NetworkSketch:
    """The sketch of the graph of matrix @ x + offsets, as `adder_graph` takes them."""
    rows = _distinct(np.column_stack([matrix, np.asarray(offsets, np.int64)]))
    found = _Sketch(inputs)
    if int(found.bits.max(initial=1)) > TABLE_BITS:
        parts = _digits(rows, found)
    else:
        parts = _tables(rows, found)
    depth = _trees(parts, found)
    nodes = np.stack([found.bits, found.level, found.last])
    return NetworkSketch(
        depth,
        found.table_luts,
        found.gate_bits,
        found.carry_bits,
        found.carry_chains,
        nodes,
        shares_pairs(matrix, inputs),
    )


def _distinct(rows: Array) -> Array:
    """Rows with weights, without common powers of two and up to sign, each once."""
    rows = rows[rows[:, :-1].any(axis=1)]
    common = np.bitwise_or.reduce(rows, axis=1)
    rows = rows // (common & -common)[:, None]
    first = rows[np.arange(len(rows)), (rows != 0).argmax(axis=1)]
    rows = rows * np.sign(first)[:, None]
    _, kept = np.unique(_mixed(rows), return_index=True)
    found: Array = rows[np.sort(kept)]
    return found


def _digits(rows: Array, found: _Sketch) -> _Parts:
    """Wide inputs: a part for each signed digit of a weight; an offset is a part of its own."""
    pieces = []
    left, shift = rows[:, :-1].copy(), 0
    while left.any():
        digit = np.where(left & 1, 2 - (left & 3), 0)
        row, k = np.nonzero(digit)
        sign = digit[row, k]
        ends = np.stack([found.low[k] * sign, found.high[k] * sign]) << shift
        level, shifts = np.zeros_like(k), np.full_like(k, shift)
        pieces.append(_Parts(row, k, level, shifts, sign, ends.min(axis=0), ends.max(axis=0)))
        left, shift = (left - digit) >> 1, shift + 1
    row = np.flatnonzero(rows[:, -1])
    offset = rows[row, -1]
    nodes, zero = found.grown(np.zeros_like(row), 0), np.zeros_like(row)
    parts = _Parts(row, nodes, zero, zero, np.ones_like(row), offset, offset)
    for piece in pieces:
        parts = parts.with_more(piece)
    return parts


def _tables(rows: Array, found: _Sketch) -> _Parts:
    """Narrow inputs: neighbours share a table; each once, with the sign that most rows use."""
    width = max(1, int(found.bits.max()))
    room = TABLE_BITS // width
    row, k = np.nonzero(rows[:, :-1])
    starts = np.searchsorted(row, np.arange(len(rows)))
    place = np.arange(len(row)) - starts[row]
    begins = place % room == 0
    group = np.cumsum(begins) - 1
    factors = np.zeros((int(begins.sum()), room), np.int64)
    names = np.full(factors.shape, -1, np.int64)
    factors[group, place % room] = rows[row, k]
    names[group, place % room] = k
    of_row = row[begins]
    offset = np.where(place[begins] == 0, rows[of_row, -1], 0)
    common = np.bitwise_or.reduce(factors, axis=1)
    scale = np.where(offset != 0, 1, (common & -common) * np.sign(factors[:, 0]))
    factors = factors // scale[:, None]
    keys = _mixed(np.column_stack([names, factors, offset]))
    _, first, number = np.unique(keys, return_index=True, return_inverse=True)
    votes = np.bincount(number, np.where(offset != 0, 0, np.sign(scale)), len(first))
    sign = np.where(votes >= 0, 1, -1).astype(np.int64)
    names, unique, own = names[first], factors[first] * sign[:, None], offset[first]
    alone = (names[:, 1:] < 0).all(axis=1) & (factors[first, 0] == 1) & (own == 0)
    ends = np.stack([unique * found.low[names], unique * found.high[names]])
    low, high = ends.min(axis=0).sum(axis=1) + own, ends.max(axis=0).sum(axis=1) + own
    bits = _width(low, high)
    node = names[:, 0].copy()
    node[~alone] = found.grown(bits[~alone], 1)
    sign[alone] = 1
    found.read(names[~alone][names[~alone] >= 0], 1)
    found.table_luts += _functions(names[~alone], unique[~alone], own[~alone], bits[~alone], found)
    scale = scale * sign[number]
    size = np.abs(scale)
    ends = np.stack([low[number], high[number]])
    single = alone[number]  # what stands behind these is the input itself, whatever the vote
    held = node[number][single]
    ends[:, single] = found.low[held], found.high[held]
    ends = ends * scale
    level = np.where(single, 0, 1).astype(np.int64)
    shift = _width(np.zeros_like(size), size) - 1
    return _Parts(
        of_row, node[number], level, shift, np.sign(scale), ends.min(axis=0), ends.max(axis=0)
    )


def _functions(names: Array, factors: Array, offsets: Array, bits: Array, found: _Sketch) -> int:
    """Different functions of two bits or more in tables (a function and its negation are one)."""
    if not len(names):
        return 0
    each = TABLE_BITS // names.shape[1]
    bit = np.arange(each)
    worth = factors[:, :, None] << bit
    sign = (found.low[names] < 0)[:, :, None] & (bit == found.bits[names][:, :, None] - 1)
    worth = np.where(bit < found.bits[names][:, :, None], np.where(sign, -worth, worth), 0)
    count = worth.shape[1] * each
    inputs = (names[:, :, None] * TABLE_BITS + bit).reshape(-1, count)
    chosen = np.arange(1 << count)
    combinations = (chosen >> np.arange(count)[:, None]) & 1
    values = worth.reshape(-1, count) @ combinations + offsets[:, None]
    whole = (1 << len(chosen)) - 1
    keys = []
    for place in range(int(bits.max(initial=0))):
        table = ((values >> place) & 1) @ (1 << chosen)
        depends = np.empty((len(table), count), bool)
        for index in range(count):
            ones = int(sum(1 << int(k) for k in chosen if k >> index & 1))
            depends[:, index] = (table & ones) >> (1 << index) != table & ~ones & whole
        kept = (place < bits) & (depends.sum(axis=1) > 1)
        supports = np.where(depends, inputs, -1)
        keys.append(_mixed(np.column_stack([supports, np.minimum(table, table ^ whole)])[kept]))
    return len(np.unique(np.concatenate(keys)))


def _trees(parts: _Parts, found: _Sketch) -> int:
    """The flattest trees of all rows: always the two lowest, of these the least shifted."""
    rows = int(parts.row.max(initial=-1)) + 1
    depth = level = 0
    while len(parts.row):
        count = np.bincount(parts.row, minlength=rows)
        ended = count[parts.row] == 1
        found.last[parts.node[ended]] = -1
        depth = max(depth, int(parts.level[ended].max(initial=0)))
        parts = parts.taken(~ended)
        ready = np.flatnonzero(parts.level <= level)
        bits, among = found.bits[parts.node[ready]], parts.taken(ready)
        ready = ready[np.lexsort((bits, among.shift, among.level, among.row))]
        row = parts.row[ready]
        place = np.arange(len(row)) - np.searchsorted(row, row)
        first = np.flatnonzero((place[:-1] % 2 == 0) & (row[:-1] == row[1:]))
        level += 1
        one, other = parts.taken(ready[first]), parts.taken(ready[first + 1])
        stays = np.ones(len(parts.row), bool)
        stays[ready[first]] = stays[ready[first + 1]] = False
        parts = parts.taken(stays).with_more(_added(one, other, level, found))
    return depth


def _added(one: _Parts, other: _Parts, level: int, found: _Sketch) -> _Parts:
    """The sums of parts, pair by pair; equal ones are one adder."""
    common = np.minimum(one.shift, other.shift)
    sign = np.where(np.maximum(one.sign, other.sign) < 0, -1, 1)
    swap = one.node > other.node
    keys = [
        np.where(choice, *pair)
        for choice in (swap, ~swap)
        for pair in (
            (other.node, one.node),
            (other.shift - common, one.shift - common),
            (other.sign * sign, one.sign * sign),
        )
    ]
    mixed = _mixed(np.column_stack(keys))
    _, first, number = np.unique(mixed, return_index=True, return_inverse=True)
    low, high = one.low + other.low, one.high + other.high
    ends = np.stack([low, high]) * sign >> common
    bits = _width(ends.min(axis=0), ends.max(axis=0))[first]
    lower = np.where(one.shift <= other.shift, one.sign, other.sign) * sign
    apart = np.where(lower > 0, np.abs(one.shift - other.shift), 0)
    found.adders(np.maximum(0, bits - apart[first]))
    found.read(one.node, level)
    found.read(other.node, level)
    nodes = found.grown(bits, level)
    levels = np.full(len(low), level, np.int64)
    return _Parts(one.row, nodes[number], levels, common, sign, low, high)


def _width(low: Array, high: Array) -> Array:
    """Bits of numbers in low .. high: unsigned where they are never negative."""
    sizes = np.frexp(np.maximum(high, 0).astype(np.float64))[1]
    below = np.frexp(np.maximum(-low - 1, 0).astype(np.float64))[1]
    found: Array = np.where(low < 0, np.maximum(sizes, below) + 1, sizes).astype(np.int64)
    return found


def _mixed(rows: Array) -> Array:
    """A number for each row, different for different rows (as good as surely)."""
    factors = np.resize(_MIXED, rows.shape[1]) * (1 + 2 * np.arange(rows.shape[1]))
    spread = rows * factors
    found: Array = (spread ^ (spread >> 29)).sum(axis=1)
    return found
