"""From a matrix of integers to an adder graph: tables of few bits, shared pairs, balanced trees."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from .adder_graph import TABLE_BITS, AdderGraph, Sum, Term, width_bits
from .arrays import Array
from .normal_rows import NormalRow, distinct_rows, negated_row, normal_row
from .ranges import Range
from .shared_terms import PairSharing, Row, least_depth, signed_digits
from .table_packing import Entity, Group, in_blocks, in_turn

PAIRS_AT_MOST = 300_000
"""Pairs of digits in all rows, above which no shared pairs are looked for (seconds)."""


def adder_graph(matrix: Array, inputs: Sequence[Range], offsets: Sequence[int]) -> AdderGraph:
    """The graph of matrix @ x + offsets for x[k] in inputs[k]; `matrix` (outputs, inputs), int64.

    Always the same for equal arguments; remembered. Of several ways to build it the one of fewest
    LUTs is taken whose depth is at most one above the least.
    """
    content = np.ascontiguousarray(matrix, dtype=np.int64).tobytes()
    spans = tuple((span.low, span.high) for span in inputs)
    whole = tuple(int(offset) for offset in offsets)
    return _built(content, len(matrix), spans, whole)


@lru_cache(maxsize=256)
def _built(
    content: bytes,
    rows: int,
    spans: tuple[tuple[int, int], ...],
    offsets: tuple[int, ...],
) -> AdderGraph:
    matrix = np.frombuffer(content, np.int64).reshape(rows, len(spans))
    inputs = [Range(low, high) for low, high in spans]
    if all(width_bits(span) <= 1 for span in inputs):
        ways = [(in_turn, False), (in_blocks, False)]
    else:
        ways = [(in_turn, False), (in_turn, True)][: 1 + shares_pairs(matrix, inputs)]
    found = [_Builder(inputs, pack).build(matrix, offsets, shares) for pack, shares in ways]
    flattest = min(graph.depth for graph in found)
    return min((g for g in found if g.depth <= flattest + 1), key=luts)


def luts(graph: AdderGraph) -> float:
    """About the LUTs of four inputs on ECP5, those of carries that enter a chain included."""
    return graph.table_luts + 1.4 * graph.gate_bits + graph.carry_bits + 2 * graph.carry_chains


def digits(matrix: Array) -> Array:
    """Signed digits of each row: int64 (outputs,)."""
    sizes = np.abs(matrix)
    # The digits of n are the bits in which n and 3 n differ.
    changed = sizes ^ (3 * sizes)
    return np.asarray(np.bitwise_count(changed).sum(axis=1), np.int64)


def shares_pairs(matrix: Array, inputs: Sequence[Range]) -> bool:
    """Whether pairs of digits are shared: not where each input is a bit.

    A pair of bits takes as much of a table as the bits do, so sharing it saves nothing.
    """
    if all(width_bits(span) <= 1 for span in inputs):
        return False
    return int((digits(matrix) ** 2).sum()) // 2 <= PAIRS_AT_MOST


class _Builder:
    """Nodes so far, each with its range as a linear form of the inputs."""

    def __init__(
        self,
        inputs: Sequence[Range],
        pack: Callable[[list[Entity], Callable[[int], int]], list[Group]],
    ) -> None:
        self.inputs, self.pack = tuple(inputs), pack
        self.sums: list[Sum] = []
        self.keys: dict[tuple[tuple[Term, ...], int], int] = {}
        self.spans = list(inputs)
        self.levels = [0] * len(self.inputs)
        self.forms: list[dict[int, int]] = [{k: 1} for k in range(len(self.inputs))]
        self.constants = [0] * len(self.inputs)

    def build(self, matrix: Array, offsets: Sequence[int], shares: bool) -> AdderGraph:
        """The graph of matrix @ x + offsets."""
        rows = [normal_row(*pair) for pair in zip(matrix.tolist(), offsets, strict=True)]
        own, negated = distinct_rows([row for row, _ in rows])
        parts = [list(row[0]) for row in own]
        if shares:
            parts = self._shared(parts)
        planned = [self._groups(row) for row in parts]
        signs = self._signs(planned, [row[1] for row in own])
        found: dict[NormalRow, Entity | None] = {}
        for row, groups in zip(own, planned, strict=True):
            found[row] = self._tree(self._entities(groups, row[1], signs))
        for row in negated:
            entity = found[negated_row(row)]
            assert entity is not None
            found[row] = entity[0], -entity[1]
        outputs = [(found[row], shift) for row, shift in rows]
        return self._kept([None if e is None else Term(e[0], e[1] << s) for e, s in outputs])

    def bits(self, node: int) -> int:
        """Bits of a node."""
        return width_bits(self.spans[node])

    # ------------------------------------------------------------------------------ rows

    def _shared(self, rows: list[list[Entity]]) -> list[list[Entity]]:
        """The same rows with common pairs of digits as nodes of their own."""
        digit_rows: list[Row] = [
            {(node, shift): sign * (1 if w > 0 else -1) for node, w in row
             for shift, sign in signed_digits(abs(w))}
            for row in rows
        ]  # fmt: skip
        depth = max((least_depth([0] * len(row)) for row in digit_rows), default=0)
        sharing = PairSharing(digit_rows, list(self.spans), list(self.levels), depth)
        sharing.run()
        first = len(self.inputs)
        names = list(range(first))
        for pair in sharing.pairs:
            terms = [(names[node], factor) for node, factor in (pair.first, pair.second)]
            names.append(self.add(terms))
        found: list[list[Entity]] = []
        for row in digit_rows:
            factors: dict[int, list[int]] = {}
            for (node, shift), sign in row.items():
                factors.setdefault(names[node], []).append(sign << shift)
            parts: list[Entity] = []
            for node, several in sorted(factors.items()):
                if self.bits(node) <= TABLE_BITS:
                    parts.append((node, sum(several)))
                else:
                    parts += [(node, factor) for factor in sorted(several)]
            found.append(parts)
        return found

    def _groups(self, row: list[Entity]) -> list[Group]:
        """Inputs that fit tables packed into them; anything else alone, in signed digits."""
        first = len(self.inputs)
        narrow = [part for part in row if part[0] < first and self.bits(part[0]) <= TABLE_BITS]
        groups = self.pack(narrow, self.bits)
        for node, factor in row:
            if node < first and self.bits(node) <= TABLE_BITS:
                continue
            if self.bits(node) <= TABLE_BITS:
                groups.append(((node, factor),))
                continue
            sign = 1 if factor > 0 else -1
            groups += [((node, sign * s << shift),) for shift, s in signed_digits(abs(factor))]
        return groups

    # ------------------------------------------------------------------------------ tables

    def _normal(self, group: Group) -> tuple[Group, int]:
        """(the group without its common power of two and with a first factor > 0, the factor)."""
        common = 0
        for _, factor in group:
            common |= factor
        scale = (common & -common) * (1 if group[0][1] > 0 else -1)
        return tuple((node, factor // scale) for node, factor in group), scale

    def _signs(self, planned: list[list[Group]], offsets: Sequence[int]) -> dict[Group, int]:
        """The sign with which most rows use each table; the first of a row with an offset is its
        own."""
        votes: dict[Group, int] = {}
        for groups, offset in zip(planned, offsets, strict=True):
            for group in groups[1:] if offset else groups:
                key, scale = self._normal(group)
                votes[key] = votes.get(key, 0) + (1 if scale > 0 else -1)
        return {key: 1 if vote >= 0 else -1 for key, vote in votes.items()}

    def _entities(self, groups: list[Group], offset: int, signs: dict[Group, int]) -> list[Entity]:
        """Nodes whose sum is that of the groups and the offset, at least one factor > 0."""
        found: list[Entity] = []
        for index, group in enumerate(groups):
            if index == 0 and offset:
                found.append((self.add(group, offset), 1))
                continue
            key, scale = self._normal(group)
            sign = signs.get(key, 1)
            alone = len(group) == 1 and key[0][1] == 1
            node = key[0][0] if alone else self.add([(n, f * sign) for n, f in key])
            found.append((node, scale if alone else scale * sign))
        if not groups and offset:
            found.append((self.add((), offset), 1))
        if found and all(factor < 0 for _, factor in found):
            place = min(range(len(found)), key=lambda k: (self.levels[found[k][0]], k))
            node, factor = found[place]
            found[place] = (self.add([(node, -1)]), -factor)
        return found

    # ------------------------------------------------------------------------------ trees

    def _tree(self, parts: list[Entity]) -> Entity | None:
        """The flattest tree over the parts: always the two lowest, of these the least shifted."""
        heap = [self._place(part) for part in parts]
        heapq.heapify(heap)
        while len(heap) > 1:
            *_, node_a, factor_a = heapq.heappop(heap)
            *_, node_b, factor_b = heapq.heappop(heap)
            scale = min(abs(factor_a), abs(factor_b)) * (-1 if max(factor_a, factor_b) < 0 else 1)
            node = self.add([(node_a, factor_a // scale), (node_b, factor_b // scale)])
            heapq.heappush(heap, self._place((node, scale)))
        return heap[0][-2:] if heap else None

    def _place(self, part: Entity) -> tuple[int, int, int, int, int]:
        node, factor = part
        return self.levels[node], abs(factor), self.bits(node), node, factor

    def add(self, parts: Sequence[Entity], offset: int = 0) -> int:
        """The node of a sum, an old one where it is there already."""
        form: dict[int, int] = {}
        constant = offset
        terms = tuple(Term(node, factor) for node, factor in sorted(parts))
        if (
            len({term.node for term in terms}) < len(terms)
            and self.bits(terms[0].node) <= TABLE_BITS
        ):
            terms = (Term(terms[0].node, sum(term.factor for term in terms)),)
        found = self.keys.get((terms, offset))
        if found is not None:
            return found
        for term in terms:
            constant += term.factor * self.constants[term.node]
            for k, factor in self.forms[term.node].items():
                form[k] = form.get(k, 0) + factor * term.factor
        span = Range(constant, constant)
        for k, factor in form.items():
            span = span + self.inputs[k].times(factor)
        level = max((self.levels[term.node] for term in terms), default=0)
        bits = sum(self.bits(term.node) for term in terms)
        wires = bits <= 1
        item = Sum(terms, offset, span, level + (not wires), bits <= TABLE_BITS, wires)
        self.sums.append(item)
        self.spans.append(span)
        self.levels.append(item.level)
        self.forms.append(form)
        self.constants.append(constant)
        self.keys[terms, offset] = len(self.spans) - 1
        return len(self.spans) - 1

    def _kept(self, outputs: list[Term | None]) -> AdderGraph:
        """The graph without the nodes that no output needs; no output has a negative factor."""
        outputs = [
            Term(self.add([(o.node, -1)]), -o.factor) if o and o.factor < 0 else o for o in outputs
        ]
        first = len(self.inputs)
        needed = {o.node for o in outputs if o}
        for index in reversed(range(len(self.sums))):
            if first + index in needed:
                needed.update(term.node for term in self.sums[index].terms)
        names = {k: k for k in range(first)}
        sums: list[Sum] = []
        for index, item in enumerate(self.sums):
            if first + index not in needed:
                continue
            names[first + index] = first + len(sums)
            terms = tuple(Term(names[term.node], term.factor) for term in item.terms)
            sums.append(
                Sum(terms, item.offset, item.range, item.level, item.is_table, item.is_wires)
            )
        return AdderGraph(
            self.inputs,
            tuple(sums),
            tuple(None if o is None else Term(names[o.node], o.factor) for o in outputs),
        )
