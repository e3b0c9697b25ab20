"""Layouts of a matrix unit: what is refused, and which multipliers a search tries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from e3ne.ir import (
    Engine,
    Graph,
    Input,
    Linear,
    Mapping,
    SpikeType,
    Stage,
    Storage,
    Synapse,
    SynapseMapping,
    frozen,
)
from e3ne.ir.engine_rules import engine_problems
from e3ne.ir.products import ProductForm, Products, dsp_choices, weight_digits

GOOD = SynapseMapping(in_lanes=4, step_lanes=2, dsps=8, products_per_dsp=2)


def problems(lanes: SynapseMapping, *, signed: bool = False, engine=Engine.DENSE, weight=3):
    """Every problem of a Linear of 8 inputs of 4 bits and 6 outputs, 2 of them at once."""
    values = frozen(np.resize([-weight - 1, weight], (6, 8)), np.int64)
    graph = Graph(Stage.MAPPED, (Input("x", SpikeType((8,), 2, 4, signed)),), (), (), 2)
    mapping = Mapping(engine, out_lanes=2, synapses=(lanes,))
    return list(engine_problems(graph, Synapse(Linear(values), "x"), mapping, lanes))


@pytest.mark.parametrize(
    ("change", "options", "found"),
    [
        ({"bit_lanes": 3}, {}, "found bit_lanes=3, accepted a divisor of the 4 bits of its source"),
        ({"bit_lanes": 0}, {}, "found bit_lanes=0, accepted a divisor of the 4 bits of its source"),
        (
            {"bit_lanes": 2, "dsps": 0},
            {"signed": True, "engine": Engine.EVENT},
            "found bit_lanes=2 of a signed source on engine event, accepted 1 or none",
        ),
        (
            {"buffer_storage": Storage.LOADED},
            {},
            "found buffer_storage loaded, accepted auto, block or lut",
        ),
        (
            {"lane_rows": True},
            {},
            "found lane_rows with Linear on engine dense, accepted with Linear on event",
        ),
        (
            {"lane_rows": True, "in_lanes": 9, "dsps": 0},
            {"engine": Engine.EVENT},
            "found in_lanes=9 with lane_rows, accepted 2 .. 8",
        ),
        (
            {"lane_rows": True, "bit_lanes": 1, "dsps": 0},
            {"engine": Engine.EVENT},
            "found bit_lanes=1 with lane_rows, accepted 4: the lanes' events go together, and need "
            "all planes of bits",
        ),
        (
            {"lane_rows": True, "storage": Storage.LOADED, "dsps": 0},
            {"engine": Engine.EVENT},
            "found storage loaded with lane_rows, accepted auto, block or lut",
        ),
        (
            {"lane_rows": True, "buffer_storage": Storage.BLOCK, "dsps": 0},
            {"engine": Engine.EVENT},
            "found buffer_storage block with lane_rows, accepted auto",
        ),
        ({"products_per_dsp": 4}, {}, "found products_per_dsp=4, accepted 1 to 3"),
        (
            {"bit_lanes": 1},
            {},
            "found dsps=8 for weights of 3 and elements of 1 bits, accepted 0: such products are "
            "gates",
        ),
        (
            {},
            {"weight": 0},
            "found dsps=8 for weights of 1 and elements of 4 bits, accepted 0: such products are "
            "gates",
        ),
        (
            {},
            {"signed": True, "engine": Engine.EVENT},
            "found dsps=8 for a signed source on engine event, accepted 0",
        ),
        (
            {},
            {"weight": (1 << 12) - 1},
            "found products_per_dsp=2 for weights of 13 and elements of 4 bits, accepted fewer: no "
            "multiplier is so wide",
        ),
        (
            {"products_per_dsp": 3},
            {},
            "found products_per_dsp=3, accepted a divisor of out_lanes=2",
        ),
        (
            {"dsps": 7},
            {},
            "found dsps=7, accepted multiples of pixel_lanes * step_lanes = 2 up to 8",
        ),
        (
            {"dsps": 10},
            {},
            "found dsps=10, accepted multiples of pixel_lanes * step_lanes = 2 up to 8",
        ),
    ],
)
def test_bad_layouts_are_refused_with_what_is_accepted(change, options, found):
    assert found in problems(replace(GOOD, **change), **({"weight": 3} | options))


@pytest.mark.parametrize("engine", [Engine.DENSE, Engine.EVENT])
def test_good_layouts_are_not(engine):
    assert problems(GOOD, engine=engine) == []
    assert problems(replace(GOOD, dsps=0, bit_lanes=1), engine=engine, signed=True) == []


def test_a_search_tries_the_widest_packing_that_divides_the_output_lanes():
    # 3-bit weights, 4-bit elements: three fit 18 bits, and four output lanes take two.
    assert dsp_choices((3, 4), 1, 8, 4, "ecp5", 100) == [(0, 1), (8, 2), (16, 2)]
    assert dsp_choices((3, 4), 1, 8, 3, "ecp5", 100) == [(0, 1), (4, 3), (8, 3)]
    # Whole elements, for each of two pixels: 5 of 9 multipliers would leave one half done.
    assert dsp_choices((3, 4), 2, 8, 4, "ecp5", 11) == [(0, 1), (4, 2), (8, 2)]
    assert dsp_choices((3, 1), 1, 8, 4, "ecp5", 100) == [(0, 1)]
    assert dsp_choices((3, 4), 1, 8, 4, "ecp5", 0) == [(0, 1)]


@pytest.mark.parametrize("form", [ProductForm.COMPLEMENT, ProductForm.OFFSET])
@pytest.mark.parametrize(
    ("weight_bits", "is_binary"), [(1, True), *((bits, False) for bits in range(1, 11))]
)
def test_digits_add_up_to_the_weight_and_the_same_for_all(form, weight_bits, is_binary):
    products = Products(
        weight_bits, is_binary, 4, False, 1, 1, is_addressed=form is ProductForm.OFFSET
    )
    lowest = -1 if is_binary else -(1 << (weight_bits - 1))
    for code in range(1 << weight_bits):
        weight = lowest + code * (2 if is_binary else 1)
        digits = [
            digit.multiples[(code >> digit.low) % len(digit.multiples)] << digit.shift
            for digit in weight_digits(weight_bits, is_binary, form)
        ]
        assert sum(digits) == weight + products.extra
