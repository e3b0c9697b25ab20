"""Rounding with gradients: straight through inside of a range, none where a value is clipped."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Rounded(torch.autograd.Function):
    """Forward: round half to even; backward: the gradient unchanged."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        return torch.round(x)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


def rounded(x: Tensor) -> Tensor:
    """The nearest whole numbers (half to even), with the gradient of x."""
    return Rounded.apply(x)  # type: ignore[no-any-return, no-untyped-call]


class StraightThrough(torch.autograd.Function):
    """Forward: the second argument; backward: the gradient goes to the first, unchanged."""

    @staticmethod
    def forward(context: Any, x: Tensor, sent: Tensor) -> Tensor:
        return sent

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def straight_through(x: Tensor, sent: Tensor) -> Tensor:
    """`sent`, with the gradient of `x`."""
    return StraightThrough.apply(x, sent)  # type: ignore[no-any-return, no-untyped-call]


def quantize_edge(x: Tensor, bits: int, scale: float) -> Tensor:
    """clip(floor(x / scale + 1/2), 0, 2**bits - 1) * scale of reals; gradient 0 where it clips."""
    clipped = x.clamp(0.0, (2**bits - 1) * scale)
    return straight_through(clipped, torch.floor(clipped / scale + 0.5) * scale)


class Levels(torch.autograd.Function):
    """Weights in units of their scale to whole numbers of -limit .. limit."""

    @staticmethod
    def forward(context: Any, units: Tensor, limit: int, binary: bool) -> Tensor:
        context.save_for_backward(units)
        context.limit = limit
        return torch.sign(units) if binary else torch.round(units).clamp_(-limit, limit)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (units,) = context.saved_tensors
        # A clipped weight may come back, but not go farther out: descent moves against gradients.
        outside = (units.abs() > context.limit + 0.5) & (gradients[0] * units < 0)
        return gradients[0].masked_fill(outside, 0), None, None


def weight_levels(units: Tensor, limit: int, binary: bool) -> Tensor:
    """clip(round_half_even(units), -limit, limit); the sign of binary weights, 0 stays 0.

    The gradient goes straight through; where a weight is clipped, only what brings it back does.
    """
    return Levels.apply(units, limit, binary)  # type: ignore[no-any-return, no-untyped-call]


class Requantized(torch.autograd.Function):
    """clip(floor(i * factor + 1/2), low, high) of a whole current."""

    @staticmethod
    def forward(
        context: Any, current: Tensor, factor: Tensor, low: int, high: int, dtype: torch.dtype
    ) -> Tensor:
        scaled = current.to(dtype) * factor
        needs = context.needs_input_grad
        if needs[0] or needs[1]:
            inside = (scaled >= low) & (scaled <= high)
            context.save_for_backward(inside, factor, current if needs[1] else None)
        return scaled.add_(0.5).floor_().clamp_(low, high).to(torch.float32)

    @staticmethod
    def backward(
        context: Any, *gradients: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        inside, factor, current = context.saved_tensors
        passed = gradients[0] * inside
        by_factor = None
        if current is not None:
            by_factor = _summed_to(passed * current, factor)
        return (passed * factor).to(gradients[0].dtype), by_factor, None, None, None


def requantized(current: Tensor, factor: Tensor, low: int, high: int, dtype: torch.dtype) -> Tensor:
    """The radix neuron on whole currents, float32; `dtype` is one in which i * factor is exact.

    The gradient goes to current and factor inside of low .. high, nowhere where it clips.
    """
    return Requantized.apply(current, factor, low, high, dtype)  # type: ignore[no-any-return, no-untyped-call]


def _summed_to(gradient: Tensor, parameter: Tensor) -> Tensor:
    return gradient.sum_to_size(parameter.shape).to(parameter.dtype)
