"""Widths and arithmetic of the neuron units, at every value of small ranges."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.hdl import Const, Module, Shape, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e3ne.gateware.neurons.arithmetic import (
    clamp,
    range_of,
    rounded_sum,
    shape_of,
    times,
)
from e3ne.gateware.neurons.drive import drive_range
from e3ne.gateware.neurons.integrate import leak_range
from e3ne.gateware.neurons.integrate_fire import total_range
from e3ne.ir import ONE, Dyadic, IntegrateFire, frozen
from e3ne.ir.ranges import Range

from .bench import Sink, Source, simulate

QUIET = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
ranges = st.tuples(st.integers(-40, 40), st.integers(-40, 40)).map(lambda r: Range(min(r), max(r)))


@QUIET
@given(ranges, st.integers(-9, 9), st.integers(0, 4), st.integers(-20, 20))
def test_drive_range_is_reached_at_both_ends(currents, multiplier, shift, offset):
    half = (1 << shift) >> 1
    values = [
        ((i * multiplier + half) >> shift) + offset for i in range(currents.low, currents.high + 1)
    ]
    assert drive_range(Dyadic(multiplier, shift), offset, currents) == Range(
        min(values), max(values)
    )


@QUIET
@given(ranges, st.integers(0, 40), st.integers(0, 4), st.integers(2, 6))
def test_leak_range_is_reached_at_both_ends(drive, multiplier, shift, bits):
    half, end = (1 << shift) >> 1, 1 << (bits - 1)
    leaks = [(v * multiplier + half) >> shift for v in range(-end, end)]
    assert leak_range(Dyadic(multiplier, shift), drive, bits) == Range(
        min(leaks) + drive.low, max(leaks) + drive.high
    )


@pytest.mark.parametrize("reset_step", ["same", "next", "both"])
@pytest.mark.parametrize(
    ("reset", "low", "high"), [("subtract", -24, 11), ("to_value", -12, 13), ("none", -12, 11)]
)
def test_total_range_holds_every_reset(reset_step, reset, low, high):
    neuron = IntegrateFire(
        frozen([1, 6], np.int64), ONE, reset=reset, reset_step=reset_step, reset_value=9,
        max_spikes=2, membrane_bits=4,
    )  # fmt: skip
    expected = Range(-12, 11) if reset_step == "same" else Range(low, high)
    assert total_range(neuron, Range(-4, 4)) == expected


class Combinational(wiring.Component):
    """A function of one value as a pair of streams."""

    def __init__(self, shape: Shape, function) -> None:
        self.function = function
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(signed(20)))})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [self.o.valid.eq(self.i.valid), self.i.ready.eq(self.o.ready)]
        m.d.comb += self.o.payload.eq(self.function(self.i.payload))
        return m


def check_function(function, expected, bits: int, is_signed: bool = True) -> None:
    """`function` of Amaranth values equals `expected` of integers at every value of `bits` bits."""
    low = -(1 << bits >> 1) if is_signed else 0
    values = range(low, low + (1 << bits))
    design = Combinational(signed(bits) if is_signed else unsigned(bits), function)
    source = Source(design.i, [value & (1 << bits) - 1 for value in values])
    run = simulate(design, [source], [Sink(design.o, 1 << bits)])
    assert run.sinks[0].payloads == [expected(value) for value in values]


@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize("high", [0, 1, 7, 31, 63])
@pytest.mark.parametrize("low", [0, -1, -3, -8, -12, -32, -64])
def test_clamp_at_every_value(low, high, is_signed):
    check_function(lambda x: clamp(x, low, high), lambda x: min(max(x, low), high), 6, is_signed)


@pytest.mark.parametrize("shift", [0, 1, 2, 5, 9])
@pytest.mark.parametrize("addend", [0, 7, -7])
def test_rounded_sum_at_every_value(shift, addend):
    def expected(x: int) -> int:
        return ((x + ((1 << shift) >> 1)) >> shift) + addend

    check_function(lambda x: rounded_sum(x, shift, addend), expected, 7)
    check_function(lambda x: rounded_sum(x, shift, Const(addend, signed(5))), expected, 7)


@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize("factor", [-3, 0, 1, 2, 7, 11, 77, 230, 5461, 7509])
def test_times_at_every_value(factor, is_signed):
    check_function(lambda x: times(x, Const(factor)), lambda x: x * factor, 6, is_signed)
    x = Const(3, signed(6) if is_signed else 6)
    assert times(x, Const(factor)).shape() == (x * Const(factor)).shape()


@QUIET
@given(ranges)
def test_shapes_hold_their_ranges(values):
    reach = range_of(shape_of(values))
    assert reach.low <= values.low
    assert reach.high >= values.high
    narrower = shape_of(values).width - 1
    half = 1 << narrower >> 1
    fits_signed = -half <= values.low and values.high < half
    fits_unsigned = values.low >= 0 and values.high < 1 << narrower
    assert narrower == 0 or not (fits_signed if values.low < 0 else fits_unsigned)
