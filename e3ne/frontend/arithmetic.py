"""Sums of activations, arithmetic with constants, and what models do along the time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from ..ir import ChannelAffine, Identity, Op
from .calls import Call, NotSupported, Traced
from .values import Kind, Moved, Unknown, Value, unknown


def add(call: Call, input: object, other: object, alpha: float = 1) -> Traced | None:
    """x + y: two synapses into one population; the running sum of a time loop; x + constant."""
    if call.bound(input) is None or call.bound(other) is None:
        traced, constant = (other, input) if call.bound(input) is None else (input, other)
        gain = alpha if traced is other else 1.0
        numbers = _numbers(constant) * (alpha if traced is input else 1.0)
        if _is_zero(numbers) and gain == 1:
            return call.value(traced)
        return call.affine(traced, gain, numbers)
    left, right = _together(call, input, other)
    if isinstance(left, Value) and isinstance(right, Value) and alpha == 1:
        total = _running_sum(left, right) or _running_sum(right, left)
        if total is not None:
            return total
    return call.nodes([Identity(), _times(call, alpha)], [left, right])


def subtract(call: Call, input: object, other: object, alpha: float = 1) -> Traced | None:
    """x - y, where y may be activations too: their weights get the sign."""
    return add(call, input, other, -alpha)


def subtract_from(call: Call, input: object, other: object, alpha: float = 1) -> Traced | None:
    """torch.rsub and constant - x."""
    return add(call, other, input, -alpha)


def negate(call: Call, input: object) -> Traced | None:
    """-x."""
    return call.affine(input, -1.0, 0.0)


def multiply(call: Call, input: object, other: object) -> Traced | None:
    """x * constant."""
    left, right = call.bound(input), call.bound(other)
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
    if call.bound(other) is not None or rounding_mode is not None:
        raise NotSupported(
            "found a division by an activation or one that rounds, accepted division by constants"
        )
    return _scaled(call, input, 1.0 / _numbers(other))


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


def _together(call: Call, *items: object) -> list[Traced | None]:
    """The operands as populations with frames and steps where the result has them."""
    values = [call.value(item) for item in items]
    result = call.result
    assert isinstance(result, torch.Tensor)
    shapes = [item.shape if isinstance(item, torch.Tensor) else None for item in items]
    trains = [
        value
        for value, shape in zip(values, shapes, strict=True)
        if isinstance(value, Value) and value.kind is Kind.TRAIN and shape == result.shape
    ]
    made: list[Traced | None] = []
    for item, value in zip(items, values, strict=True):
        if isinstance(item, torch.Tensor) and isinstance(value, Value):
            if trains and (item.shape != result.shape or value.kind is not Kind.TRAIN):
                value = call.train(_broadcast(call, item, result.shape), trains[0].layout)
            elif item.shape != result.shape:
                value = call.value(_broadcast(call, item, result.shape))
        made.append(value)
    return made


def _broadcast(call: Call, tensor: torch.Tensor, shape: torch.Size) -> Moved:
    return Moved(
        call.codes(tensor).broadcast_to(shape),
        call.origin,
        f"found {call.origin.function} of {tuple(tensor.shape)} and {tuple(shape)}, accepted equal "
        "shapes, or one frame's shape for all steps; leave out broadcasting",
    )


def _times(call: Call, factor: float) -> Op:
    if factor == 1:
        return Identity()
    return ChannelAffine(call.constant([factor]), call.constant([0.0]))


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
