"""The next of several flags: which it is, whether there are more, and what belongs to it."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Mux, Value


def lowest(flags: Value):
    """`flags` with nothing but its lowest one."""
    return flags & (~flags + 1)[: len(flags)]


def several(flags: Value):
    """Whether two flags or more are up: a tree, which is shorter than a sum or a carry."""
    return _counted(flags)[1]


def many(flags: Value):
    """Whether three flags or more are up."""
    return _counted(flags)[2]


def _counted(flags: Value):
    """Whether one, two, three flags or more are up."""
    none = Const(0, 1)
    level = [(flag, none, none) for flag in flags]
    while len(level) > 1:
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [_both(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0]


def _both(left, right):
    one, two, three = zip(left, right, strict=True)
    return (
        one[0] | one[1],
        two[0] | two[1] | (one[0] & one[1]),
        three[0] | three[1] | (two[0] & one[1]) | (one[0] & two[1]),
    )


def selected_by(one_hot: Value, values: Sequence):
    """The value whose flag of `one_hot` is up; 0 where none is. A single value as it is."""
    if len(values) == 1:
        return values[0]
    terms = [Mux(flag, value, 0) for flag, value in zip(one_hot, values, strict=True)]
    while len(terms) > 1:
        pairs = [terms[at : at + 2] for at in range(0, len(terms), 2)]
        terms = [pair[0] | pair[1] if len(pair) == 2 else pair[0] for pair in pairs]
    return terms[0]


def encoded_by(one_hot: Value, numbers: Sequence[int]):
    """The constant whose flag of `one_hot` is up; 0 where none is."""
    width = max(numbers).bit_length()
    bits = []
    for bit in range(width):
        chosen = [one_hot[k] for k, number in enumerate(numbers) if number >> bit & 1]
        bits.append(Cat(chosen).any())
    return Cat(bits) if bits else Const(0, 0)
