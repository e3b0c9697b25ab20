"""What each torch function means: one handler a function, with the arguments torch gives it.

A handler answers with what the result stands for (a tuple of it where torch returns several
tensors), or raises NotSupported. `nn` modules need no handlers: they call these functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ..ir import (
    Array,
    ChannelAffine,
    Conv2d,
    Flatten,
    Identity,
    Linear,
    MaxPool2d,
    Rectify,
    SumPool2d,
)
from .calls import Call, NotSupported, Traced
from .values import Kind, Value

Handler = Callable[..., Traced | tuple[Traced | None, ...] | None]
Size = int | tuple[int, ...]


def linear(call: Call, input: object, weight: torch.Tensor, bias: object = None) -> Traced:
    """torch.nn.functional.linear."""
    return call.node(Linear(_weight(call, weight), _bias(call, bias)), input)


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
    if padding == "valid":
        padding = 0
    if isinstance(padding, str):
        totals = [d * (k - 1) for d, k in zip(_pair(dilation), weight.shape[2:], strict=True)]
        if any(total % 2 for total in totals):
            raise NotSupported(
                f"found padding='same' with a kernel of {tuple(weight.shape[2:])}, accepted odd "
                "kernels there; give the padding as numbers"
            )
        padding = tuple(total // 2 for total in totals)
    op = Conv2d(
        _weight(call, weight),
        _bias(call, bias),
        _pair(stride),
        _pair(padding),
        _pair(dilation),
        groups,
    )
    return call.node(op, input)


def batch_norm(
    call: Call,
    input: object,
    running_mean: torch.Tensor | None,
    running_var: torch.Tensor | None,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Traced:
    """torch.nn.functional.batch_norm in evaluation: a factor and an offset a channel."""
    if training or running_mean is None or running_var is None:
        raise NotSupported(
            "found batch normalisation with the statistics of the batch, accepted running "
            "statistics; train with track_running_stats=True"
        )
    gain = (running_var.double() + eps).rsqrt()
    gain = gain if weight is None else gain * weight
    offset = -running_mean * gain
    offset = offset if bias is None else offset + bias
    return call.node(
        ChannelAffine(call.constant(gain.detach()), call.constant(offset.detach())), input
    )


def relu(call: Call, input: object, inplace: bool = False) -> Traced:
    """ReLU."""
    return call.node(Identity(), input, Rectify())


def relu6(call: Call, input: object, inplace: bool = False) -> Traced:
    """ReLU clipped at 6."""
    return call.node(Identity(), input, Rectify(6.0))


def clamp(call: Call, input: object, min: object = None, max: object = None) -> Traced:
    """torch.clamp(x, 0, bound): clipped ReLU."""
    numbers = [isinstance(bound, int | float) or bound is None for bound in (min, max)]
    if not all(numbers) or min is None or min != 0 or (max is not None and not max > 0):  # type: ignore[operator]
        raise NotSupported(
            f"found a clamp from {_plain(min)} to {_plain(max)}, accepted 0 to a number above 0; "
            "use torch.clamp(x, 0, bound)"
        )
    return call.node(Identity(), input, Rectify(None if max is None else float(max)))  # type: ignore[arg-type]


def hardtanh(
    call: Call, input: object, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Traced:
    """torch.nn.functional.hardtanh from 0 (ReLU6 too)."""
    return clamp(call, input, min_val, max_val)


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
    if _pair(dilation) != (1, 1) or return_indices:
        raise NotSupported(
            "found max pooling with dilation or indices, accepted neither; leave them out"
        )
    value = call.value(input)
    unsigned = not isinstance(value, Value) or call.sketch.sends_unsigned(value.source)
    if any(_pair(padding)) and not unsigned:
        raise NotSupported(
            "found max pooling with padding over values that may be negative, accepted it "
            "behind ReLU or spikes; move the ReLU before the pooling"
        )
    return call.node(
        MaxPool2d(_pair(kernel_size), _stride(stride, kernel_size), _pair(padding)), input
    )


def avg_pool2d(
    call: Call,
    input: object,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Traced:
    """torch.nn.functional.avg_pool2d: a sum with a divisor."""
    if any(_pair(padding)) and not count_include_pad:
        raise NotSupported(
            "found average pooling with count_include_pad=False, accepted True where there is "
            "padding; set it to True"
        )
    kernel = _pair(kernel_size)
    divisor = float(divisor_override or kernel[0] * kernel[1])
    return call.node(
        SumPool2d(kernel, _stride(stride, kernel_size), _pair(padding), divisor), input
    )


def adaptive_avg_pool2d(call: Call, input: object, output_size: object) -> Traced:
    """torch.nn.functional.adaptive_avg_pool2d where the output size divides the input's."""
    value = call.value(input)
    if not isinstance(value, Value):
        return call.node(Identity(), input)
    size = call.sketch.drafts[value.source].shape[1:]
    wanted = call.result_shape(value)[1:]
    if len(size) != 2 or any(have % want for have, want in zip(size, wanted, strict=True)):
        raise NotSupported(
            f"found adaptive pooling from {size} to {wanted}, accepted sizes that divide; "
            "use AvgPool2d with a kernel"
        )
    kernel = (size[0] // wanted[0], size[1] // wanted[1])
    return call.node(SumPool2d(kernel, kernel, (0, 0), float(kernel[0] * kernel[1])), input)


def reshape(call: Call, input: object, *sizes: object, **named: object) -> Traced:
    """view, reshape, flatten, squeeze: nothing changes, or all but the frames is flattened."""
    value = call.value(input)
    if not isinstance(value, Value):
        return call.node(Identity(), input)
    value = call.per_step(value)
    assert isinstance(input, torch.Tensor)
    assert isinstance(call.result, torch.Tensor)
    before = call.sketch.drafts[value.source].shape
    after = call.result_shape(value)
    lead = 2 if value.kind is Kind.TRAIN else 1
    if input.shape[:lead] == call.result.shape[:lead]:
        if after == before:
            return value
        if len(after) == 1:
            return call.node(Flatten(), input)
    raise NotSupported(
        f"found {call.origin.function} from {tuple(input.shape)} to {tuple(call.result.shape)}, "
        "accepted flattening of everything but the frames; use torch.flatten(x, 1)"
    )


def same(call: Call, input: object, *args: object, **named: object) -> Traced | None:
    """Functions that change no number: clone, detach, casts between floating types."""
    return call.value(input)


def dropout(
    call: Call, input: object, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Traced | None:
    """Dropout vanishes in evaluation."""
    if training and p > 0:
        raise NotSupported(
            f"found {call.origin.function} that is active in evaluation, accepted an inactive "
            "one; pass training=self.training"
        )
    return call.value(input)


def _weight(call: Call, weight: torch.Tensor) -> Array:
    if call.value(weight) is not None:
        raise NotSupported(
            f"found {call.origin.function} with a weight that depends on the input, accepted "
            "constant weights; products of two activations have no hardware here"
        )
    return call.arrays.array(weight)


def _bias(call: Call, bias: object) -> Array | None:
    return _weight(call, bias) if isinstance(bias, torch.Tensor) else None


def _pair(size: object) -> tuple[int, int]:
    if isinstance(size, int):
        return (size, size)
    assert isinstance(size, Sequence)
    return (int(size[0]), int(size[-1]))


def _stride(stride: object, kernel: object) -> tuple[int, int]:
    return _pair(kernel) if stride is None or stride == [] else _pair(stride)


def _plain(bound: object) -> object:
    return "a tensor" if isinstance(bound, torch.Tensor) else bound
