"""Adder graphs: a matrix of constant integers as sums that share what they have in common.

A node is an input or a `Sum` of earlier nodes. A Sum of few bits is a table, each of its bits one
LUT; any other is one adder or subtractor of two shifted nodes, or of a node and a constant.
Addition is exact: the range of a node is that of its linear form, sum(w * x) + offset over inputs
that are independent, so each end is reached and the narrowest width that holds it is right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from .arrays import Array
from .ranges import Range

TABLE_BITS = 4
"""Inputs of a LUT: sums of no more bits are tables."""

GATE_BITS = 4
"""Adders of no more bits are made of gates: Yosys has no carry chain for these on ECP5, and the
carries that it looks ahead there cost more."""


@dataclass(frozen=True)
class Term:
    """`factor` times a node (inputs come first, then the sums); in an adder +-2**shift."""

    node: int
    factor: int


@dataclass(frozen=True)
class Sum:
    """offset + sum of the terms, in `range`; `level` is 1 + the highest of its nodes.

    A table whose bits are all copies of bits (or constants) is wires and keeps the level.
    """

    terms: tuple[Term, ...]
    offset: int
    range: Range
    level: int
    is_table: bool
    is_wires: bool = False


@dataclass(frozen=True)
class AdderGraph:
    """Node k is inputs[k], or sums[k - len(inputs)], which reads earlier nodes only.

    Output j is a node times a power of two (factor > 0), or None: always 0.
    """

    inputs: tuple[Range, ...]
    sums: tuple[Sum, ...]
    outputs: tuple[Term | None, ...]

    def node_range(self, node: int) -> Range:
        """What a node can be."""
        first = len(self.inputs)
        return self.inputs[node] if node < first else self.sums[node - first].range

    @cached_property
    def depth(self) -> int:
        """The most levels on a way from an input to an output."""
        first = len(self.inputs)
        return max(
            (self.sums[o.node - first].level for o in self.outputs if o and o.node >= first),
            default=0,
        )

    @cached_property
    def gate_bits(self) -> int:
        """Bits of the adders that are made of gates."""
        return sum(bits for bits in self._adders if bits <= GATE_BITS)

    @property
    def carry_chains(self) -> int:
        """How many adders are carry chains."""
        return sum(bits > GATE_BITS for bits in self._adders)

    @cached_property
    def carry_bits(self) -> int:
        """Bits of the carry chains, each rounded up to pairs."""
        return sum(bits + bits % 2 for bits in self._adders if bits > GATE_BITS)

    @cached_property
    def _adders(self) -> tuple[int, ...]:
        return tuple(adder_bits(item) for item in self.sums if not item.is_table)

    @cached_property
    def table_luts(self) -> int:
        """Different functions of two bits or more in all tables (a function and its negation are
        one)."""
        found: set[tuple[tuple[tuple[int, int], ...], int]] = set()
        for item in self.sums:
            if item.is_table and not item.is_wires:
                found.update(table_functions(self, item))
        return len(found)

    def values(self, inputs: Array) -> list[Array]:
        """Every node for integer inputs (..., len(inputs)), each (...)."""
        found = [inputs[..., index] for index in range(len(self.inputs))]
        for item in self.sums:
            found.append(
                sum((found[t.node] * t.factor for t in item.terms), item.offset + 0 * found[0])
            )
        return found


def width_bits(span: Range) -> int:
    """Bits of a node: unsigned where it is never negative, else two's complement."""
    return span.high.bit_length() if span.low >= 0 else span.signed_bits


def free_bits(item: Sum) -> int:
    """Low bits of an adder that are copies of a node's: those below the shift of the other."""
    if len(item.terms) != 2:
        return 0
    first, second = sorted(item.terms, key=lambda term: abs(term.factor))
    if first.factor < 0 or item.offset:
        return 0
    return abs(second.factor).bit_length() - 1


def adder_bits(item: Sum) -> int:
    """Bits of one adder: those of its result but the copied ones."""
    return max(0, width_bits(item.range) - free_bits(item))


def table_inputs(graph: AdderGraph, item: Sum) -> list[tuple[int, int, int]]:
    """(node, bit, what the bit is worth) of every bit that a table reads."""
    found = []
    for term in item.terms:
        span = graph.node_range(term.node)
        bits = width_bits(span)
        for bit in range(bits):
            is_sign = span.low < 0 and bit == bits - 1
            found.append((term.node, bit, (-1 if is_sign else 1) * (term.factor << bit)))
    return found


def truth_tables(graph: AdderGraph, item: Sum) -> list[int]:
    """For every bit of a table its truth table: bit k is the value where the inputs are k."""
    worths = [worth for _, _, worth in table_inputs(graph, item)]
    sums = [
        item.offset + sum(worth for index, worth in enumerate(worths) if k >> index & 1)
        for k in range(1 << len(worths))
    ]
    return [
        sum((value >> bit & 1) << k for k, value in enumerate(sums))
        for bit in range(width_bits(item.range))
    ]


def cofactors(table: int, bits: int, index: int) -> tuple[int, int]:
    """The truth tables of `bits` inputs where input `index` is 0 and 1, of the other inputs."""
    low = high = 0
    for k in range(1 << (bits - 1)):
        at = (k >> index << (index + 1)) | (k & ((1 << index) - 1))
        low |= (table >> at & 1) << k
        high |= (table >> (at | 1 << index) & 1) << k
    return low, high


def table_functions(
    graph: AdderGraph, item: Sum
) -> Iterator[tuple[tuple[tuple[int, int], ...], int]]:
    """(bits it depends on, truth table up to negation) of each bit of a table that is no copy."""
    names = [(node, bit) for node, bit, _ in table_inputs(graph, item)]
    for table in truth_tables(graph, item):
        support = list(names)
        index = 0
        while index < len(support):
            low, high = cofactors(table, len(support), index)
            if low == high:
                table = low
                del support[index]
            else:
                index += 1
        if len(support) > 1:
            full = (1 << (1 << len(support))) - 1
            yield tuple(support), min(table, table ^ full)
