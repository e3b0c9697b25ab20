"""Ops in torch: the same numbers as `reference.op_currents`, on tensors and with gradients.

Values are whole numbers in float32 or float64 after the integer line. A product of them is exact
in any order of its terms as long as no sum of magnitudes reaches 2**24 (float32) or 2**53
(float64); `largest_sum` says how large it can become.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import assert_never

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..ir import (
    ChannelAffine,
    Conv2d,
    Flatten,
    Identity,
    Linear,
    MaxPool2d,
    Op,
    SpikeType,
    SumPool2d,
    UnsupportedModel,
    Upsample2d,
)

EXACT_FLOAT32 = 1 << 24
EXACT_FLOAT64 = 1 << 53


def exact_dtype(largest: int, where: str) -> torch.dtype:
    """float32 or float64, whichever holds all integers up to `largest`; UnsupportedModel if none.

    `largest` is a magnitude that no number on the way reaches or passes.
    """
    if largest < EXACT_FLOAT32:
        return torch.float32
    if largest < EXACT_FLOAT64:
        return torch.float64
    raise UnsupportedModel(
        f"{where}: found sums up to {largest}, accepted sums below 2**53 in torch; "
        "use fewer bits, or the reference"
    )


def largest_value(type: SpikeType) -> int:
    """The largest magnitude that an edge can carry (integer stages)."""
    return max(type.high, -type.low)


def largest_sum(op: Op, source: SpikeType) -> int:
    """A bound of every sum that `op` forms of an integer edge, whatever the order of its terms."""
    most = largest_value(source)
    match op:
        case Linear() | Conv2d():
            rows = np.abs(op.weight.reshape(op.weight.shape[0], -1)).sum(axis=1).astype(object)
            bias = 0 if op.bias is None else np.abs(op.bias).astype(object)
            return int((rows * most + bias).max())
        case SumPool2d():
            return op.kernel[0] * op.kernel[1] * most
        case MaxPool2d() | Upsample2d() | Identity() | Flatten() | ChannelAffine():
            return most
        case _:
            assert_never(op)


@contextlib.contextmanager
def exact_products() -> Iterator[None]:
    """No reduced precision (TF32, bfloat16) and no transformed convolutions while it lasts."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=False):  # native kernels multiply matrices
            yield
    finally:
        torch.set_float32_matmul_precision(precision)


def op_currents(op: Op, x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """(frames, steps, *source shape) to (frames, steps, *shape of the currents).

    `weight` and `bias` stand for those of a Linear or Conv2d (a ChannelAffine's gain and offset),
    in the dtype of x.
    """
    match op:
        case Linear():
            assert weight is not None
            return functional.linear(x.flatten(2), weight, bias)
        case Conv2d():
            assert weight is not None
            options = (op.stride, op.padding, op.dilation, op.groups)
            return _on_images(x, lambda image: functional.conv2d(image, weight, bias, *options))
        case ChannelAffine():
            assert weight is not None
            assert bias is not None
            shape = (-1,) + (1,) * (x.ndim - 3)
            return x * weight.reshape(shape) + bias.reshape(shape)
        case MaxPool2d():
            return _on_images(x, lambda image: max_pool(op, image))
        case SumPool2d():
            total = _on_images(x, lambda image: sum_pool(op, image))
            return total if op.divisor == 1 else total / op.divisor
        case Upsample2d():
            return upsample(op, x)
        case Identity():
            return x
        case Flatten():
            return x.flatten(2)
        case _:
            assert_never(op)


def max_pool(op: MaxPool2d, image: Tensor) -> Tensor:
    """(batch, channels, rows, columns); padded places count as 0."""
    rows, columns = op.padding
    if rows or columns:
        image = functional.pad(image, (columns, columns, rows, rows))
    return functional.max_pool2d(image, op.kernel, op.stride)


def sum_pool(op: SumPool2d, image: Tensor) -> Tensor:
    """(batch, channels, rows, columns): the sum, not yet divided; padded places count as 0."""
    return functional.avg_pool2d(image, op.kernel, op.stride, op.padding, divisor_override=1)


def upsample(op: Upsample2d, x: Tensor) -> Tensor:
    """(..., rows, columns) to blocks of op.factor pixels, cropped at the lower right."""
    rows, columns = op.factor
    if op.fill == "repeat":
        large = x.repeat_interleave(rows, dim=-2).repeat_interleave(columns, dim=-1)
    else:
        large = x.new_zeros((*x.shape[:-2], x.shape[-2] * rows, x.shape[-1] * columns))
        large[..., ::rows, ::columns] = x
    return large[..., : large.shape[-2] - op.crop[0], : large.shape[-1] - op.crop[1]]


def _on_images(x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """`function` of (frames * steps, channels, rows, columns), with the two axes apart again."""
    image = function(x.flatten(0, 1))
    return image.reshape(*x.shape[:2], *image.shape[1:])
