"""Pooling over one axis or two, fixed and adaptive, and nearest-neighbour upsampling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..ir import Linear, MaxPool2d, SumPool2d, Upsample2d, frozen
from .calls import Bound, Call, NotSupported, Traced
from .convolutions import Pair, Size, pair
from .placing import train_of
from .values import Moved, Value


def max_pool2d(
    call: Call,
    input: object,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Traced:
    """torch.nn.functional.max_pool2d."""
    return _max_pool(call, input, 2, kernel_size, stride, padding, dilation, return_indices)


def max_pool1d(
    call: Call,
    input: object,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Traced:
    """torch.nn.functional.max_pool1d: an image of one row."""
    return _max_pool(call, input, 1, kernel_size, stride, padding, dilation, return_indices)


def avg_pool2d(
    call: Call,
    input: object,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Bound:
    """torch.nn.functional.avg_pool2d: a sum with a divisor."""
    kernel = pair(kernel_size, 2, 1)
    around = pair(padding, 2, 0)
    _check_padding(around, count_include_pad)
    divisor = float(divisor_override or kernel[0] * kernel[1])
    call.check_frames(input, 3)
    pooling = SumPool2d(kernel, _stride(stride, kernel, 2), around, divisor)
    return _whole_windows(call, call.node(pooling, input))


def avg_pool1d(
    call: Call,
    input: object,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Bound:
    """torch.nn.functional.avg_pool1d: an image of one row, or groups of features (voting)."""
    kernel = pair(kernel_size, 1, 1)
    around = pair(padding, 1, 0)
    _check_padding(around, count_include_pad)
    steps = _stride(stride, kernel, 1)
    if not any(around) and (voted := _vote(call, input, kernel[1], steps[1])) is not None:
        return voted
    call.check_frames(input, 2)
    pooling = SumPool2d(kernel, steps, around, float(kernel[1]))
    return _whole_windows(call, call.node(pooling, input))


def lp_pool2d(
    call: Call,
    input: object,
    norm_type: float,
    kernel_size: Size,
    stride: Size | None = None,
    ceil_mode: bool = False,
) -> Traced:
    """torch.nn.functional.lp_pool2d of norm 1: a sum, as sinabs's SumPool2d calls it."""
    if norm_type != 1:
        raise NotSupported(
            f"found pooling by a norm of {norm_type:g}, accepted 1, which is a sum; use AvgPool2d "
            "or MaxPool2d"
        )
    kernel = pair(kernel_size, 2, 1)
    call.check_frames(input, 3)
    return _whole_windows(call, call.node(SumPool2d(kernel, _stride(stride, kernel, 2)), input))


def adaptive_avg_pool2d(call: Call, input: object, output_size: object) -> Traced:
    """torch.nn.functional.adaptive_avg_pool2d where the output size divides the input's."""
    kernel = _dividing_kernel(call, input, 2)
    return call.node(SumPool2d(kernel, kernel, (0, 0), float(kernel[0] * kernel[1])), input)


def adaptive_avg_pool1d(call: Call, input: object, output_size: object) -> Traced:
    """The same over an image of one row."""
    kernel = _dividing_kernel(call, input, 1)
    return call.node(SumPool2d(kernel, kernel, (0, 0), float(kernel[0] * kernel[1])), input)


def adaptive_max_pool2d(
    call: Call, input: object, output_size: object, return_indices: bool = False
) -> Traced | tuple[Traced | None, ...]:
    """torch.nn.functional.adaptive_max_pool2d where the output size divides the input's."""
    kernel = _dividing_kernel(call, input, 2)
    return _values_only(call, call.node(MaxPool2d(kernel, kernel), input), return_indices)


def adaptive_max_pool1d(
    call: Call, input: object, output_size: object, return_indices: bool = False
) -> Traced | tuple[Traced | None, ...]:
    """The same over an image of one row."""
    kernel = _dividing_kernel(call, input, 1)
    return _values_only(call, call.node(MaxPool2d(kernel, kernel), input), return_indices)


