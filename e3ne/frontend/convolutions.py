"""Convolutions, also over one axis and transposed ones, as Conv2d."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from ..ir import Array, Conv2d, Upsample2d, frozen
from .calls import Call, NotSupported, Traced
from .placing import train_of
from .selecting import padding_alone
from .sketch import Origin
from .values import Moved, population_shape

Size = int | Sequence[int]
Pair = tuple[int, int]


def conv2d(
    call: Call,
    input: object,
    weight: torch.Tensor,
    bias: object = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Traced:
    """torch.nn.functional.conv2d, zero padding; 'same' where it is the same on both sides."""
    return _convolution(call, input, weight, bias, stride, padding, dilation, groups)


def conv1d(
    call: Call,
    input: object,
    weight: torch.Tensor,
    bias: object = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Traced:
    """torch.nn.functional.conv1d: an image of one row."""
    return _convolution(call, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose2d(
    call: Call,
    input: object,
    weight: torch.Tensor,
    bias: object = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Traced:
    """Transposed convolution: zeros between the pixels, then the mirrored kernel."""
    return _transposed(call, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose1d(
    call: Call,
    input: object,
    weight: torch.Tensor,
    bias: object = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Traced:
    """The same over an image of one row."""
    return _transposed(call, input, weight, bias, stride, padding, output_padding, groups, dilation)


def pair(size: object, axes: int, single: int) -> Pair:
    """(rows, columns) from torch's argument over 1 or 2 axes; `single` for the row of one axis."""
    sizes = [size] if isinstance(size, int) else list(size)  # type: ignore[call-overload]
    if axes == 1:
        return (single, int(sizes[-1]))
    return (int(sizes[0]), int(sizes[-1]))


def _convolution(
    call: Call,
    input: object,
    weight: torch.Tensor,
    bias: object,
    stride: Size,
    padding: Size | str,
    dilation: Size,
    groups: int,
) -> Traced:
    axes = weight.ndim - 2
    kernel = _kernel(call, weight)
    spread = pair(dilation, axes, 1)
    if isinstance(padding, str):
        around = _named_padding(padding, kernel, spread)
    else:
        around = pair(padding, axes, 0)
    source, more = _without_padding(call, input)
    call.check_frames(source, weight.ndim - 1)
    around = (around[0] + more[0], around[1] + more[1])
    op = Conv2d(kernel, call.bias(bias), pair(stride, axes, 1), around, spread, groups)
    return call.node(op, source)


def _kernel(call: Call, weight: torch.Tensor) -> Array:
    kernel = call.weight(weight)
    if kernel.ndim == 4:
        return kernel
    return call.arrays.unique(frozen(kernel[:, :, None, :], np.float32))


def _named_padding(padding: str, kernel: Array, dilation: Pair) -> Pair:
    if padding == "valid":
        return (0, 0)
    rows, columns = (d * (k - 1) for d, k in zip(dilation, kernel.shape[2:], strict=True))
    if rows % 2 or columns % 2:
        raise NotSupported(
            f"found padding='same' with a kernel of {kernel.shape[2:]}, accepted odd "
            "kernels there; give the padding as numbers"
        )
    return (rows // 2, columns // 2)


def _without_padding(call: Call, input: object) -> tuple[object, Pair]:
    """What was padded with zeros, as many on both sides, and with how many; else `input`, (0, 0).

    Padding in front of a convolution becomes the convolution's.
    """
    found = call.bound(input)
    if isinstance(found, Moved):
        for reading in call.readings(found.codes):
            wanted = population_shape(tuple(reading.elements.shape))
            if wanted is None or len(reading.sources) != 1:
                continue
            (source,) = reading.sources
            shape = call.sketch.drafts[source].shape
            around = padding_alone(reading.elements_of(source).reshape(wanted), shape)
            if around is not None:
                return train_of(call, source, reading), around
    return input, (0, 0)


def _transposed(
    call: Call,
    input: object,
    weight: torch.Tensor,
    bias: object,
    stride: Size,
    padding: Size,
    output_padding: Size,
    groups: int,
    dilation: Size,
) -> Traced:
    axes = weight.ndim - 2
    forward = _mirrored(_kernel(call, weight), groups)
    kernel = (forward.shape[2], forward.shape[3])
    steps, spread = pair(stride, axes, 1), pair(dilation, axes, 1)
    inner, outer = pair(padding, axes, 0), pair(output_padding, axes, 0)
    around = (
        spread[0] * (kernel[0] - 1) - inner[0],
        spread[1] * (kernel[1] - 1) - inner[1],
    )
    crop = (steps[0] - 1 - outer[0], steps[1] - 1 - outer[1])
    if min(around) < 0 or min(crop) < 0:
        raise NotSupported(
            f"found a transposed convolution with kernel {kernel}, stride {steps}, padding {inner} "
            f"and output_padding {outer}, accepted a padding below the kernel's and an "
            "output_padding below the stride; choose smaller ones"
        )
    call.check_frames(input, weight.ndim - 1)
    source: object = input
    if steps != (1, 1):
        origin = Origin(call.origin.path, False, "upsample")
        spaced = replace(call, origin=origin)
        source = spaced.node(Upsample2d(steps, "zero", crop), input)
    kernel_array = call.arrays.unique(forward)
    return call.node(Conv2d(kernel_array, call.bias(bias), (1, 1), around, spread, groups), source)


def _mirrored(weight: Array, groups: int) -> Array:
    """(in, out / groups, ...) of a transposed convolution as (out, in / groups, ...), mirrored."""
    parts = np.split(weight, groups, axis=0)
    turned = np.concatenate([part.transpose(1, 0, 2, 3) for part in parts], axis=0)
    return frozen(turned[:, :, ::-1, ::-1], np.float32)
