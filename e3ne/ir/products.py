"""How a matrix unit forms its products: what the hardware does and the cost model counts.

A weight w of n bits lies in its ROM as u = w + 2**(n - 1) >= 0 (of +-1 only: as (w + 1) / 2), and
is cut into digits of base 4. A digit picks a multiple of the element x by few bits of u, so that
one bit of it is a function of at most four bits. What is left over is the same for all weights, or
known when the network is built:

    sum of digits = (w + extra) * x + offset(w)

`extra` * x is subtracted once for all outputs. `offset` comes from negative multiples, which are
complements, -y = ~y - (2**bits - 1); summed over all weights of an output it goes into the bias,
which is right as long as no slice is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, lru_cache


class ProductForm(Enum):
    """What a product in LUTs is made of."""

    GATES = "gates"  # elements of one bit: the weight or nothing
    COMPLEMENT = "complement"  # digits with multiples -2 .. 2, offsets in the bias
    OFFSET = "offset"  # digits with multiples 0 .. 3, where slices may be left out


@dataclass(frozen=True)
class Digit:
    """multiples[code] * x * 2**shift, with the code in bits `low` .. of the stored weight."""

    low: int
    multiples: tuple[int, ...]
    shift: int

    @property
    def code_bits(self) -> int:
        """Bits of the stored weight that the digit reads."""
        return (len(self.multiples) - 1).bit_length()

    def bits(self, element_bits: int) -> int:
        """Bits of a multiple of an element, its shift apart."""
        return element_bits + (max(map(abs, self.multiples)) - 1).bit_length()

    def offset(self, code: int, element_bits: int) -> int:
        """What stands for the multiple minus the multiple: that of a complement."""
        if self.multiples[code] >= 0:
            return 0
        return ((1 << self.bits(element_bits)) - 1) << self.shift


_ABOVE_3 = tuple((u >> 2) - 1 + (u & 3 == 3) for u in range(8))


@lru_cache(maxsize=256)
def weight_digits(weight_bits: int, is_binary: bool, form: ProductForm) -> tuple[Digit, ...]:
    """The digits of a weight, lowest first; none for GATES."""
    n = weight_bits
    if form is ProductForm.GATES:
        return ()
    if form is ProductForm.OFFSET:
        if is_binary:
            return (Digit(0, (0, 2), 0),)
        return tuple(
            Digit(low, (0, 1, 2, 3) if low + 1 < n else (0, 1), low) for low in range(0, n, 2)
        )
    if n == 1:
        return (Digit(0, (-1, 1 if is_binary else 0), 0),)
    high: tuple[Digit, ...]
    if n % 2:
        top = n - 3
        # A code 3 stands for -1, and the bit above reads the code too to make good for it.
        high = (Digit(top, (0, 1, 2, -1), top), Digit(top, _ABOVE_3, top + 2))
    else:
        top = n - 2
        high = (Digit(top, (-2, -1, 0, 1), top),)
    return (*(Digit(low, (-1, 0, 1, 2), low) for low in range(0, top, 2)), *high)


@dataclass(frozen=True)
class Products:
    """The products and sums of one matrix unit.

    `element_bits` of an element are taken in a cycle, `planes` times for all of it; `chunks` times
    for all steps. Of the products of each pixel and step `dsps` multipliers form `products_per_dsp`
    each: those of the first elements. `is_addressed`: slices may be left out.
    """

    weight_bits: int
    is_binary: bool
    element_bits: int
    is_signed: bool
    in_lanes: int
    out_lanes: int
    planes: int = 1
    chunks: int = 1
    dsps: int = 0
    products_per_dsp: int = 1
    is_addressed: bool = False

    @property
    def is_flipped(self) -> bool:
        """Signed elements become x + 2**(bits - 1); the rest is in the bias."""
        return self.is_signed and not self.is_addressed

    @property
    def form(self) -> ProductForm:
        """Of the products in LUTs."""
        if self.element_bits == 1 and (not self.is_signed or self.is_flipped or self.planes > 1):
            return ProductForm.GATES
        return ProductForm.OFFSET if self.is_addressed else ProductForm.COMPLEMENT

    @cached_property
    def digits(self) -> tuple[Digit, ...]:
        """Of a weight."""
        return weight_digits(self.weight_bits, self.is_binary, self.form)

    @property
    def is_offset(self) -> bool:
        """Are weights stored as w + 2**(n - 1)?"""
        return bool(self.digits) and not self.is_binary

    @cached_property
    def extra(self) -> int:
        """Products in LUTs are those of w + extra."""
        lowest = -1 if self.is_binary else -(1 << (self.weight_bits - 1))
        if not self.digits:
            return 0
        return sum(digit.multiples[0] << digit.shift for digit in self.digits) - lowest

    @property
    def dsp_extra(self) -> int:
        """Products in multipliers are those of w + dsp_extra."""
        return 1 << (self.weight_bits - 1)

    def offset(self, stored: int) -> int:
        """What the digits of a stored weight add to its products, for one plane."""
        return sum(
            digit.offset((stored >> digit.low) & (len(digit.multiples) - 1), self.element_bits)
            for digit in self.digits
        )

    @property
    def each(self) -> int:
        """Products of one multiplier."""
        return self.products_per_dsp if self.dsps else 1

    @property
    def groups(self) -> int:
        """Groups of output lanes that share a multiplier."""
        return self.out_lanes // self.each

    def dsp_lanes(self, out: int) -> int:
        """How many source elements output lane `out` multiplies in multipliers: the first ones."""
        whole, rest = divmod(self.dsps, self.groups)
        return whole + (out // self.each < rest)

    @property
    def classes(self) -> tuple[int, ...]:
        """The different values of `dsp_lanes`, that of output lane 0 first."""
        found = {self.dsp_lanes(0), self.dsp_lanes(self.out_lanes - 1)}
        return tuple(sorted(found, reverse=True))

    def outs_of(self, in_dsps: int) -> int:
        """Output lanes with this value of `dsp_lanes`."""
        more = self.dsps % self.groups * self.each
        return more if more and in_dsps == self.dsp_lanes(0) else self.out_lanes - more

    def leaves(self, in_dsps: int) -> int:
        """Numbers that the adder tree of an output lane adds."""
        return in_dsps + (self.in_lanes - in_dsps) * max(1, -(-len(self.digits) // 2))

    @property
    def levels(self) -> int:
        """Adders (each with a register) in a row."""
        return max((self.leaves(in_dsps) - 1).bit_length() for in_dsps in self.classes)

    @property
    def moves_bias(self) -> bool:
        """Does the bias hold a part of the sums?"""
        return self.is_flipped or self.form is ProductForm.COMPLEMENT

    @property
    def has_shared(self) -> bool:
        """Is anything subtracted for all outputs at once?"""
        in_luts = min(self.classes) < self.in_lanes and self.extra != 0
        return in_luts or self.dsps > 0

    @property
    def slice_cycles(self) -> int:
        """Cycles of a slice, all planes visited."""
        return self.chunks * self.planes

    @property
    def latency(self) -> int:
        """Cycles from the transfer of a slice to that of the currents that it completes.

        The slice, its weights behind their ROM, products, one a level of adders, the sum; each
        chunk of steps and each plane of bits one more.
        """
        return 3 + self.levels + self.has_shared + (self.planes > 1) + self.slice_cycles


@dataclass(frozen=True)
class Multiplier:
    """A multiplier of a part: unsigned factors of at most `a_bits` and `b_bits`."""

    a_bits: int
    b_bits: int


MULTIPLIERS: dict[str, Multiplier] = {
    "ecp5": Multiplier(18, 18),
    "ice40": Multiplier(16, 16),
    "nexus": Multiplier(18, 18),
    "gowin": Multiplier(18, 18),
    "xilinx7": Multiplier(24, 17),
    "ultrascale_plus": Multiplier(26, 17),
}
"""By family. Xilinx multiplies signed numbers only, so a bit of each factor is lost."""

MOST_PRODUCTS_PER_DSP = 3


def field_bits(weight_bits: int, element_bits: int) -> int:
    """The distance of two weights in the packed factor of a multiplier.

    With 0 <= u < 2**weight_bits and 0 <= x < 2**element_bits, u * x < 2**(sum of both); so in
    x * (u0 + u1 * 2**field + ...) = u0 * x + (u1 * x) * 2**field + ... no product reaches into the
    field of the next, and fields are cut out as they are: no sign, no borrow.
    """
    return weight_bits + element_bits


def packings(weight_bits: int, element_bits: int, multiplier: Multiplier) -> Iterator[int]:
    """The values of products_per_dsp that fit `multiplier`, fewest first; for a search to try.

    `element_bits` are those taken in a cycle (`bit_lanes` where it is given). None fits weights or
    elements of one bit, whose products are gates. `dsp_choices` says what to try with them.
    """
    if weight_bits < 2 or element_bits < 2:
        return
    for count in range(1, MOST_PRODUCTS_PER_DSP + 1):
        packed = (count - 1) * field_bits(weight_bits, element_bits) + weight_bits
        large, small = max(packed, element_bits), min(packed, element_bits)
        if large <= multiplier.a_bits and small <= multiplier.b_bits:
            yield count


def dsp_choices(
    bits: tuple[int, int], sums: int, in_lanes: int, out_lanes: int, family: str, available: int
) -> list[tuple[int, int]]:
    """(dsps, products_per_dsp) worth trying for one synapse: none, half, as many as there are.

    `bits` of a stored weight and of an element in a cycle; `sums` = pixel_lanes * step_lanes. Only
    the widest packing that divides `out_lanes`: the same multipliers then form more products. As
    far as possible all products of an element lie in multipliers or none does, so that what is
    left over is subtracted once for all outputs.
    """
    found = [(0, 1)]
    part = MULTIPLIERS.get(family, Multiplier(0, 0))
    each = max((n for n in packings(*bits, part) if out_lanes % n == 0), default=0)
    if each:
        groups = out_lanes // each
        most = min(available // sums, in_lanes * groups)
        for count in {most, most // 2}:
            whole = count - count % groups if count > groups else count
            if whole:
                found.append((whole * sums, each))
    return sorted(set(found))