def interpolate(
    call: Call,
    input: torch.Tensor,
    size: object = None,
    scale_factor: object = None,
    mode: str = "nearest",
    *options: object,
    **named: object,
) -> Traced:
    """torch.nn.functional.interpolate to whole multiples: every pixel becomes a block."""
    assert isinstance(call.result, torch.Tensor)
    axes = input.ndim - 2
    call.check_frames(input, input.ndim - 1)
    sizes = list(zip(input.shape[2:], call.result.shape[2:], strict=True))
    whole = all(large % small == 0 for small, large in sizes)
    if mode not in ("nearest", "nearest-exact") or not whole or axes > 2:
        raise NotSupported(
            f"found interpolation ({mode}) from {tuple(input.shape[2:])} to "
            f"{tuple(call.result.shape[2:])}, accepted mode='nearest' to whole multiples; use "
            "Upsample(scale_factor=2) or ConvTranspose2d"
        )
    factor = pair([large // small for small, large in sizes], axes, 1)
    return call.node(Upsample2d(factor), input)


def _max_pool(
    call: Call,
    input: object,
    axes: int,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    dilation: Size,
    return_indices: bool,
) -> Traced:
    if pair(dilation, axes, 1) != (1, 1) or return_indices:
        raise NotSupported(
            "found max pooling with dilation or indices, accepted neither; leave them out"
        )
    value = call.value(input)
    unsigned = not isinstance(value, Value) or call.sketch.sends_unsigned(value.source)
    around = pair(padding, axes, 0)
    if any(around) and not unsigned:
        raise NotSupported(
            "found max pooling with padding over values that may be negative, accepted it "
            "behind ReLU or spikes; move the ReLU before the pooling"
        )
    call.check_frames(input, axes + 1)
    kernel = pair(kernel_size, axes, 1)
    pooled = call.node(MaxPool2d(kernel, _stride(stride, kernel, axes), around), input)
    return _whole_windows(call, pooled)


def _whole_windows(call: Call, pooled: Traced) -> Traced:
    """`pooled`, if torch's result is no larger: ceil_mode may add windows over the edge."""
    if isinstance(pooled, Value):
        found, whole = call.result_shape(pooled), call.sketch.drafts[pooled.source].shape
        if found != whole:
            raise NotSupported(
                f"found a result of shape {found} from pooling with ceil_mode=True, which adds "
                f"windows over the edge, accepted {whole}, whole windows; leave out ceil_mode"
            )
    return pooled


def _check_padding(padding: Pair, count_include_pad: bool) -> None:
    if any(padding) and not count_include_pad:
        raise NotSupported(
            "found average pooling with count_include_pad=False, accepted True where there is "
            "padding; set it to True"
        )


def _stride(stride: object, kernel: Pair, axes: int) -> Pair:
    if stride is None or (isinstance(stride, Sequence) and not stride):
        return kernel
    return pair(stride, axes, 1)


def _dividing_kernel(call: Call, input: object, axes: int) -> Pair:
    """The window of an adaptive pooling."""
    value = call.value(input)
    call.check_frames(input, axes + 1)
    if not isinstance(value, Value):
        return (1, 1)
    size = call.sketch.drafts[value.source].shape[1:]
    result = call.result[0] if isinstance(call.result, tuple) else call.result
    shape = call.frame_shape(value, result)
    wanted = shape[1:] if axes == 2 else (1, shape[-1])
    if any(have % want for have, want in zip(size, wanted, strict=True)):
        shown = (size, wanted) if axes == 2 else (size[-1], wanted[-1])
        raise NotSupported(
            f"found adaptive pooling from {shown[0]} to {shown[1]}, accepted sizes that divide; "
            "use AvgPool2d or MaxPool2d with a kernel"
        )
    return (size[0] // wanted[0], size[1] // wanted[1])


def _values_only(
    call: Call, pooled: Traced, return_indices: bool
) -> Traced | tuple[Traced | None, ...]:
    if return_indices:
        raise NotSupported(
            "found max pooling with dilation or indices, accepted neither; leave them out"
        )
    return (pooled, None) if isinstance(call.result, tuple) else pooled


def _vote(call: Call, input: object, kernel: int, stride: int) -> Bound | None:
    """The mean of groups of features, seen as (frames, 1, features); None where it is an image."""
    found = call.bound(input)
    if not isinstance(found, Moved):
        return None
    for reading in call.readings(found.codes):
        if not reading.is_in_order or tuple(reading.elements.shape[:-1]) not in ((1,), ()):
            continue
        (source,) = reading.sources
        count = reading.elements.numel()
        if call.sketch.drafts[source].shape != (count,):
            continue
        groups = (count - kernel) // stride + 1
        weight = np.zeros((groups, count), np.float32)
        for group in range(groups):
            weight[group, group * stride : group * stride + kernel] = 1 / kernel
        op = call.unique(Linear(frozen(weight, np.float32)))
        return call.shown(call.node(op, train_of(call, source, reading)))
    return None
