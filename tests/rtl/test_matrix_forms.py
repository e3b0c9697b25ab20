"""Every form of the matrix unit's products: digits, gates, planes of bits, multipliers."""

from __future__ import annotations

import pytest

from e3ne.ir.products import MULTIPLIERS, Multiplier, packings

from .matrix_cases import Form, check_form

DIGITS = [
    *(Form(weight_bits, 3, biased=weight_bits % 2 == 0) for weight_bits in range(2, 9)),
    Form(1, 2, binary=True),
    Form(3, 4, True),
    Form(4, 4, True, biased=True, pixel_lanes=2),
    Form(4, 2, steps=2, step_lanes=1, in_lanes=1, out_lanes=1),
]
PLANES = [
    Form(3, 4, bit_lanes=1),
    Form(4, 4, bit_lanes=2, biased=True),
    Form(3, 4, True, bit_lanes=1),
    Form(4, 4, True, bit_lanes=2, steps=2, step_lanes=1),
    Form(1, 3, True, bit_lanes=1, binary=True, steps=2, step_lanes=2),
    Form(4, 3, bit_lanes=1, pixel_lanes=2, steps=2, step_lanes=1, biased=True),
]
PACKED = [
    Form(2, 2, dsps=3, each=1),
    Form(3, 4, dsps=2, each=2),  # two of three lanes whole
    Form(4, 4, dsps=3, each=2, out_lanes=4),  # a lane of which half the outputs
    Form(3, 4, dsps=9, each=1, out_lanes=3, biased=True),  # all
    Form(3, 4, dsps=2, each=3, out_lanes=3),
    Form(4, 4, True, dsps=2, each=2, biased=True),
    Form(6, 3, dsps=1, each=1),
    Form(4, 4, bit_lanes=2, dsps=1, each=2),
    Form(3, 4, dsps=3, each=2, pixel_lanes=3),
]
ADDRESSED = [
    Form(4, 1, addressed=True),
    Form(1, 1, addressed=True, binary=True, steps=2, step_lanes=1),
    Form(3, 1, True, addressed=True),
    Form(4, 3, addressed=True, biased=True),
    Form(5, 3, True, addressed=True),
    Form(1, 2, True, addressed=True, binary=True),
    Form(4, 4, addressed=True, bit_lanes=2, steps=2, step_lanes=1),
    Form(4, 4, addressed=True, bit_lanes=1),
    Form(3, 3, True, addressed=True, bit_lanes=1, steps=2, step_lanes=2),
    Form(3, 3, True, addressed=True, bit_lanes=1, steps=2, step_lanes=1),
    Form(3, 4, addressed=True, dsps=3, each=2, out_lanes=4),
]


FORMS = [*DIGITS, *PLANES, *PACKED, *ADDRESSED]


@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_sums_are_those_of_plain_products(form):
    check_form(form)


@pytest.mark.parametrize("form", FORMS[::3], ids=repr)
def test_pauses_change_nothing(form):
    check_form(form, 0.4)


@pytest.mark.parametrize(
    ("weight_bits", "element_bits", "family", "wanted"),
    [
        (3, 4, "ecp5", [1, 2, 3]),  # 2 * 7 + 3 = 17 of 18 bits
        (4, 4, "ecp5", [1, 2]),  # 2 * 8 + 4 = 20
        (4, 3, "ecp5", [1, 2, 3]),
        (3, 4, "ice40", [1, 2]),
        (4, 4, "xilinx7", [1, 2, 3]),
        (8, 8, "xilinx7", [1, 2]),  # 16 + 8 = 24
        (8, 8, "ecp5", [1]),
        (1, 4, "ecp5", []),
        (4, 1, "ecp5", []),
        (20, 4, "ecp5", []),
        (4, 18, "ecp5", [1]),
        (4, 19, "ecp5", []),
    ],
)
def test_packings_fit_the_multiplier(weight_bits, element_bits, family, wanted):
    assert list(packings(weight_bits, element_bits, MULTIPLIERS[family])) == wanted


@pytest.mark.parametrize("family", sorted(MULTIPLIERS))
def test_packed_products_are_exact_at_every_value(family):
    """Fields neither overlap nor borrow: all weights and elements at their ends."""
    part: Multiplier = MULTIPLIERS[family]
    for weight_bits in range(2, 9):
        for element_bits in range(2, 9):
            for count in packings(weight_bits, element_bits, part):
                field = weight_bits + element_bits
                highest = (1 << weight_bits) - 1
                weights = [highest if k % 2 else 0 for k in range(count)]
                for weight in (weights, [highest] * count, weights[::-1]):
                    packed = sum(w << (k * field) for k, w in enumerate(weight))
                    assert packed < 1 << max(part.a_bits, part.b_bits)
                    product = packed * ((1 << element_bits) - 1)
                    found = [product >> (k * field) & ((1 << field) - 1) for k in range(count)]
                    assert found == [w * ((1 << element_bits) - 1) for w in weight]
