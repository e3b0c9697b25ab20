"""Ops: how the currents of a population are formed from the spikes of its source.

Arrays are float32 in stage FLOAT and int64 after the integer line. Every op acts on each time step
by itself. `Op` is closed: `match` over it ends with `assert_never`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .arrays import Array

Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Linear:
    """i[o] = sum_n weight[o, n] * x[n] + bias[o].

    `weight` (out, in), `bias` (out,) or None. A source of shape (channels, rows, columns) is read
    in torch's flattened order C, H, W: a flatten before a Linear is part of the Linear.
    """

    weight: Array
    bias: Array | None = None


@dataclass(frozen=True, eq=False)
class Conv2d:
    """Cross-correlation as in torch.nn.Conv2d, zero padding.

    `weight` (out, in / groups, kernel rows, kernel columns), `bias` (out,) or None; `stride`,
    `padding`, `dilation` are (rows, columns).
    """

    weight: Array
    bias: Array | None = None
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    @property
    def kernel(self) -> Pair:
        """Kernel (rows, columns)."""
        return (int(self.weight.shape[2]), int(self.weight.shape[3]))


@dataclass(frozen=True, eq=False)
class ChannelAffine:
    """i[c] = gain[c] * x[c] + offset[c]: batch normalisation in evaluation. Stage FLOAT only."""

    gain: Array
    offset: Array


@dataclass(frozen=True)
class MaxPool2d:
    """The largest value under each kernel position; padded places never win.

    Values are unsigned or the padding is zero, so a padded place counts as 0.
    """

    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)


@dataclass(frozen=True)
class SumPool2d:
    """The sum under each kernel position, divided by `divisor`.

    `divisor` is the kernel area for an average pooling of stage FLOAT and 1 after the integer
    line, where the scale of the edge has taken it over. Padded places count as 0.
    """

    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)
    divisor: float = 1


@dataclass(frozen=True)
class Upsample2d:
    """Every pixel becomes a block of `factor` (rows, columns), less `crop` at the lower right.

    fill "repeat": the whole block carries the pixel (nearest neighbour). fill "zero": its upper
    left place does, the others carry 0 (a transposed convolution of stride s and output padding p
    is this with crop s - 1 - p, then a Conv2d). `crop` rows and columns are left out at the end of
    the image; crop < factor.
    """

    factor: Pair
    fill: Literal["repeat", "zero"] = "repeat"
    crop: Pair = (0, 0)


@dataclass(frozen=True)
class Identity:
    """i = x."""


@dataclass(frozen=True)
class Flatten:
    """(channels, rows, columns) to (features,) in torch's order C, H, W."""


Op = Linear | Conv2d | ChannelAffine | MaxPool2d | SumPool2d | Upsample2d | Identity | Flatten
