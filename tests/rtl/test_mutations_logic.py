# amaranth: UnusedElaboratable=no
"""Text mutations of the LOGIC engine: every one must be noticed."""

from __future__ import annotations

import pytest
from amaranth.hdl import UnusedElaboratable

from .logic_cases import check_logic, vectors
from .mutations import Mutation, label, survives

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{UnusedElaboratable.__module__}.UnusedElaboratable"
)

UNIT = [
    # the pipeline
    ("moves.eq(~self.o.valid | self.o.ready)", "moves.eq(1)"),
    ("moves.eq(~self.o.valid | self.o.ready)", "moves.eq(~self.o.valid)"),
    ("m.d.comb += self.i.ready.eq(moves)", "m.d.comb += self.i.ready.eq(1)"),
    ('self.o.payload.last.eq(marks["last"])]', "self.o.payload.last.eq(1)]"),
    ("kept_valid.eq(valid)", "kept_valid.eq(1)"),
    (
        "with m.If(moves):\n                m.d.sync += kept_valid",
        "with m.If(1):\n                m.d.sync += kept_valid",
    ),
    ("plan.stage_of(node) <= stage < last", "plan.stage_of(node) == stage < last"),
    # the word in chunks
    ("self.i.ready.eq(moves & (~busy | last_chunk))", "self.i.ready.eq(moves & ~busy)"),
    ("self.i.ready.eq(moves & (~busy | last_chunk))", "self.i.ready.eq(moves)"),
    ("held.eq(held >> width)", "held.eq(held)"),
    ("busy.eq(~last_chunk)", "busy.eq(~last_bits)"),
    ("Mux(last_bits, 0, bits + 1)", "Mux(last_chunk, 0, bits + 1)"),
    ("Mux(steps == plan.step_chunks - 1, 0, steps + 1)", "steps"),
    ("with m.If(last_bits):", "with m.If(1):"),
    ("is_signed = word.signed and plan.bit_chunks == 1", "is_signed = word.signed"),
    ("is_signed = word.signed and plan.bit_chunks == 1", "is_signed = False"),
    ("([last_bits] if plan.bit_chunks > 1 else [])", "([1] if plan.bit_chunks > 1 else [])"),
    ("self.word.bits - (bits + 1) * plan.bit_lanes", "bits * plan.bit_lanes"),
    ("range(steps * plan.step_lanes, (steps + 1) * plan.step_lanes)", "range(plan.step_lanes)"),
    ("if plan.flips_sign:", "if False:"),
    # sums
    ("added(high * factor, low, True,", "added(high * factor, low, False,"),
    ("added(low >> shift, high, factor < 0, bits)", "added(low >> shift, high, False, bits)"),
    ("Cat(_extended(low, shift), added", "Cat(low[:shift], added"),
    ("* terms[0][1] + item.offset", "* terms[0][1]"),
    ("y = ~y if subtracts else y", "y = y"),
    ("carry = Const(int(subtracts), 1)", "carry = Const(0, 1)"),
    ("(x & y) | ((x ^ y) & carry)", "(x & y) | (x & carry)"),
    ("return first ^ other", "return ~(first ^ other)"),
    ("return ~first & table_value(rest, low)", "return first & table_value(rest, low)"),
    ("Mux(first, table_value(rest, high), table_value(rest, low))", "table_value(rest, high)"),
    ("sign = value[-1] if value.shape().signed else Const(0, 1)", "sign = Const(0, 1)"),
    # accumulators
    ('self.o.valid.eq(valid & marks["done"])', "self.o.valid.eq(valid)"),
    ('Mux(marks["first"], 0, entries', "Mux(0, 0, entries"),
    ("entries[-1][s] << plan.bit_lanes", "entries[-1][s] << 1"),
    ("entries[c][s].eq(entries[c + 1][s])", "entries[c][s].eq(entries[-1][s] + 1)"),
]


def logic() -> None:
    """Vectors of all kinds; what slides over images has mutations of its own."""
    check_logic(vectors())


@pytest.mark.parametrize("check", [logic], ids=label)
def test_checks_hold_for_the_code_as_it_is(check):
    check()


@pytest.mark.parametrize("mutation", [Mutation("logic_unit", *texts) for texts in UNIT], ids=label)
def test_mutations_are_killed(mutation):
    assert not survives(mutation, [logic])
