"""How many weights each value meets, and what a value counts: the bookkeeping of activity."""

from __future__ import annotations

from typing import assert_never

import numpy as np

from .arrays import Array
from .ops import (
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
from .shapes import op_shape


def fan_out(op: Op, source: tuple[int, ...]) -> Array | None:
    """How many weights each element of a source of shape `source` meets; None without weights."""
    match op:
        case Linear():
            return np.full(source, op.weight.shape[0], np.int64)
        case Conv2d():
            _, rows, columns = op_shape(op, source)
            uses = [
                axis_uses(source[axis + 1], out, op, axis)
                for axis, out in ((0, rows), (1, columns))
            ]
            channels_out = int(op.weight.shape[0]) // op.groups
            return np.broadcast_to(np.outer(*uses) * channels_out, source)
        case ChannelAffine() | MaxPool2d() | SumPool2d() | Upsample2d() | Identity() | Flatten():
            return None
        case _:
            assert_never(op)


def axis_uses(size: int, out: int, op: Conv2d, axis: int) -> Array:
    """For each of `size` rows (or columns): how many kernel places of the outputs lie on it."""
    places = (
        np.arange(out)[:, None] * op.stride[axis]
        - op.padding[axis]
        + np.arange(op.kernel[axis]) * op.dilation[axis]
    ).reshape(-1)
    inside = places[(places >= 0) & (places < size)]
    return np.bincount(inside, minlength=size)
