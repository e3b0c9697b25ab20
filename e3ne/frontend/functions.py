"""What each torch function means: one handler a function, with the arguments torch gives it.

A handler answers with what the result stands for (a tuple of it where torch returns several
tensors), or raises NotSupported. `nn` modules need no handlers: they call these functions.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch

from ..ir import Array, ChannelAffine, Identity, Linear, Op, Rectify
from .calls import Bound, Call, NotSupported, Traced
from .codes import Reading
from .placing import own_population, train_of
from .selecting import gathered
from .values import Moved, Value

Handler = Callable[..., Bound | tuple[Bound | None, ...] | None]


def linear(call: Call, input: object, weight: torch.Tensor, bias: object = None) -> Traced:
    """torch.nn.functional.linear; features that were moved are moved in the weights."""
    array = call.weight(weight)
    found = call.bound(input)
    if isinstance(found, Moved):
        for reading in call.readings(found.codes):
            if reading.elements.ndim == 1 and own_population(call, reading) is None:
                return _gathering(call, reading, array, call.bias(bias))
    return call.node(Linear(array, call.bias(bias)), input)


def _gathering(call: Call, reading: Reading, weight: Array, bias: Array | None) -> Traced:
    """One synapse from each population that the features come from."""
    ops: list[Op] = []
    sources: list[Value] = []
    for source in reading.sources:
        count = prod(call.sketch.drafts[source].shape)
        moved = gathered(weight, reading.elements_of(source), count)
        ops.append(call.unique(Linear(moved, None if ops else bias)))
        sources.append(train_of(call, source, reading))
    return call.nodes(ops, sources)


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
    call.check_frames(input, input.ndim - 1 if isinstance(input, torch.Tensor) else 1)
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


def same(call: Call, input: object, *args: object, **named: object) -> Bound | None:
    """Functions that change no number: clone, detach, casts between floating types."""
    return call.bound(input)


def dropout(
    call: Call, input: object, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Bound | None:
    """Dropout vanishes in evaluation."""
    if training and p > 0:
        raise NotSupported(
            f"found {call.origin.function} that is active in evaluation, accepted an inactive "
            "one; pass training=self.training"
        )
    return call.bound(input)


def _plain(bound: object) -> object:
    return "a tensor" if isinstance(bound, torch.Tensor) else bound
