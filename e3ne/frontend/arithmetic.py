"""Sums of activations, arithmetic with constants, and what models do along the time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from ..ir import Flatten, Identity, SumPool2d
from .calls import Call, NotSupported, Traced
from .values import Kind, Unknown, Value, unknown


def add(call: Call, input: object, other: object, alpha: float = 1) -> Traced | None:
    """x + y: two synapses into one population; the running sum of a time loop; x + constant."""
    if alpha != 1:
        raise NotSupported(f"found alpha={alpha} in an addition, accepted 1")
    left, right = call.value(input), call.value(other)
    if left is None or right is None:
        traced, constant = (other, input) if left is None else (input, other)
        if _is_zero(constant):
            return call.value(traced)
        return call.affine(traced, 1.0, constant)
    if isinstance(left, Value) and isinstance(right, Value):
        total = _running_sum(left, right) or _running_sum(right, left)
        if total is not None:
            return total
    return call.nodes([Identity(), Identity()], [input, other])


def subtract(call: Call, input: object, other: object, alpha: float = 1) -> Traced | None:
    """x - constant."""
    if alpha != 1 or call.value(other) is not None:
        raise NotSupported(
            "found a difference of activations, accepted sums; negate the weights that make the "
            "second one and add"
        )
    if _is_zero(other):
        return call.value(input)
    return call.affine(input, 1.0, -_numbers(other))


def multiply(call: Call, input: object, other: object) -> Traced | None:
    """x * constant."""
    left, right = call.value(input), call.value(other)
    if left is not None and right is not None:
        raise NotSupported(
            "found a product of two activations, accepted products with constants; gating and "
            "attention have no hardware here"
        )
    traced, constant = (other, input) if left is None else (input, other)
    return _scaled(call, traced, _numbers(constant))


def divide(
    call: Call, input: object, other: object, rounding_mode: str | None = None
) -> Traced | None:
    """x / constant."""
    if call.value(other) is not None or rounding_mode is not None:
        raise NotSupported(
            "found a division by an activation or one that rounds, accepted division by constants"
        )
    return _scaled(call, input, 1.0 / _numbers(other))


def get_item(call: Call, input: object, index: object) -> Traced | None:
    """train[step]."""
    value = call.value(input)
    if not isinstance(value, Value):
        return value
    assert isinstance(input, torch.Tensor)
    if isinstance(index, tuple) and len(index) >= 1 and all(_is_all(item) for item in index[1:]):
        index = index[0]
    if value.kind is Kind.TRAIN and isinstance(index, int):
        return Value(value.source, Kind.STEP, index % value.steps)
    if isinstance(index, int):
        raise NotSupported(
            f"found x[{index}] on activations of one step, where the first axis counts frames; "
            "if it is meant to count steps, pass input_has_steps=True"
        )
    raise NotSupported(
        "found indexing or slicing of activations, accepted x[step] of a tensor with the steps "
        "first; put time on the first axis and use every channel"
    )


def unbind(call: Call, input: object, dim: int = 0) -> tuple[Traced | None, ...]:
    """for step in train."""
    assert isinstance(call.result, Sequence)
    if dim != 0:
        raise NotSupported(f"found unbind along axis {dim}, accepted the steps, axis 0")
    return tuple(get_item(call, input, index) for index in range(len(call.result)))


def stack(call: Call, tensors: Sequence[object], dim: int = 0) -> Traced:
    """torch.stack of one population's steps, all of them, in order."""
    found = [call.value(tensor) for tensor in tensors]
    if dim != 0:
        raise NotSupported(f"found torch.stack along axis {dim}, accepted the steps as axis 0")
    return stacked(found)


def stacked(found: Sequence[Traced | None]) -> Traced:
    """The train that a list of steps makes; NotSupported where it is no complete list of them."""
    if any(isinstance(item, Unknown) for item in found):
        return unknown(*(item for item in found if item is not None))
    steps = [item for item in found if isinstance(item, Value) and item.kind is Kind.STEP]
    complete = [item.steps for item in steps] == list(range(len(found)))
    if not complete or len({item.source for item in steps}) != 1:
        raise NotSupported(
            "found a record that is not the same population at every step in order, accepted one "
            "entry a step; record one population's spikes (or membrane) in every step"
        )
    return Value(steps[0].source, Kind.TRAIN, len(found))


def total(
    call: Call, input: object, dim: object = None, keepdim: bool = False, **named: object
) -> Traced | None:
    """train.sum(0)."""
    return _reduced(call, input, dim, keepdim, Kind.SUM, 1.0)


def mean(
    call: Call, input: object, dim: object = None, keepdim: bool = False, **named: object
) -> Traced | None:
    """train.mean(0), and the mean over all pixels of a channel."""
    value = call.value(input)
    if isinstance(value, Value) and isinstance(input, torch.Tensor) and _is_pixels(dim, input):
        kernel = (int(input.shape[-2]), int(input.shape[-1]))
        pooled = call.node(SumPool2d(kernel, kernel, (0, 0), float(kernel[0] * kernel[1])), input)
        return pooled if keepdim else call.node(Flatten(), pooled)
    steps = value.steps if isinstance(value, Value) and value.kind is Kind.TRAIN else 1
    return _reduced(call, input, dim, keepdim, Kind.SUM, 1.0 / steps)


def largest(
    call: Call, input: object, dim: object = None, keepdim: bool = False
) -> Traced | tuple[Traced | None, ...] | None:
    """train.max(0) and train.amax(0)."""
    value = _reduced(call, input, dim, keepdim, Kind.MAX, 1.0)
    if isinstance(call.result, torch.Tensor):
        return value
    return (value, unknown("found the index of a maximum, accepted the maximum itself"))


def _reduced(
    call: Call, input: object, dim: object, keepdim: bool, kind: Kind, factor: float
) -> Traced | None:
    value = call.value(input)
    if not isinstance(value, Value):
        return value
    over_steps = isinstance(dim, int | tuple | list) and dim in (0, (0,), [0])
    if value.kind is not Kind.TRAIN or not over_steps or keepdim:
        axis = "a tensor" if isinstance(dim, torch.Tensor) else dim
        raise NotSupported(
            f"found {call.origin.function} over axis {axis}, accepted it over the steps of a "
            "record (axis 0 of a stack); use AvgPool2d or MaxPool2d over pixels"
        )
    return Value(value.source, kind, value.steps, factor)


def _running_sum(total: Value, step: Value) -> Value | None:
    if step.kind is not Kind.STEP or total.source != step.source:
        return None
    starts = total.kind is Kind.STEP and total.steps == 0 and step.steps == 1
    goes_on = total.kind is Kind.SUM and total.steps == step.steps and total.factor == 1.0
    return Value(step.source, Kind.SUM, step.steps + 1) if starts or goes_on else None


def _scaled(call: Call, traced: object, factor: torch.Tensor) -> Traced | None:
    value = call.value(traced)
    if isinstance(value, Value) and value.kind is Kind.SUM and factor.numel() == 1:
        return replace(value, factor=value.factor * float(factor))
    return call.affine(traced, factor, 0.0)


def _numbers(constant: object) -> torch.Tensor:
    return torch.as_tensor(constant, dtype=torch.float64)


def _is_zero(constant: object) -> bool:
    return not bool(_numbers(constant).any())


def _is_pixels(dim: object, input: torch.Tensor) -> bool:
    if not isinstance(dim, list | tuple) or input.ndim < 4:
        return False
    return {axis % input.ndim for axis in dim} == {input.ndim - 2, input.ndim - 1}


def _is_all(index: object) -> bool:
    return index is Ellipsis or index == slice(None)
