"""Scales, multipliers, shifts and decays, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from e3ne.ir import (
    Dyadic,
    frozen,
)
from e3ne.lower.factors import decay_dyadic, dyadic, integer_weight, weight_scale
from e3ne.lower.synapse_scales import common_gains
from tests.unit.lower_graphs import (
    real,
)


def test_weights_by_hand() -> None:
    weight = frozen([[0.5, -1.5, 0.25], [0.0, 0.75, -3.0]], np.float32)
    scale = weight_scale(weight, 3, per_channel=False, kind="integer")
    assert scale == 1.0  # 3.0 / 3
    assert integer_weight(weight, scale, 3).tolist() == [[0, -2, 0], [0, 1, -3]]  # half to even
    scale = weight_scale(weight, 3, per_channel=True, kind="integer")
    assert scale.tolist() == [0.5, 1.0]
    assert integer_weight(weight, scale, 3).tolist() == [[1, -3, 0], [0, 1, -3]]


def test_powers_of_two_are_not_below_the_scale() -> None:
    weight = frozen([[0.7, -1.3]], np.float32)
    scale = weight_scale(weight, 3, per_channel=False, kind="power_of_two")
    assert scale == 0.5  # 1.3 / 3 = 0.433
    assert integer_weight(weight, scale, 3).tolist() == [[1, -3]]
    exact = frozen([[0.75, -0.25]], np.float32)
    assert weight_scale(exact, 3, per_channel=False, kind="power_of_two") == 0.25


def test_two_bits_are_ternary() -> None:
    weight = real(4, 30)
    scale = weight_scale(weight, 2, per_channel=False, kind="integer")
    assert set(np.unique(integer_weight(weight, scale, 2))) == {-1, 0, 1}


def test_weights_beyond_their_bits_saturate_evenly() -> None:
    scale = np.asarray(0.1)
    assert integer_weight(frozen([[9.0, -9.0]], np.float32), scale, 3).tolist() == [[3, -3]]


def test_zeros_have_a_scale() -> None:
    zeros = frozen(np.zeros((2, 3)), np.float32)
    assert weight_scale(zeros, 8, per_channel=False, kind="integer") == 1
    assert weight_scale(zeros, 8, per_channel=True, kind="integer").tolist() == [1, 1]
    half = frozen([[0, 0], [0, 127 / 4]], np.float32)
    assert weight_scale(half, 8, per_channel=True, kind="integer").tolist() == [0.25, 0.25]


@pytest.mark.parametrize("factor", [0.3, 1e-6, 0.999999, 1.0, 7.3, 40000.0, 2.0**-20, 3 * 2.0**-9])
def test_a_dyadic_is_near_and_small(factor: float) -> None:
    found = dyadic(factor, 16)
    assert isinstance(found.multiplier, int)
    assert found.multiplier < 2**16
    assert abs(found.multiplier / 2**found.shift / factor - 1) <= 2.0**-16
    assert found.shift == 0 or found.multiplier % 2 == 1


def test_a_factor_just_below_a_power_of_two_keeps_to_its_bits() -> None:
    found = dyadic(np.array([0.9999, 0.4]), 4)
    assert found.multiplier.tolist() == [8, 3]  # type: ignore[union-attr]
    assert found.shift == 3


def test_powers_of_two_are_pure_shifts() -> None:
    assert vars(dyadic(2.0**-5, 16)) == vars(Dyadic(1, 5))
    assert vars(dyadic(2.0**3, 16)) == vars(Dyadic(8, 0))
    found = dyadic(np.array([2.0**-5, 2.0**-3]), 16)
    assert (found.multiplier.tolist(), found.shift) == ([1, 4], 5)  # type: ignore[union-attr]


def test_decays() -> None:
    assert vars(decay_dyadic(0.875, None)) == vars(Dyadic(7, 3))
    assert vars(decay_dyadic(1.0, None)) == vars(Dyadic(1, 0))
    found = decay_dyadic(0.9, None)
    assert 12 <= found.shift <= 16
    assert abs(int(found.multiplier) / 2**found.shift - 0.9) < 2.0**-16
    assert vars(decay_dyadic(0.9, 4)) == vars(Dyadic(7, 3))  # 14 / 16
    channels = decay_dyadic(np.array([0.5, 0.75]), None)
    assert (channels.multiplier.tolist(), channels.shift) == ([2, 3], 2)  # type: ignore[union-attr]


def test_gains_of_equal_and_of_unequal_scales() -> None:
    assert common_gains([np.asarray(0.3), np.asarray(0.3)], "n") == ([1, 1], 0.3)
    gains, unit = common_gains([np.asarray(0.1), np.asarray(0.25)], "n")
    assert (gains, unit) == ([2, 5], 0.05)
    gains, unit = common_gains([np.asarray(1.0), np.asarray(np.pi)], "n")
    assert gains[0] * float(unit) == 1.0
    assert abs(gains[1] * float(unit) / np.pi - 1) < 2.0**-9


def test_the_gain_of_a_wire_is_exact() -> None:
    """Weights may take a small error over, what has none may not."""
    scales = [np.asarray(0.0123), np.asarray(1.0), np.asarray(0.5)]
    for k in range(3):
        fixed = [number == k for number in range(3)]
        gains, unit = common_gains(scales, "n", fixed)
        assert abs(gains[k] * float(unit) / float(scales[k]) - 1) < 1e-12
        ratios = np.array(gains) * float(unit) / np.array(scales, float)
        assert np.abs(ratios - 1).max() <= 2.0**-9
    plain, unit = common_gains(scales, "n")
    assert abs(plain[1] * float(unit) - 1) > 1e-6  # without it, the smallest one is
