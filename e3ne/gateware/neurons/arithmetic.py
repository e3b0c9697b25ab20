"""Arithmetic on Amaranth values; every result is exact, so widths follow from the operands."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Mux, Shape, Value, signed, unsigned

from ...ir.ranges import Range
from ...ir.shared_terms import signed_digits


def shape_of(values: Range) -> Shape:
    """The narrowest shape that holds a range: unsigned where nothing is negative."""
    if values.low < 0:
        return signed(values.signed_bits)
    return unsigned(max(1, values.high.bit_length()))


def range_of(shape: Shape) -> Range:
    """All integers of a shape."""
    if shape.signed:
        return Range(-(1 << (shape.width - 1)), (1 << (shape.width - 1)) - 1)
    return Range(0, (1 << shape.width) - 1)


def membrane_span(width_bits: int) -> Range:
    """All integers of a membrane: two's complement of `width_bits`."""
    return Range(-(1 << (width_bits - 1)), (1 << (width_bits - 1)) - 1)


def rounded_sum(product: Value, shift: int, addend: Value | int = 0) -> Value:
    """((product + half) >> shift) + addend, half = 2**(shift - 1), in one carry chain.

    With a = product >> (shift - 1), the rounded product is (a + 1) >> 1, because the dropped bits
    never carry into a + 1; and ((a + 1) >> 1) + b = (a + 1 + 2 b) >> 1.
    """
    if shift == 0:
        return product + addend
    doubled = 2 * addend if isinstance(addend, int) else addend.shift_left(1)
    return (product.shift_right(shift - 1) + doubled + 1).shift_right(1)


def times(value: Value, factor: Value) -> Value:
    """value * factor, as long as that; by a constant the fewest shifted values added or subtracted.

    From a constant's product Yosys makes a tree of a row for each 1 in it: for 15/16 of a membrane
    four times the LUTs of its one subtraction.
    """
    product = value * factor
    if not isinstance(factor, Const) or factor.value <= 0:
        return product
    digits = sorted(signed_digits(factor.value))
    total = _digit_sum(value, digits).shift_left(digits[0][0])
    shape = product.shape()
    sign = total[-1] if total.shape().signed else Const(0, 1)
    found = Cat(total, sign.replicate(max(0, shape.width - len(total))))[: shape.width]
    return found.as_signed() if shape.signed else found


def _digit_sum(value: Value, digits: Sequence[tuple[int, int]]) -> Value:
    """value * sum of sign * 2**(shift - first shift), ascending shifts: a balanced tree of adders.

    The highest digit is positive, and so is that of each half: a half that is not is negated and
    subtracted.
    """
    if len(digits) == 1:
        return value
    middle = len(digits) // 2
    low, high = digits[:middle], digits[middle:]
    sign = low[-1][1]
    upper = _digit_sum(value, high).shift_left(high[0][0] - low[0][0])
    lower = _digit_sum(value, [(shift, sign * other) for shift, other in low])
    return upper + lower if sign > 0 else upper - lower


def clamp(value: Value, low: int, high: int) -> Value:
    """min(max(value, low), high) in the shape of low .. high.

    low <= 0, and high is one below a power of two, so that only the upper bits decide; so they do
    for a low of 0 or minus a power of two. Bounds that `value` cannot pass cost nothing.
    """
    reach = range_of(value.shape())
    result = value
    if reach.high > high:
        result = Mux(_above(value, high), Const(high), result)
    if reach.low < low:
        result = Mux(_below(value, low), Const(low, signed(Range(low, 0).signed_bits)), result)
    shape = shape_of(Range(max(low, reach.low), min(high, reach.high)))
    return result[: shape.width].as_signed() if shape.signed else result[: shape.width]


def _above(value: Value, high: int) -> Value:
    over = value[high.bit_length() : len(value) - value.shape().signed].any()
    return over & ~value[-1] if value.shape().signed else over


def _below(value: Value, low: int) -> Value:
    if low == 0:
        return value[-1]
    if -low & (-low - 1):
        return value < low
    return value[-1] & ~value[(-low).bit_length() - 1 : -1].all()


def choose_last(conditions: Sequence[Value], values: Sequence[Value], otherwise: Value) -> Value:
    """The value of the last true condition, or `otherwise`."""
    for condition, value in zip(conditions, values, strict=True):
        otherwise = Mux(condition, value, otherwise)
    return otherwise
