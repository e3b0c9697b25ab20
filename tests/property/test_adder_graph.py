"""Adder graphs equal the matrix product, in exact ranges, with few adders and a bounded depth."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e3ne.ir.adder_build import _Builder, _built, adder_graph, digits, luts
from e3ne.ir.adder_graph import TABLE_BITS, AdderGraph, Sum, width_bits
from e3ne.ir.logic_plan import LogicPlan
from e3ne.ir.network_sketch import network_sketch
from e3ne.ir.ranges import Range
from e3ne.ir.shared_terms import least_depth, signed_digits
from e3ne.ir.table_packing import in_turn

SPANS = [Range(0, 1), Range(0, 3), Range(0, 15), Range(-1, 0), Range(-8, 7), Range(-5, 90)]


@st.composite
def products(draw):
    """(matrix, ranges of the inputs, offsets); some rows repeat others times a power of two."""
    outputs, inputs = draw(st.integers(1, 6)), draw(st.integers(1, 24))
    most = draw(st.sampled_from([1, 1, 3, 7, 100]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    matrix = random.integers(-most, most + 1, (outputs, inputs))
    matrix[random.random(matrix.shape) < draw(st.sampled_from([0, 0.4, 0.8]))] = 0
    if draw(st.booleans()):
        matrix = np.concatenate([matrix, -matrix[::-1], 4 * matrix])
    offsets = np.zeros(len(matrix), np.int64)
    if draw(st.booleans()):
        offsets = random.integers(-60, 60, len(matrix))
    kinds = draw(st.sampled_from([SPANS[:1], SPANS[1:2], SPANS[2:3], SPANS]))
    return matrix, [kinds[k] for k in random.integers(0, len(kinds), inputs)], offsets


def outputs_of(graph: AdderGraph, x: np.ndarray) -> np.ndarray:
    values = graph.values(x)
    rows = [0 * x[:, 0] if o is None else values[o.node] * o.factor for o in graph.outputs]
    return np.stack(rows, axis=-1)


def frames(matrix, spans, seed=0):
    """Random inputs, and those at which each row is least and greatest."""
    low, high = (np.array([getattr(span, end) for span in spans]) for end in ("low", "high"))
    random = np.random.default_rng(seed).integers(low, high + 1, (30, len(spans)))
    return np.concatenate(
        [random, np.where(matrix > 0, low, high), np.where(matrix > 0, high, low)]
    )


def is_adder(item: Sum) -> bool:
    """One addition: two nodes of which one is not subtracted, or a node and a constant."""
    powers = all(abs(term.factor).bit_count() == 1 for term in item.terms)
    if len(item.terms) == 1:
        return powers
    positive = any(term.factor > 0 for term in item.terms)
    aligned = min(abs(term.factor) for term in item.terms) == 1
    return powers and positive and aligned and len(item.terms) == 2 and item.offset == 0


@settings(deadline=None)
@given(products())
def test_a_graph_is_the_matrix_product(case):
    matrix, spans, offsets = case
    graph = adder_graph(matrix, spans, offsets)
    x = frames(matrix, spans)
    np.testing.assert_array_equal(outputs_of(graph, x), x @ matrix.T + offsets)
    for index, item in enumerate(graph.sums):
        read = [graph.node_range(term.node) for term in item.terms]
        assert all(term.node < len(spans) + index for term in item.terms)
        assert item.is_table == (sum(map(width_bits, read)) <= TABLE_BITS)
        assert item.is_table or is_adder(item)


@settings(deadline=None)
@given(products())
def test_ranges_are_reached_and_never_left(case):
    matrix, spans, offsets = case
    graph = adder_graph(matrix, spans, offsets)
    x = frames(matrix, spans)
    for node, values in enumerate(graph.values(x)):
        assert graph.node_range(node).low <= values.min()
        assert graph.node_range(node).high >= values.max()
    for row, offset, output in zip(matrix, offsets, graph.outputs, strict=True):
        if output is None:
            assert not row.any()
            assert not offset
            continue
        ends = np.array([[span.low, span.high] for span in spans]) * row[:, None]
        span = graph.node_range(output.node).times(output.factor)
        assert span == Range(
            int(ends.min(axis=1).sum() + offset), int(ends.max(axis=1).sum() + offset)
        )


@settings(deadline=None)
@given(products())
def test_no_more_adders_and_hardly_more_levels_than_trees_of_digits(case):
    matrix, spans, offsets = case
    graph = adder_graph(matrix, spans, offsets)
    rows = digits(matrix) + (offsets != 0)
    positive = ((matrix > 0).any(axis=1) | (offsets != 0)) & (rows > 0)
    negated = (~positive & (rows > 0)).sum()
    logic = sum(not item.is_wires for item in graph.sums)
    # A row of which every digit is subtracted needs a negation. Wide nodes that share a table, or
    # a number of few bits times a constant, count once.
    assert logic <= (np.maximum(rows, 1) - 1).sum() + negated + (rows > 0).sum()
    assert graph.depth <= least_depth([0] * int(rows.max())) + 2


@given(st.integers(0, 10**6))
def test_signed_digits_are_the_fewest(number):
    found = signed_digits(number)
    assert sum(sign << shift for shift, sign in found) == number
    shifts = [shift for shift, _ in found]
    assert all(b - a > 1 for a, b in pairwise(shifts))
    assert digits(np.array([[number, -number]]))[0] == 2 * len(found)


def test_equal_arguments_give_equal_graphs():
    random = np.random.default_rng(4)
    matrix = random.integers(-7, 8, (12, 20))
    for span in SPANS[:3]:
        first = adder_graph(matrix, [span] * 20, range(12))
        _built.cache_clear()
        assert adder_graph(matrix, [span] * 20, range(12)) == first


@pytest.mark.parametrize("span", SPANS[:3])
def test_rows_that_differ_by_sign_and_shift_share_all_but_a_negation(span):
    row = np.random.default_rng(5).integers(-3, 4, (1, 16))
    alone = adder_graph(row, [span] * 16, [0])
    several = adder_graph(np.concatenate([row, -row, 4 * row, row]), [span] * 16, [0] * 4)
    assert len(several.sums) <= len(alone.sums) + 1


def test_four_bits_of_any_weights_are_one_level():
    graph = adder_graph(np.array([[3, -5, 1, 60]]), [SPANS[0]] * 4, [17])
    assert graph.depth == 1
    assert graph.gate_bits == graph.carry_bits == 0
    # 12 .. 21 where d is 0, else 72 .. 81: bit 6 is d, bit 5 is 0, bit 4 is bit 3 negated.
    assert graph.table_luts == 4


def test_a_matrix_of_zeros_and_single_bits_needs_no_logic():
    graph = adder_graph(np.array([[0, 0, 0], [0, 4, 0], [0, 0, -3]]), [SPANS[0]] * 3, [0, 0, 5])
    assert luts(graph) == 0
    assert graph.depth == 0
    assert graph.outputs[0] is None


def test_what_columns_have_in_common_is_added_once():
    """Eight outputs that all need x0 + x1 + x2 + x3, and each one more input."""
    matrix = np.concatenate([np.ones((8, 4), int), np.eye(8, dtype=int)], axis=1)
    graph = adder_graph(matrix, [SPANS[4]] * 12, [0] * 8)
    assert len(graph.sums) == 3 + 8


@pytest.mark.parametrize("span", [Range(0, 1), Range(0, 15), Range(-8, 7), Range(0, 255)])
@pytest.mark.parametrize("offset", [0, 9])
def test_a_sketch_counts_what_a_network_without_shared_pairs_takes(span, offset):
    random = np.random.default_rng(5)
    matrix = random.integers(-7, 8, (12, 48))
    offsets = random.integers(-offset, offset + 1, 12).tolist()
    built = _Builder([span] * 48, in_turn).build(matrix, offsets, False)
    found = network_sketch(matrix, [span] * 48, offsets)
    plan = LogicPlan(built, (), 1, 1, 1, 1, False)
    assert found.depth == built.depth
    assert found.register_bits(plan.stages) == pytest.approx(plan.register_bits, rel=0.05)
    for count in ("carry_bits", "carry_chains", "table_luts"):
        assert getattr(found, count) == pytest.approx(getattr(built, count), rel=0.05), count
