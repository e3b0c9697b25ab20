"""What a matrix unit is made of: the same for the engines DENSE and EVENT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from ..ir import Conv2d, Linear
from ..ir.products import Digit, ProductForm, Products, field_bits
from .counts import Features


def matrix_features(
    found: Features,
    op: Linear | Conv2d,
    products: Products,
    sums: int,
    steps: int,
    width: int,
    rom_words: int,
) -> None:
    """Slices, operands, products, adder trees, accumulators; the memories apart.

    `sums` pixels x steps are formed at once for each output lane, of `steps` that a slice has for
    each pixel; `width` bits of the currents. `rom_words` 1: the weights are constants.
    """
    pixels = sums * products.chunks // steps
    outs, lanes = products.out_lanes, products.in_lanes
    held = pixels * lanes * steps * products.element_bits * products.planes
    operand = sums * lanes * products.element_bits
    found.ffs += held + operand
    if products.slice_cycles > 1:
        found.add("loaded_bits", held * (1 - 1 / products.slice_cycles))
    if rom_words > 1:
        found.ffs += outs * lanes * products.weight_bits
    found.dsps += products.dsps * sums
    digits = products.digits
    if rom_words == 1 and digits and not products.dsps:
        of_products, adders, registers = constant_bits(op, products, width)
        found.add("constant_adder_bits", sums * of_products)
        found.add("tree_bits", sums * adders)
        found.ffs += sums * registers
    else:
        _products_and_trees(found, products, sums, width)
    if any(3 in digit.multiples for digit in digits):
        found.add("tree_bits", operand + 2 * sums * lanes)
        found.ffs += operand + 2 * sums * lanes
    if products.has_shared:
        for in_dsps in products.classes:
            pairs = list(_shared_leaves(products, in_dsps))  # none where nothing is left over
            adders, registers = tree_bits(
                [bits for bits, _ in pairs], width, [low for _, low in pairs]
            )
            found.add("tree_bits", sums * adders)
            found.ffs += sums * registers
        found.add("tree_bits", sums * outs * width)
        found.ffs += sums * outs * width
    if products.planes > 1:
        found.add("placed_bits", sums * outs * width * (products.planes - 1))
        found.ffs += sums * outs * width
    found.add("accumulator_bits", sums * outs * width)
    found.ffs += pixels * steps * outs * width


def _products_and_trees(found: Features, products: Products, sums: int, width: int) -> None:
    """Of weights from a memory: all are taken for what the largest needs."""
    for in_dsps in products.classes:
        of_class = sums * products.outs_of(in_dsps)
        pairs = list(_leaves(products, in_dsps))
        adders, registers = tree_bits([b for b, _ in pairs], width, [low for _, low in pairs])
        found.add("tree_bits", of_class * adders)
        found.ffs += of_class * registers
    in_luts = products.out_lanes * products.in_lanes - products.dsps * products.each
    in_luts *= sums
    if products.form is ProductForm.GATES:
        found.add("gate_bits", in_luts * products.weight_bits)
    for digit in products.digits:
        found.add(_digit_kind(digit), in_luts * digit.bits(products.element_bits))
    for high in products.digits[1::2]:
        found.add("digit_adder_bits", in_luts * (high.bits(products.element_bits) + 1))


def tree_bits(leaves: list[int], most: int, lows: list[int] | None = None) -> tuple[int, int]:
    """(adder bits, register bits) of a tree that adds numbers of these widths, in order.

    A register behind the leaves and behind every level; no number is wider than `most` bits. A
    number of 0 bits is nothing to add. Below bit `lows` a number is zero: what lies there of the
    other one needs no adder.
    """
    return _tree(tuple(leaves), tuple(lows or [0] * len(leaves)), most)


@lru_cache(maxsize=16384)
def _tree(leaves: Sequence[int], lows: Sequence[int], most: int) -> tuple[int, int]:
    """As `tree_bits`, remembered: few trees are different."""
    adders, registers = 0, _registers(leaves, lows, most)
    while len(leaves) > 1:
        sums, places = [], []
        for at in range(0, len(leaves), 2):
            pair, low = leaves[at : at + 2], lows[at : at + 2]
            if len(pair) == 2 and min(pair):
                sums.append(min(most, max(pair) + 1))
                places.append(min(low))
                adders += max(0, sums[-1] - max(low))
            else:
                sums.append(min(most, max(pair)))
                places.append(low[pair.index(max(pair))])
        leaves, lows = sums, places
        registers += _registers(leaves, lows, most)
    return adders, registers


def _registers(leaves: Sequence[int], lows: Sequence[int], most: int) -> int:
    return sum(max(0, min(bits, most) - low) for bits, low in zip(leaves, lows, strict=True))


@lru_cache(maxsize=4096)
def constant_bits(op: Linear | Conv2d, products: Products, width: int) -> tuple[int, int, int]:
    """(adder bits of products, of trees, register bits) of all outputs where weights are constants.

    A digit of a constant is the element, shifted or its complement, and takes no LUT; one that is
    zero is no operand.
    """
    of_products = of_trees = registers = 0
    for row in op.weight.reshape(products.out_lanes, products.in_lanes).tolist():
        leaves, lows = [], []
        for weight in row:
            sizes = _digit_sizes(products, weight)
            for at in range(0, len(sizes), 2):
                pair = sizes[at : at + 2]
                leaves.append(max(pair))
                lows.append(products.digits[at if pair[0] else at + len(pair) - 1].shift)
                if len(pair) == 2 and min(pair):
                    high = products.digits[at + 1]
                    of_products += high.bits(products.element_bits) + 1
                    leaves[-1] += 1
        adders, of_row = tree_bits(leaves, width, lows)
        of_trees, registers = of_trees + adders, registers + of_row
    return of_products, of_trees, registers


def _digit_sizes(products: Products, weight: int) -> list[int]:
    """Bits of each digit of a constant weight, its shift with it; 0 of a digit that is zero."""
    stored = (weight + 1) // 2 if products.is_binary else weight + products.dsp_extra
    codes = [(stored >> digit.low) & (len(digit.multiples) - 1) for digit in products.digits]
    return [
        digit.shift + digit.bits(products.element_bits) if digit.multiples[code] else 0
        for digit, code in zip(products.digits, codes, strict=True)
    ]


def _leaves(products: Products, in_dsps: int) -> Iterator[tuple[int, int]]:
    """(bits, zeros below) of what the tree of an output lane adds."""
    for lane in range(products.in_lanes):
        if lane < in_dsps:
            yield field_bits(products.weight_bits, products.element_bits), 0
        elif products.form is ProductForm.GATES:
            yield products.weight_bits + products.is_binary, 0
        else:
            for at in range(0, len(products.digits), 2):
                first, top = products.digits[at], products.digits[at : at + 2][-1]
                carry = at + 1 < len(products.digits)
                yield top.shift + top.bits(products.element_bits) + carry, first.shift


def _shared_leaves(products: Products, in_dsps: int) -> Iterator[tuple[int, int]]:
    """(bits, zeros below) of what is added up to be subtracted from all outputs."""
    for lane in range(products.in_lanes):
        factor = abs(products.dsp_extra if lane < in_dsps else products.extra)
        for shift in range(factor.bit_length()):
            if factor >> shift & 1:
                yield products.element_bits + shift, shift


def _digit_kind(digit: Digit) -> str:
    """A bit of it in one LUT of four inputs, in two, or a gate."""
    if 3 in digit.multiples:
        return "triple_digit_bits"
    return "gate_bits" if min(digit.multiples) >= 0 and len(digit.multiples) == 2 else "digit_bits"
