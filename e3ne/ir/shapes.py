"""The shape that an op makes of its source's shape."""

from __future__ import annotations

import math
from typing import assert_never

from .ops import (
    ChannelAffine,
    Conv2d,
    Flatten,
    Identity,
    Linear,
    MaxPool2d,
    Op,
    Pair,
    SumPool2d,
    Upsample2d,
)


def window_shape(
    rows_columns: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Pair:
    """Output (rows, columns) of a sliding window, as torch computes them (floor)."""
    rows, columns = (
        (size + 2 * pad - dil * (k - 1) - 1) // step + 1
        for size, k, step, pad, dil in zip(
            rows_columns, kernel, stride, padding, dilation, strict=True
        )
    )
    return rows, columns


def op_shape(op: Op, source: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of the currents; ValueError *found X, accepted Y* where the op cannot read `source`."""
    match op:
        case Linear():
            if math.prod(source) != op.weight.shape[1]:
                raise ValueError(
                    f"found a source of shape {source} ({math.prod(source)} elements), "
                    f"accepted {op.weight.shape[1]} elements"
                )
            return (int(op.weight.shape[0]),)
        case Conv2d():
            channels = op.weight.shape[1] * op.groups
            _check_image(source, channels)
            shape = window_shape(
                (source[1], source[2]), op.kernel, op.stride, op.padding, op.dilation
            )
            return _positive((int(op.weight.shape[0]), *shape), source)
        case MaxPool2d() | SumPool2d():
            _check_image(source, None)
            shape = window_shape((source[1], source[2]), op.kernel, op.stride, op.padding, (1, 1))
            return _positive((source[0], *shape), source)
        case Upsample2d():
            _check_image(source, None)
            rows, columns = (
                size * factor - crop
                for size, factor, crop in zip(source[1:], op.factor, op.crop, strict=True)
            )
            return _positive((source[0], rows, columns), source)
        case ChannelAffine():
            if len(op.gain) not in (1, source[0]):
                raise ValueError(f"found {source[0]} channels, accepted {len(op.gain)}")
            return source
        case Identity():
            return source
        case Flatten():
            return (math.prod(source),)
        case _:
            assert_never(op)


def _check_image(source: tuple[int, ...], channels: int | None) -> None:
    if len(source) != 3 or (channels is not None and source[0] != channels):
        wanted = "channels" if channels is None else channels
        raise ValueError(f"found a source of shape {source}, accepted ({wanted}, rows, columns)")


def _positive(shape: tuple[int, ...], source: tuple[int, ...]) -> tuple[int, ...]:
    if min(shape) < 1:
        raise ValueError(f"found a source of shape {source}, smaller than the kernel needs")
    return shape
