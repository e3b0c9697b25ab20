"""Ops that pick, move, repeat or blank elements of a population: all weights are 0 or 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..ir import Array, Conv2d, Linear, Op, Upsample2d, frozen
from .codes import ZERO

LARGEST_MATRIX = 1 << 22  # weights of a Linear that does nothing but select


@dataclass(frozen=True)
class Walk:
    """How a window walks along one axis to pick one element a position: kernel[offset] is 1."""

    kernel: int
    offset: int
    stride: int
    padding: int

    @property
    def only_pads(self) -> bool:
        """Whether it keeps the whole axis, with as many zeros on both sides."""
        return (self.kernel, self.stride) == (1, 1)


@dataclass(frozen=True)
class Planes:
    """An image made of whole channels: `channels` picked (ZERO: blank), each walked alike."""

    channels: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor


def selecting(elements: torch.Tensor, shape: tuple[int, ...]) -> Op | None:
    """The op that makes `elements` of a population of `shape`; None where no op does.

    `elements` holds indices in C order, or ZERO, in the shape of the result: (features,) or
    (channels, rows, columns).
    """
    if elements.ndim == 1:
        return _selecting_matrix(elements, int(np.prod(shape)))
    planes = planes_of(elements, shape)
    if planes is None:
        return None
    channels, rows, columns = shape
    upsampled = _upsampling(planes, shape)
    if upsampled is not None:
        return upsampled
    over_rows, over_columns = walk(planes.rows, rows), walk(planes.columns, columns)
    if over_rows is None or over_columns is None:
        return None
    kernel = (over_rows.kernel, over_columns.kernel)
    depthwise = torch.equal(planes.channels, torch.arange(channels))
    weight = np.zeros((len(planes.channels), 1 if depthwise else channels, *kernel), np.float32)
    for out, channel in enumerate(planes.channels.tolist()):
        if channel != ZERO:
            weight[out, 0 if depthwise else channel, over_rows.offset, over_columns.offset] = 1
    return Conv2d(
        frozen(weight, np.float32),
        stride=(over_rows.stride, over_columns.stride),
        padding=(over_rows.padding, over_columns.padding),
        groups=channels if depthwise else 1,
    )


def padding_alone(elements: torch.Tensor, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Zeros (rows, columns) around an image that is whole in between; None where it is not so."""
    planes = planes_of(elements, shape) if elements.ndim == 3 else None
    if planes is None or not torch.equal(planes.channels, torch.arange(shape[0])):
        return None
    rows, columns = walk(planes.rows, shape[1]), walk(planes.columns, shape[2])
    if rows is None or columns is None or not (rows.only_pads and columns.only_pads):
        return None
    return (rows.padding, columns.padding)


def planes_of(elements: torch.Tensor, shape: tuple[int, ...]) -> Planes | None:
    """The elements as channels, rows and columns, where these are picked apart from each other."""
    if len(shape) != 3:
        return None
    area, width = shape[1] * shape[2], shape[2]
    filled = elements >= 0
    if not bool(filled.any()):
        return None
    c, h, w = (int(axis) for axis in filled.nonzero()[0])
    channel_of = torch.where(filled, elements // area, ZERO)
    row_of = torch.where(filled, elements % area // width, ZERO)
    column_of = torch.where(filled, elements % width, ZERO)
    channels, rows, columns = channel_of[:, h, w], row_of[c, :, w], column_of[c, h, :]
    made = channels[:, None, None] * area + rows[:, None] * width + columns
    blank = (channels < 0)[:, None, None] | (rows < 0)[:, None] | (columns < 0)
    if not torch.equal(torch.where(blank, ZERO, made), elements):
        return None
    return Planes(channels, rows, columns)


def walk(picked: torch.Tensor, size: int) -> Walk | None:
    """The walk along an axis of `size` that picks these positions; None where there is none."""
    filled = (picked >= 0).nonzero().flatten()
    first, count = int(filled[0]), len(picked)
    stride = int(picked[filled[1]] - picked[filled[0]]) if len(filled) > 1 else size
    if len(filled) > 1 and int(filled[1]) != first + 1:
        return None
    if stride < 1:
        return None
    start = int(picked[first]) - stride * first
    positions = start + stride * torch.arange(count)
    inside = (positions >= 0) & (positions < size)
    if not torch.equal(torch.where(inside, positions, ZERO), picked):
        return None
    padding = max(0, -start, start + (count - 1) * stride - (size - 1))
    offset = start + padding
    kernel = max(offset + 1, size + 2 * padding - count * stride + 1)
    return Walk(kernel, offset, stride, padding)


def _upsampling(planes: Planes, shape: tuple[int, ...]) -> Upsample2d | None:
    channels, rows, columns = shape
    factor = (len(planes.rows) // rows, len(planes.columns) // columns)
    if factor in ((1, 1), (0, 0)) or 0 in factor:
        return None
    whole = (
        torch.equal(planes.channels, torch.arange(channels))
        and torch.equal(planes.rows, torch.arange(rows).repeat_interleave(factor[0]))
        and torch.equal(planes.columns, torch.arange(columns).repeat_interleave(factor[1]))
    )
    return Upsample2d(factor) if whole else None


def _selecting_matrix(elements: torch.Tensor, count: int) -> Linear | None:
    if len(elements) * count > LARGEST_MATRIX:
        return None
    return Linear(gathered(np.eye(len(elements), dtype=np.float32), elements, count))


def gathered(weight: Array, elements: torch.Tensor, count: int) -> Array:
    """The weight (out, count) on a whole population that does what `weight` does on `elements`."""
    made = np.zeros((len(weight), count), np.float64)
    filled = (elements >= 0).numpy()
    np.add.at(made.T, elements.numpy()[filled], np.asarray(weight, np.float64).T[filled])
    return frozen(made.astype(np.float32), np.float32)
