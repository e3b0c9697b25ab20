"""Sums, means and maxima over steps, pixels and neurons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from ..ir import Linear, MaxPool2d, SumPool2d, frozen
from .calls import Bound, Call, NotSupported
from .codes import Reading
from .placing import own_population, train_of
from .selecting import LARGEST_MATRIX, gathered
from .values import Kind, Layout, Unknown, Value, unknown


def total(
    call: Call, input: object, dim: object = None, keepdim: bool = False, **named: object
) -> Bound | None:
    """train.sum(0), and sums over pixels or features."""
    return _reduced(call, input, named.get("axis", dim), Kind.SUM, mean=False)


def mean(
    call: Call, input: object, dim: object = None, keepdim: bool = False, **named: object
) -> Bound | None:
    """train.mean(0), and means over pixels or features."""
    return _reduced(call, input, named.get("axis", dim), Kind.SUM, mean=True)


def largest(
    call: Call, input: object, dim: object = None, keepdim: bool = False, **named: object
) -> Bound | tuple[Bound | None, ...] | None:
    """train.max(0) and train.amax(0), and maxima over pixels."""
    if isinstance(call.result, torch.Tensor):
        return _reduced(call, input, named.get("axis", dim), Kind.MAX, mean=False)
    assert isinstance(call.result, Sequence)
    values = replace(call, result=call.result[0])
    value = _reduced(values, input, named.get("axis", dim), Kind.MAX, mean=False)
    return (value, unknown("found the index of a maximum, accepted the maximum itself"))


def _reduced(call: Call, input: object, dim: object, kind: Kind, mean: bool) -> Bound | None:
    found = call.bound(input)
    if found is None or isinstance(found, Unknown):
        return found
    assert isinstance(input, torch.Tensor)
    axes = _axes(call, input, dim)
    for part, over_steps, within in _ways(call, input, axes):
        value = _within_frames(call, part, within, kind, mean)
        if value is not None and over_steps:
            factor = 1.0 / value.steps if mean else 1.0
            value = Value(value.source, kind, value.steps, factor)
        if value is not None:
            return _shown(call, value)
    raise NotSupported(
        f"found {call.origin.function} over axis {_plain(dim)}, accepted it over the steps of a "
        "record, over pixels, or (sum and mean) over features; use AvgPool2d or MaxPool2d over "
        "pixels"
    )


def _shown(call: Call, value: Value) -> Bound:
    if value.kind in (Kind.SUM, Kind.MAX):
        if call.result_shape(value) == call.sketch.drafts[value.source].shape:
            return value
        return call.shown(call.per_step(value))
    return call.shown(value)


def _ways(
    call: Call, input: torch.Tensor, axes: set[int]
) -> Iterator[tuple[Reading, bool, set[int]]]:
    """What is reduced: over its steps or not, and over which axes of one frame."""
    codes = call.codes(input)
    for axis in sorted(axes):
        lead = {axis, next(other for other in (*range(input.ndim), -1) if other != axis)}
        behind = [other for other in range(input.ndim) if other not in lead]
        if lead & axes == {axis}:
            for reading in call.readings(codes.movedim(axis, 0)):
                if reading.kind is Kind.TRAIN and reading.layout is Layout.STEPS_FRAMES:
                    yield reading, True, {behind.index(other) for other in axes - lead}
    for reading in call.readings(codes):
        lead_count = 2 if reading.kind is Kind.TRAIN and not reading.layout.is_merged else 1
        if min(axes) >= lead_count:
            yield reading, False, {axis - lead_count for axis in axes}


def _within_frames(
    call: Call, part: Reading, axes: set[int], kind: Kind, mean: bool
) -> Value | None:
    """The population that reduces over these axes of one frame; None where no op does."""
    shape = tuple(part.elements.shape)
    pixels = set(range(1, len(shape)))
    value = own_population(call, part)
    if not axes:
        return value
    if value is not None and len(shape) in (2, 3) and axes <= pixels:
        kernel = tuple(shape[axis] if axis in axes else 1 for axis in sorted(pixels))
        rows, columns = kernel if len(kernel) == 2 else (1, kernel[0])
        window = (rows, columns)
        divisor = float(rows * columns) if mean else 1.0
        pooling = (
            MaxPool2d(window, window)
            if kind is Kind.MAX
            else SumPool2d(window, window, (0, 0), divisor)
        )
        pooled = call.node(pooling, value)
        return pooled if isinstance(pooled, Value) else None
    if kind is Kind.MAX:
        return None
    return _matrix(call, part, axes, mean)


def _matrix(call: Call, part: Reading, axes: set[int], mean: bool) -> Value | None:
    """Sums of features as a Linear with one synapse from each source."""
    shape = tuple(part.elements.shape)
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    if len(kept) > 1:
        return None
    outs = shape[kept[0]] if kept else 1
    if outs * part.elements.numel() > LARGEST_MATRIX:
        return None
    width = part.elements.numel() // outs
    weight = np.kron(np.eye(outs), np.full((1, width), 1.0 / width if mean else 1.0))
    ops, sources = [], []
    for source in part.sources:
        count = int(np.prod(call.sketch.drafts[source].shape))
        if outs * count > LARGEST_MATRIX:
            return None
        own = part.elements_of(source).permute(*kept, *sorted(axes)).reshape(-1)
        ops.append(call.unique(Linear(gathered(frozen(weight, np.float32), own, count))))
        sources.append(train_of(call, source, part))
    made = call.nodes(ops, sources)
    return made if isinstance(made, Value) else None


def _axes(call: Call, input: torch.Tensor, dim: object) -> set[int]:
    if dim is None or (isinstance(dim, Sequence) and not dim):
        return set(range(input.ndim))
    dims = [dim] if isinstance(dim, int) else dim
    if not isinstance(dims, Sequence) or not all(isinstance(item, int) for item in dims):
        raise NotSupported(
            f"found {call.origin.function} with {_plain(dim)}, accepted an axis of a record of "
            "steps or of pixels"
        )
    return {int(item) % input.ndim for item in dims}


def _plain(dim: object) -> object:
    return "a tensor" if isinstance(dim, torch.Tensor) else dim
