"""Which beats an input can have."""

from __future__ import annotations

import pytest

from e3ne.ir import Input, SpikeType
from e3ne.optimize.input_lanes import input_lane_choices


@pytest.mark.parametrize(
    ("shape", "steps", "bits", "wanted"),
    [
        ((1, 32, 32), 1, 4, [1, 2, 4, 8]),
        ((1, 28, 28), 1, 8, [1, 2, 4, 7]),
        ((3, 8, 6), 1, 8, [1, 3, 6]),
        ((12,), 1, 8, [1, 2, 3, 4, 6]),
        ((2, 4, 5), 16, 2, [1, 2]),
        ((2, 4, 5), 40, 2, [1]),
        ((1, 1, 1), 200, 2, [1]),  # wider than the bus, but there is no other
    ],
)
def test_beats_carry_parts_of_a_pixel_or_whole_pixels_of_a_row(shape, steps, bits, wanted):
    source = Input("x", SpikeType(shape, steps, bits))
    assert input_lane_choices(source, steps) == wanted


def test_packed_fields_let_more_pixels_into_a_beat():
    source = Input("x", SpikeType((1, 32, 32), 1, 4), packed=True)
    assert input_lane_choices(source, 1) == [1, 2, 4, 8, 16]
    assert input_lane_choices(source, 1, bus_bits=16) == [1, 2, 4]


def test_words_of_events_have_a_power_of_two():
    source = Input("x", SpikeType((2, 34, 34), 1, 2), events=True)
    assert input_lane_choices(source, 1) == [1, 2, 4]
    source = Input("x", SpikeType((3, 32, 32), 1, 2), events=True)
    assert input_lane_choices(source, 1) == [1]
