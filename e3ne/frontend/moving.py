"""Functions that move elements and change none, along the axes of steps, frames or neurons.

They are called a second time on codes (`codes.py`). What they make is a population again (as it
is, or flattened), or `Moved`: nobody's own order, which is turned into a population (one that
selects) when somebody computes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import torch

from .calls import Bound, Call, NotSupported
from .codes import ZERO, codes_of
from .placing import own_population
from .values import Kind, Moved, Unknown, Value, unknown

JOINING = frozenset(
    ["stack", "cat", "concat", "concatenate", "hstack", "vstack", "dstack", "column_stack"]
)


def move(call: Call, *args: Any, **named: Any) -> Bound | tuple[Bound, ...] | None:
    """The function on codes, whatever it is."""
    tensors = list(call.tensors((args, named)))
    bounds = [call.bound(tensor) for tensor in tensors]
    unknowns = [item for item in bounds if isinstance(item, Unknown)]
    if unknowns:
        return unknown(*unknowns)
    values = [item for item in bounds if isinstance(item, Value)]
    if len(tensors) == 1 and values and values[0].kind in (Kind.SUM, Kind.MAX):
        kept = _moved_sum(call, values[0], tensors[0], args, named)
        if kept is not None:
            return kept
    codes = _applied(call, call.codes, args, named)
    if isinstance(codes, torch.Tensor):
        found = bound(call, codes, tensors)
        if isinstance(found, Moved):
            codes = _at_one_step(call, tensors, args, named)
            return found if codes is None else bound(call, codes, tensors)
        return found
    return tuple(bound(call, item, tensors) for item in codes)


def pad(
    call: Call,
    input: object,
    pad: Sequence[int],
    mode: str = "constant",
    value: float | None = None,
) -> Bound | tuple[Bound, ...] | None:
    """torch.nn.functional.pad with zeros."""
    if mode != "constant" or value:
        raise NotSupported(
            f"found padding with {mode if mode != 'constant' else value}, accepted zeros; use "
            "padding_mode='zeros'"
        )
    return move(call, input, pad, value=ZERO)


def assign(call: Call, target: torch.Tensor, index: Any, entry: Any) -> Bound:
    """target[index] = entry: a record of zeros that a time loop fills."""
    for tensor in call.tensors([target, entry, index]):
        found = call.bound(tensor)
        if isinstance(found, Unknown):
            return found
    codes = (_constant(target) if call.bound(target) is None else call.codes(target)).clone()
    if call.bound(entry) is not None:
        codes[index] = call.codes(entry)
    else:
        codes[index] = _constant(torch.as_tensor(entry))
    return bound(call, codes, [target])


def bound(call: Call, codes: torch.Tensor, tensors: Sequence[torch.Tensor]) -> Bound:
    """What a tensor with these codes, moved from `tensors`, stands for."""
    for reading in call.readings(codes):
        value = own_population(call, reading)
        if value is not None:
            return value
    return Moved(codes, call.origin, _problem(call, codes, tensors))


def _moved_sum(
    call: Call, value: Value, tensor: torch.Tensor, args: Any, named: Any
) -> Value | None:
    """A sum or maximum over time that stays one: of all neurons in order, maybe flattened."""
    pretended = Value(value.source, Kind.STEP)
    shape = tuple(tensor.shape)
    codes = _applied(call, lambda _: codes_of(pretended, shape), args, named)
    if not isinstance(codes, torch.Tensor):
        return None
    for reading in call.readings(codes):
        moved = own_population(call, reading)
        if moved is not None and moved.kind is Kind.STEP:
            return Value(moved.source, value.kind, value.steps, value.factor)
    return None


def _at_one_step(
    call: Call, tensors: Sequence[torch.Tensor], args: Any, named: Any
) -> torch.Tensor | None:
    """Codes where what earlier steps sent is joined to this step; None where it is not so."""
    values: dict[int, Value] = {}
    for tensor in tensors:
        with suppress(NotSupported):
            value = call.value(tensor)
            if isinstance(value, Value) and value.kind in (Kind.STEP, Kind.STATIC):
                values[id(tensor)] = value
    steps = {value.steps for value in values.values() if value.kind is Kind.STEP}
    mixed = len(steps) + any(value.kind is Kind.STATIC for value in values.values())
    if not steps or mixed < 2 or any(id(tensor) not in values for tensor in tensors):
        return None
    if len({value.source for value in values.values()}) == 1:
        return None  # a record of steps, as it stands

    def codes(tensor: torch.Tensor) -> torch.Tensor:
        value = call.late(values[id(tensor)], max(steps))
        return codes_of(value, tuple(tensor.shape))

    found = _applied(call, codes, args, named)
    return found if isinstance(found, torch.Tensor) else None


def _applied(
    call: Call, codes: Callable[[torch.Tensor], torch.Tensor], args: Any, named: Any
) -> Any:
    """The result of the call's function with codes in the place of tensors of activations."""
    joining = call.origin.function in JOINING

    def exchanged(item: Any) -> Any:
        if isinstance(item, torch.Tensor):
            if call.bound(item) is not None:
                return codes(item)
            return _constant(item) if joining else item
        if isinstance(item, list | tuple) and not isinstance(item, torch.Size):
            made = [exchanged(part) for part in item]
            return tuple(made) if isinstance(item, tuple) else made
        return item

    assert call.function is not None
    with torch.no_grad():
        return call.function(*exchanged(args), **{key: exchanged(named[key]) for key in named})


def _constant(tensor: torch.Tensor) -> torch.Tensor:
    if bool(tensor.any()):
        raise NotSupported(
            "found constants other than zero joined to activations, accepted zeros; add them as "
            "the bias of a layer"
        )
    return torch.full(tensor.shape, ZERO)


def _problem(call: Call, codes: torch.Tensor, tensors: Sequence[torch.Tensor]) -> str:
    name = call.origin.function
    before = ", ".join(str(tuple(tensor.shape)) for tensor in tensors[:3])
    after = tuple(codes.shape)
    if name in JOINING and len(tensors) > 1:
        return (
            f"found {name} of tensors that are not the same population at every step in order, "
            "nor channels or features of one step, accepted these; record one population's "
            "spikes (or membrane) in every step, and join layers along axis 1"
        )
    if name == "getitem" and len(after) < tensors[0].ndim and call.is_one_step(tensors[0]):
        return (
            f"found x[...] from {before} to {after} on activations of one step, where the first "
            "axis counts frames; if it is meant to count steps, pass input_has_steps=True"
        )
    if call.sketch.frames == 1 and len(tensors) == 1 and codes.ndim < tensors[0].ndim:
        return (
            f"found {name} from {before} to {after}, which may drop the axis of the one frame, "
            "accepted functions that keep it; give an example of two frames or more"
        )
    if len(tensors) == 1 and codes.ndim > tensors[0].ndim and tensors[0].ndim == 2:
        return (
            f"found {name} from {before} to {after} of activations, accepted features as one axis; "
            "only inputs can become images: keep the rows and columns of an image up to here, or "
            "give the input as an image"
        )
    return (
        f"found {name} from {before} to {after} of activations, accepted orders that the layer "
        "behind it can read (whole frames, features or whole channels of an image); use "
        "torch.flatten(x, 1), keep channels before rows and columns, or move the axes back"
    )
