"""Surrogate gradients: what stands for the derivative of a spike by the membrane.

x = (v - k theta) / theta is the distance of the membrane from the nearest threshold k in units of
the threshold; a spike is sent where x > 0. All are symmetric and largest at x = 0. `slope` is as
in the libraries:

    fast_sigmoid   1 / (1 + slope |x|)**2                     snnTorch (25), Zenke & Ganguli 2018
    atan           slope / 2 / (1 + (pi / 2 slope x)**2)      SpikingJelly and snnTorch (2)
    sigmoid        slope s (1 - s), s = 1 / (1 + exp(-slope x))        SpikingJelly (4)
    triangle       slope max(0, 1 - slope |x|)                Bellec et al. 2018 (1)
    boxcar         slope where |x| < 1 / (2 slope), else 0    Wu et al. 2018 (1)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..ir import BadInput


@dataclass(frozen=True)
class Surrogate:
    """A surrogate by name, with its slope > 0 (None: the one of the libraries)."""

    name: str = "atan"
    slope: float | None = None

    def __post_init__(self) -> None:
        if self.name not in DEFAULT_SLOPES:
            raise BadInput(f"surrogate: found {self.name!r}, accepted {', '.join(DEFAULT_SLOPES)}")
        if self.slope is not None and not self.slope > 0:
            raise BadInput(f"surrogate: found slope {self.slope}, accepted a number > 0")

    def derivative(self, x: Tensor) -> Tensor:
        """The derivative at x, in units of one spike a threshold; overwrites x."""
        slope = DEFAULT_SLOPES[self.name] if self.slope is None else self.slope
        return _DERIVATIVES[self.name](x, slope)


DEFAULT_SLOPES = {
    "fast_sigmoid": 25.0,
    "atan": 2.0,
    "sigmoid": 4.0,
    "triangle": 1.0,
    "boxcar": 1.0,
}


def _fast_sigmoid(x: Tensor, slope: float) -> Tensor:
    return x.abs_().mul_(slope).add_(1).square_().reciprocal_()


def _atan(x: Tensor, slope: float) -> Tensor:
    return x.mul_(math.pi / 2 * slope).square_().add_(1).reciprocal_().mul_(slope / 2)


def _sigmoid(x: Tensor, slope: float) -> Tensor:
    spikes = torch.sigmoid(slope * x)
    return slope * spikes * (1 - spikes)


def _triangle(x: Tensor, slope: float) -> Tensor:
    return x.abs_().mul_(-slope).add_(1).clamp_(min=0).mul_(slope)


def _boxcar(x: Tensor, slope: float) -> Tensor:
    return (x.abs_() < 0.5 / slope).to(x.dtype).mul_(slope)


_DERIVATIVES: dict[str, Callable[[Tensor, float], Tensor]] = {
    "fast_sigmoid": _fast_sigmoid,
    "atan": _atan,
    "sigmoid": _sigmoid,
    "triangle": _triangle,
    "boxcar": _boxcar,
}
