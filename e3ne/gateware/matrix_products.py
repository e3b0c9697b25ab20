"""Products of a slice with a word of weights, and the trees that add them."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Mux

from ..ir.products import Digit, ProductForm, Products, field_bits
from .multiply import multiply
from .pipeline import registered
from .rom import RomForm


class MatrixProducts:
    """sums[pixel][out][step] = sum over lanes of weight[out, lane] * element[pixel, lane, step].

    Elements and weights come from registers, weights as stored. What `Products` leaves to the bias
    is still inside. A register behind the products, and behind every level of adders: a sum of two
    numbers takes a LUT a bit, of more at once twice that.
    """

    def __init__(self, products: Products, width: int, form: RomForm) -> None:
        self.products = products
        self.width = width
        self.form = form

    def sums(self, m, moves, elements, triples, weights, valid, marks):
        """(sums, valid, marks), `Products.levels` + 1 (+ 1 where has_shared) stages later.

        `elements[pixel][lane][step]`, `triples` the same times three (None where no digit asks for
        it), `weights[out][lane]`.
        """
        terms = [
            self._pixel_terms(m, *pixel, weights)
            for pixel in zip(elements, triples or [None] * len(elements), strict=True)
        ]
        # What is shared needs no products, so it is a level ahead.
        shared = _each_added([self._shared_terms(pixel) for pixel in elements])
        for level in range(self.products.levels + 1):
            if level:
                terms, shared = _each_added(terms), _each_added(shared)
            name = f"sum{level}" if level else "product"
            (terms, shared), valid, marks = registered(
                m, moves, [terms, shared], valid, marks, name, self.width
            )
        sums = [[[step[0] for step in out] for out in pixel] for pixel in terms]
        if self.products.has_shared:
            sums = [
                [
                    [value - common[0] for value, common in zip(steps, of_class, strict=True)]
                    for out, steps in enumerate(pixel)
                    for of_class in [classes[self._class(out)]]
                ]
                for pixel, classes in zip(sums, shared, strict=True)
            ]
            sums, valid, marks = registered(m, moves, sums, valid, marks, "whole", self.width)
        return sums, valid, marks

    def _class(self, out):
        return self.products.classes.index(self.products.dsp_lanes(out))

    def _pixel_terms(self, m, elements, triples, weights):
        """Leaves [out][step][...] of the trees of one pixel."""
        steps = range(len(elements[0]))
        products, count = self.products, self.products.each
        terms = [[[] for _ in steps] for _ in weights]
        for lane, element in enumerate(elements):
            packed_outs = [o for o in range(len(weights)) if lane < products.dsp_lanes(o)]
            for step in steps:
                for first in packed_outs[::count]:
                    group = [weights[first + k][lane] for k in range(count)]
                    for k, product in enumerate(self._packed(m, element[step], group)):
                        terms[first + k][step].append(product)
                triple = triples[lane][step] if triples else None
                for out in range(len(packed_outs), len(weights)):
                    weight = weights[out][lane]
                    terms[out][step] += self._in_luts(element[step], triple, weight)
        return terms

    def _packed(self, m, element, weights):
        """Products of one element with several weights, in one multiplier."""
        bits = field_bits(self.products.weight_bits, len(element))
        fields = [*(Cat(w, Const(0, len(element))) for w in weights[:-1]), weights[-1]]
        product = multiply(m, Cat(*fields), element, self.form)
        return [product.word_select(k, bits) for k in range(len(weights))]

    def _in_luts(self, element, triple, weight):
        """The leaves of one product: two digits each."""
        if self.products.form is ProductForm.GATES:
            return [Mux(element, _weight(weight, self.products.is_binary), 0)]
        digits = [_digit(digit, element, triple, weight) for digit in self.products.digits]
        pairs = (digits[at : at + 2] for at in range(0, len(digits), 2))
        return [_shifted(*(_sum(*p[0], *p[1]) if len(p) == 2 else p[0])) for p in pairs]

    def _shared_terms(self, elements):
        """Leaves [class][step][...] of what is subtracted from all outputs of one pixel."""
        products = self.products
        if not products.has_shared:
            return []
        return [
            [
                [
                    leaf
                    for lane, element in enumerate(elements)
                    for leaf in _times(
                        products.dsp_extra if lane < in_dsps else products.extra, element[step]
                    )
                ]
                for step in range(len(elements[0]))
            ]
            for in_dsps in products.classes
        ]


def _weight(bits, is_binary):
    """A stored weight of GATES: two's complement, or of one bit b 2 b - 1."""
    return Cat(Const(1, 1), ~bits).as_signed() if is_binary else bits.as_signed()


def _times(factor, element):
    """Leaves of factor * element; of a negative factor less what `Products` gives the bias."""
    shifts = [at for at in range(abs(factor).bit_length()) if abs(factor) >> at & 1]
    return [_shifted(_complement(element) if factor < 0 else element, at) for at in shifts]


def _digit(digit: Digit, element, triple, weight):
    """(the multiple of the element that `weight` says, shift); complements are unsigned."""
    bits = digit.bits(len(element))
    code = weight[digit.low : digit.low + digit.code_bits]
    chosen = Const(0, bits)
    for multiple in sorted(set(digit.multiples) - {0}):
        source = triple if abs(multiple) == 3 else _shifted(element, abs(multiple) - 1)
        value = _extended(source, bits)
        codes = [at for at, found in enumerate(digit.multiples) if found == multiple]
        picked = Cat(code == at for at in codes).any()
        chosen = chosen | ((~value if multiple < 0 else value) & picked.replicate(bits))
    return _like(element, chosen), digit.shift


def _sum(low, low_shift, high, high_shift):
    """(sum of two shifted numbers, shift): what lies below the higher one needs no adder."""
    below = high_shift - low_shift
    total = _like(low, low[below:]) + high
    return _like(low, Cat(low[:below], total)), low_shift


def _each_added(nested):
    """Every innermost list with its neighbours added in pairs."""
    if nested and not isinstance(nested[0], list):
        pairs = (nested[at : at + 2] for at in range(0, len(nested), 2))
        return [pair[0] + pair[1] if len(pair) == 2 else pair[0] for pair in pairs]
    return [_each_added(item) for item in nested]


def _complement(element):
    """2**bits - 1 - element, of an unsigned element."""
    return (~element)[: len(element)]


def _extended(value, bits):
    """The low `bits` bits of a number."""
    fill = value[-1] if value.shape().signed else Const(0, 1)
    return Cat(value, fill.replicate(max(0, bits - len(value))))[:bits]


def _shifted(value, shift):
    return _like(value, Cat(Const(0, shift), value)) if shift else value


def _like(value, bits):
    """`bits` as a signed number where `value` is one."""
    return bits.as_signed() if value.shape().signed else bits
