"""Comparisons with thresholds say what multiplying and rounding says."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from e3ne.ir import Relay, Requantize, SpikeType, frozen
from e3ne.ir.thresholds import compares, thresholds

factors = st.lists(st.integers(1, 50_000), min_size=4, max_size=4)


@given(factors, st.integers(0, 18), st.integers(1, 2), st.integers(-3000, 3000))
def test_a_level_is_the_number_of_thresholds_reached(multipliers, shift, bits, current):
    type = SpikeType((4,), 1, bits)
    neuron = Requantize(frozen(multipliers, np.int64), shift)
    assert compares(neuron, type, 4)
    least = thresholds(neuron, type, 4)
    assert (np.diff(least, axis=1) >= 0).all()
    # The currents next to each threshold, and another one.
    for i in {current, *least.reshape(-1).tolist(), *(least.reshape(-1) - 1).tolist()}:
        half = (1 << shift) >> 1
        wanted = [min(max((i * m + half) >> shift, 0), type.high) for m in multipliers]
        assert (i >= least).sum(axis=1).tolist() == wanted


def test_what_is_not_compared():
    type = SpikeType((4,), 1, 2)
    many = frozen([3, 5, 7, 9], np.int64)
    assert compares(Requantize(3, 4), type, 1)
    assert compares(Requantize(many, 4), type, 4)
    assert not compares(Requantize(many, 4), type, 2)  # its words differ
    assert not compares(Requantize(frozen([3, 0, 7, 9], np.int64), 4), type, 4)
    assert not compares(Requantize(3, 4), SpikeType((4,), 1, 3), 1)
    assert not compares(Requantize(3, 4), SpikeType((4,), 1, 2, True), 1)
    assert not compares(Relay(), type, 1)
