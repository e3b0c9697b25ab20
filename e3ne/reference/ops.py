"""What every op makes of the spikes of its source."""

from __future__ import annotations

from typing import assert_never

import numpy as np

from ..ir import (
    Array,
    ChannelAffine,
    Conv2d,
    Flatten,
    Identity,
    Linear,
    MaxPool2d,
    Op,
    SumPool2d,
    Upsample2d,
)

EXACT_FLOAT = 2**53  # integers below it are exact in float64, so BLAS may multiply them


def op_currents(op: Op, x: Array) -> Array:
    """(frames, steps, *source shape) to (frames, steps, *shape of the currents)."""
    match op:
        case Linear():
            flat = x.reshape(*x.shape[:2], -1)
            return with_bias(exact_matmul(flat, op.weight.T), op.bias, 0)
        case Conv2d():
            return conv2d(op, x)
        case MaxPool2d():
            largest: Array = patches(x, op.kernel, op.stride, op.padding, (1, 1)).max(axis=(-2, -1))
            return largest
        case SumPool2d():
            total: Array = patches(x, op.kernel, op.stride, op.padding, (1, 1)).sum(axis=(-2, -1))
            return total if op.divisor == 1 else total / op.divisor
        case Upsample2d():
            return upsample2d(op, x)
        case ChannelAffine():
            shape = (-1,) + (1,) * (x.ndim - 3)
            return x * op.gain.astype(np.float64).reshape(shape) + op.offset.reshape(shape)
        case Identity():
            return x
        case Flatten():
            return x.reshape(*x.shape[:2], -1)
        case _:
            assert_never(op)


def conv2d(op: Conv2d, x: Array) -> Array:
    """Cross-correlation, one group after the other, each as one matrix product."""
    windows = patches(x, op.kernel, op.stride, op.padding, op.dilation)
    frames, steps, channels, rows, columns = windows.shape[:5]
    outs = []
    for group in range(op.groups):
        width = channels // op.groups
        part = windows[:, :, group * width : (group + 1) * width]
        matrix = part.transpose(0, 1, 3, 4, 2, 5, 6).reshape(frames, steps, rows * columns, -1)
        height = op.weight.shape[0] // op.groups
        weight = op.weight[group * height : (group + 1) * height].reshape(height, -1)
        outs.append(exact_matmul(matrix, weight.T))
    out = np.concatenate(outs, axis=-1).transpose(0, 1, 3, 2)
    return with_bias(out.reshape(frames, steps, -1, rows, columns), op.bias, 2)


def upsample2d(op: Upsample2d, x: Array) -> Array:
    """(..., rows, columns) to blocks of op.factor pixels, cropped at the lower right."""
    rows, columns = op.factor
    if op.fill == "repeat":
        large: Array = x.repeat(rows, axis=-2).repeat(columns, axis=-1)
    else:
        large = np.zeros((*x.shape[:-2], x.shape[-2] * rows, x.shape[-1] * columns), x.dtype)
        large[..., ::rows, ::columns] = x
    return large[..., : large.shape[-2] - op.crop[0], : large.shape[-1] - op.crop[1]]


def patches(
    x: Array,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> Array:
    """(..., rows, columns) to a view (..., out rows, out columns, kernel rows, kernel columns)."""
    pad = [(0, 0)] * (x.ndim - 2) + [(p, p) for p in padding]
    span = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(np.pad(x, pad), span, axis=(-2, -1))  # type: ignore[call-overload]
    return view[..., :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]  # type: ignore[no-any-return]


def exact_matmul(x: Array, weight: Array) -> Array:
    """x @ weight; integers go through float64 BLAS where every sum stays below 2**53."""
    if not np.issubdtype(x.dtype, np.integer):
        rows = x.reshape(-1, x.shape[-1])  # one product for all frames and steps
        product: Array = rows @ weight.astype(np.float64)
        return product.reshape(*x.shape[:-1], -1)
    largest = int(np.abs(x).max(initial=0)) * int(np.abs(weight).sum(axis=0).max(initial=0))
    if largest >= EXACT_FLOAT:
        return x @ weight
    return (x.astype(np.float64) @ weight.astype(np.float64)).astype(np.int64)


def with_bias(currents: Array, bias: Array | None, trailing: int) -> Array:
    """Adds a bias of shape (channels,) to (..., channels, *trailing axes)."""
    return currents if bias is None else currents + bias.reshape(-1, *(1,) * trailing)
