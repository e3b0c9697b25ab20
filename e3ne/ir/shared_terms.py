"""Common sums of two terms among the rows of a constant matrix, taken out greedily.

Subexpression sharing on canonical signed digits as in Hartley, "Subexpression sharing in filters
using canonic signed digit multipliers" (1996), with a bound on the depth of the rows' trees.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .ranges import Range

Digit = tuple[int, int]
"""(node, shift): 2**shift times a node; its sign stands beside it."""
Row = dict[Digit, int]
"""The digits of one output with their signs, +1 or -1."""
Pair = tuple[int, int, int, int]
"""(node a, node b, how much further b is shifted than a, sign of a times sign of b)."""


def signed_digits(number: int) -> list[tuple[int, int]]:
    """(shift, sign) of the canonical signed digits of an integer: no two neighbours, the fewest."""
    found, shift = [], 0
    while number:
        if number & 1:
            sign = 2 - (number & 3)  # +1 before a 0, -1 before a 1
            found.append((shift, sign))
            number -= sign
        number >>= 1
        shift += 1
    return found


@dataclass
class SharedPair:
    """A new node: first + second, each (node, factor +-2**shift); the smaller factor is 1 or -1."""

    first: tuple[int, int]
    second: tuple[int, int]


def least_depth(levels: Sequence[int]) -> int:
    """Levels of the flattest tree of two-input adders over terms that stand on `levels`."""
    return max(0, sum(1 << level for level in levels) - 1).bit_length()


class PairSharing:
    """Takes pairs out of `rows` (changed in place) until none saves an adder.

    `spans` and `levels` hold the range and the level of each node; new nodes are appended, and to
    `pairs`. The flattest tree of no row becomes deeper than `depth`.
    """

    def __init__(self, rows: list[Row], spans: list[Range], levels: list[int], depth: int) -> None:
        self.rows, self.spans, self.levels, self.most = rows, spans, levels, 1 << depth
        self.pairs: list[SharedPair] = []
        self.weights = [sum(1 << levels[node] for node, _ in row) for row in rows]
        self.counts: dict[Pair, int] = {}
        self.shapes: dict[Pair, tuple[int, int]] = {}  # (level, bits) of the node of a pair
        self.heap: list[tuple[tuple[int, int, int], Pair]] = []  # least first
        self.rows_of: list[set[int]] = [set() for _ in spans]  # rows that may have a node
        touched: set[Pair] = set()
        for place, row in enumerate(rows):
            digits = sorted(row)
            for index, digit in enumerate(digits):
                self.rows_of[digit[0]].add(place)
                self._count(row, digit, digits[index + 1 :], 1, touched)
        self._push(touched)

    def run(self) -> None:
        """All pairs, the most frequent first; of these the lowest, then the narrowest."""
        while self.heap:
            place, pair = heapq.heappop(self.heap)
            count = self.counts.get(pair, 0)
            if count < 2:
                continue
            if self._place(pair, count) != place:
                heapq.heappush(self.heap, (self._place(pair, count), pair))
                continue
            places = [
                (index, self._places(self.rows[index], pair, self.weights[index]))
                for index in sorted(self.rows_of[pair[0]] & self.rows_of[pair[1]])
            ]
            if sum(len(found) for _, found in places) < 2:
                del self.counts[pair]
                continue
            self._take_out(pair, [(index, found) for index, found in places if found])

    def _place(self, pair: Pair, count: int) -> tuple[int, int, int]:
        shape = self.shapes.get(pair)
        if shape is None:
            shape = self.shapes[pair] = self._level(pair), self._span(pair).signed_bits
        return -count, *shape

    def _factors(self, pair: Pair) -> tuple[int, int]:
        _, _, further, sign = pair
        return (1, sign << further) if further >= 0 else (1 << -further, sign)

    def _span(self, pair: Pair) -> Range:
        first, second = self._factors(pair)
        return self.spans[pair[0]].times(first) + self.spans[pair[1]].times(second)

    def _key(self, row: Row, one: Digit, other: Digit) -> Pair:
        a, b = (one, other) if one < other else (other, one)
        return a[0], b[0], b[1] - a[1], row[a] * row[b]

    def _count(
        self, row: Row, digit: Digit, others: Iterable[Digit], change: int, touched: set[Pair]
    ) -> None:
        for other in others:
            if other != digit:
                pair = self._key(row, digit, other)
                self.counts[pair] = self.counts.get(pair, 0) + change
                if change > 0:
                    touched.add(pair)

    def _push(self, touched: set[Pair]) -> None:
        """Pairs whose count has grown; the heap's order does not depend on theirs."""
        for pair in touched:
            count = self.counts[pair]
            if count > 1:
                heapq.heappush(self.heap, (self._place(pair, count), pair))

    def _level(self, pair: Pair) -> int:
        return 1 + max(self.levels[pair[0]], self.levels[pair[1]])

    def _places(self, row: Row, pair: Pair, weight: int) -> list[tuple[Digit, Digit]]:
        """Where the pair stands in a row, no digit twice, as often as the depth allows."""
        a, b, further, sign = pair
        deeper = (1 << self._level(pair)) - (1 << self.levels[a]) - (1 << self.levels[b])
        found: list[tuple[Digit, Digit]] = []
        used: set[Digit] = set()
        for digit in sorted(digit for digit in row if digit[0] == a):
            other = (b, digit[1] + further)
            if digit == other or other not in row or row[digit] * row[other] != sign:
                continue
            if used & {digit, other}:
                continue
            weight += deeper
            if weight > self.most:
                break
            used |= {digit, other}
            found.append((digit, other))
        return found

    def _take_out(self, pair: Pair, places: list[tuple[int, list[tuple[Digit, Digit]]]]) -> None:
        node = len(self.spans)
        first, second = self._factors(pair)
        self.pairs.append(SharedPair((pair[0], first), (pair[1], second)))
        self.spans.append(self._span(pair))
        self.levels.append(self._level(pair))
        self.rows_of.append({index for index, _ in places})
        touched: set[Pair] = set()
        for index, found in places:
            row = self.rows[index]
            for digit, other in found:
                sign, shift = row[digit], min(digit[1], other[1])
                for gone in (digit, other):
                    self._count(row, gone, row, -1, touched)
                    self.weights[index] -= 1 << self.levels[gone[0]]
                    del row[gone]
                row[node, shift] = sign
                self._count(row, (node, shift), row, 1, touched)
                self.weights[index] += 1 << self.levels[node]
        self._push(touched)
