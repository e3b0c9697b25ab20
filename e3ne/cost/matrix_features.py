"""What a matrix unit is made of: the same for the engines DENSE and EVENT."""

from __future__ import annotations

from collections.abc import Iterator

from ..ir.products import Digit, ProductForm, Products, field_bits
from .counts import Features


def matrix_features(
    found: Features, products: Products, sums: int, steps: int, width: int, rom_words: int
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
        found.add("loaded_bits", held)
    if rom_words > 1:
        found.ffs += outs * lanes * products.weight_bits
    kind = "constant_" if rom_words == 1 else ""
    for in_dsps in products.classes:
        of_class = sums * products.outs_of(in_dsps)
        adders, registers = tree_bits(list(_leaves(products, in_dsps)), width)
        found.add("tree_bits", of_class * adders)
        found.ffs += of_class * registers
    found.dsps += products.dsps * sums
    in_luts = (outs * lanes - products.dsps * products.each) * sums
    if products.form is ProductForm.GATES:
        found.add(f"{kind}gate_bits", in_luts * products.weight_bits)
    digits = products.digits
    for digit in digits:
        found.add(f"{kind}{_digit_kind(digit)}", in_luts * digit.bits(products.element_bits))
    for high in digits[1::2]:
        found.add(f"{kind}digit_adder_bits", in_luts * (high.bits(products.element_bits) + 1))
    if any(3 in digit.multiples for digit in digits):
        found.add("tree_bits", operand + 2 * sums * lanes)
        found.ffs += operand + 2 * sums * lanes
    if products.has_shared:
        for in_dsps in products.classes:
            adders, registers = tree_bits(list(_shared_leaves(products, in_dsps)), width)
            found.add("tree_bits", sums * adders)
            found.ffs += sums * registers
        found.add("tree_bits", sums * outs * width)
        found.ffs += sums * outs * width
    if products.planes > 1:
        found.add("placed_bits", sums * outs * width * (products.planes - 1))
        found.ffs += sums * outs * width
    found.add("accumulator_bits", sums * outs * width)
    found.ffs += pixels * steps * outs * width


def tree_bits(leaves: list[int], most: int) -> tuple[int, int]:
    """(adder bits, register bits) of a tree that adds numbers of these widths, in order.

    A register behind the leaves and behind every level; no number is wider than `most` bits.
    """
    adders, registers = 0, sum(min(bits, most) for bits in leaves)
    while len(leaves) > 1:
        pairs = [leaves[at : at + 2] for at in range(0, len(leaves), 2)]
        leaves = [min(most, max(pair) + len(pair) - 1) for pair in pairs]
        adders += sum(bits for bits, pair in zip(leaves, pairs, strict=True) if len(pair) == 2)
        registers += sum(leaves)
    return adders, registers


def _leaves(products: Products, in_dsps: int) -> Iterator[int]:
    """Bits of what the tree of an output lane adds."""
    for lane in range(products.in_lanes):
        if lane < in_dsps:
            yield field_bits(products.weight_bits, products.element_bits)
        elif products.form is ProductForm.GATES:
            yield products.weight_bits + products.is_binary
        else:
            for at in range(0, len(products.digits), 2):
                top = products.digits[at : at + 2][-1]
                yield top.shift + top.bits(products.element_bits) + (at + 1 < len(products.digits))


def _shared_leaves(products: Products, in_dsps: int) -> Iterator[int]:
    """Bits of what is added up to be subtracted from all outputs."""
    for lane in range(products.in_lanes):
        factor = abs(products.dsp_extra if lane < in_dsps else products.extra)
        for shift in range(factor.bit_length()):
            if factor >> shift & 1:
                yield products.element_bits + shift


def _digit_kind(digit: Digit) -> str:
    """A bit of it in one LUT of four inputs, in two, or a gate."""
    if 3 in digit.multiples:
        return "triple_digit_bits"
    return "gate_bits" if min(digit.multiples) >= 0 and len(digit.multiples) == 2 else "digit_bits"
