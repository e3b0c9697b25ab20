"""Rounding with gradients, and the surrogates of spikes: values, slopes, clipping."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from e3ne.ir import BadInput
from e3ne.training.quantizers import (
    quantize_edge,
    requantized,
    rounded,
    straight_through,
    weight_levels,
)
from e3ne.training.surrogate import DEFAULT_SLOPES, Surrogate


def gradient_of(function, *values: float) -> tuple[list[float], list[float]]:
    """(values, gradients) of `function` at `values`, with gradients of one coming back."""
    x = torch.tensor(values, requires_grad=True)
    out = function(x)
    out.sum().backward()
    assert x.grad is not None
    return out.tolist(), x.grad.tolist()


def test_rounding_is_half_to_even_and_lets_gradients_through() -> None:
    assert gradient_of(rounded, 0.5, 1.5, -2.5) == ([0.0, 2.0, -2.0], [1.0, 1.0, 1.0])


def test_the_gradient_goes_to_the_first_of_two() -> None:
    assert gradient_of(lambda x: straight_through(x, torch.zeros(2)), 3.0, 4.0)[1] == [1.0, 1.0]


def test_levels_round_to_even_clip_and_keep_their_zeros() -> None:
    units = torch.tensor([0.5, 1.5, 2.5, -0.5, 9.0, -9.0])
    assert weight_levels(units, 3, False).tolist() == [0, 2, 2, 0, 3, -3]
    assert weight_levels(torch.tensor([0.1, -7.0, 0.0]), 1, True).tolist() == [1, -1, 0]


@pytest.mark.parametrize(("direction", "passed"), [(1.0, [1.0, 1.0, 0.0]), (-1.0, [-1, 0.0, -1])])
def test_a_clipped_weight_comes_back_but_goes_no_farther(direction, passed) -> None:
    units = torch.tensor([2.0, 5.0, -5.0], requires_grad=True)
    (weight_levels(units, 3, False) * direction).sum().backward()
    assert units.grad.tolist() == passed


def test_edges_on_a_tie_round_up_and_saturate() -> None:
    found = quantize_edge(torch.tensor([-0.4, 0.5, 1.5, 2.49, 2.5, 15.6]), 4, 1.0)
    assert found.tolist() == [0.0, 1.0, 2.0, 2.0, 3.0, 15.0]
    assert gradient_of(lambda x: quantize_edge(x, 4, 1 / 16), -1.0, 0.3, 99.0)[1] == [0, 1, 0]


def test_requantising_is_exact_and_passes_gradients_inside_the_range() -> None:
    i = np.random.default_rng(0).integers(-(2**15), 2**15, 5000)
    multiplier, shift = 40961, 21
    wanted = np.clip((i * multiplier + (1 << (shift - 1))) >> shift, 0, 255)
    factor = torch.tensor(multiplier / 2**shift, dtype=torch.float64)
    found = requantized(torch.tensor(i).float(), factor, 0, 255, torch.float64)
    assert np.array_equal(found.numpy(), wanted)
    half = torch.tensor(0.5)
    sent, gradients = gradient_of(
        lambda x: requantized(x, half, 0, 3, torch.float32), -2.0, 1.0, 5.0, 9.0
    )
    assert (sent, gradients) == ([0.0, 1.0, 3.0, 3.0], [0.0, 0.5, 0.5, 0.0])


@pytest.mark.parametrize("name", DEFAULT_SLOPES)
def test_surrogates_are_even_and_largest_at_the_threshold(name: str) -> None:
    x = torch.linspace(-3, 3, 601)
    found = Surrogate(name).derivative(x.clone())
    torch.testing.assert_close(found, found.flip(0))
    assert found.max() == found[300]
    assert found.min() >= 0
    assert found[300] > 2 * found[500]


@pytest.mark.parametrize(
    ("surrogate", "wanted"),
    [
        (Surrogate("fast_sigmoid", 25.0), 1 / (1 + 25 * 0.2) ** 2),
        (Surrogate("atan", 2.0), 1 / (1 + (math.pi * 0.2) ** 2)),
        (Surrogate("sigmoid", 4.0), 4 * (s := 1 / (1 + math.exp(-0.8))) * (1 - s)),
        (Surrogate("triangle", 1.0), 0.8),
        (Surrogate("boxcar", 2.0), 2.0),
    ],
)
def test_surrogates_are_those_of_the_libraries(surrogate: Surrogate, wanted: float) -> None:
    assert surrogate.derivative(torch.tensor([-0.2])).item() == pytest.approx(wanted, rel=1e-5)


def test_refusals() -> None:
    with pytest.raises(BadInput, match="surrogate: found 'cliff', accepted fast_sigmoid, atan"):
        Surrogate("cliff")
    with pytest.raises(BadInput, match="surrogate: found slope 0, accepted a number > 0"):
        Surrogate("atan", 0)
