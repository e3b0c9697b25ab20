"""What the tensors of a call stand for, however their elements lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from math import prod
from typing import Any

import numpy as np
import torch

from ..ir import Array, ChannelAffine, Flatten, Identity, Op, Relay, frozen
from .arrays import ArrayCache
from .codes import Reading, codes_of, lead_axes, readings
from .placing import own_population, placed, train_of
from .sketch import Origin, Sketch
from .values import Kind, Layout, Moved, Unknown, Value, population_shape

Traced = Value | Unknown
Bound = Value | Moved | Unknown


class NotSupported(Exception):
    """Raised while a call is read: *found X, accepted Y; do Z*. Makes its result Unknown."""


@dataclass(frozen=True)
class Watched:
    """A call that the forward makes, and what its handler may look at.

    `result` is what torch returned, `function` what it called. `values` maps tensors (by id) to
    what they stand for.
    """

    sketch: Sketch
    arrays: ArrayCache
    values: dict[int, Bound]
    origin: Origin
    result: object
    function: Callable[..., Any] | None = None

    def bound(self, item: object) -> Bound | None:
        """What a tensor (or `item` itself) stands for; None for constants and other things."""
        if isinstance(item, Value | Moved | Unknown):
            return item
        return self.values.get(id(item)) if isinstance(item, torch.Tensor) else None

    def value(self, item: object) -> Traced | None:
        """The same as a population, with one that selects where elements were moved.

        NotSupported where no population has its elements in that order.
        """
        found = self.bound(item)
        if not isinstance(found, Moved):
            return found
        value = placed(replace(self, origin=found.origin), found)
        if value is None:
            raise NotSupported(found.problem)
        return value

    def codes(self, tensor: object) -> torch.Tensor:
        """Where the elements of a tensor come from (`codes.py`); not of an Unknown one."""
        found = self.bound(tensor)
        if isinstance(found, Moved):
            return found.codes
        assert isinstance(found, Value)
        assert isinstance(tensor, torch.Tensor)
        value = self.per_step(found)
        while (simpler := self._behind(value)) is not None:
            value = simpler
        return codes_of(value, tuple(tensor.shape), self.sketch.drafts[value.source].timed)

    def _behind(self, value: Value) -> Value | None:
        """What `value` flattens or repeats, if it does: the same elements in the same order."""
        number = self._flattened(value.source)
        number = self.repeated(value.source) if number is None else number
        return None if number is None else replace(value, source=number)

    def _flattened(self, number: int) -> int | None:
        """What population `number` is the flattened form of; None where it is none."""
        draft = self.sketch.drafts[number]
        plain = isinstance(draft.neuron, Relay) and not any(draft.delays)
        if not plain or len(draft.ops) != 1 or not isinstance(draft.ops[0], Flatten):
            return None
        same = self.sketch.drafts[draft.sources[0]].timed == draft.timed
        return draft.sources[0] if same else None

    def repeated(self, number: int) -> int | None:
        """What population `number` sends the same of at every step; None where it does not."""
        draft = self.sketch.drafts[number]
        plain = isinstance(draft.neuron, Relay) and not any(draft.delays)
        if not plain or not draft.timed or [type(op) for op in draft.ops] != [Identity]:
            return None
        return None if self.sketch.drafts[draft.sources[0]].timed else draft.sources[0]

    def in_order(self, item: object) -> Value | None:
        """The population whose elements `item` holds in their order, whatever its axes.

        No readout minds the axes of one frame, or where the steps are.
        """
        found = self.bound(item)
        if not isinstance(found, Moved):
            return None
        for codes in (found.codes, *(found.codes.movedim(n, 0) for n in range(found.codes.ndim))):
            for reading in self.readings(codes):
                if reading.is_in_order:
                    (source,) = reading.sources
                    if prod(self.sketch.drafts[source].shape) == reading.elements.numel():
                        return train_of(self, source, reading)
        return None

    def unflattened(self, value: Value) -> Value:
        """The neurons whose trains an output flattens, if it does: no readout minds."""
        number = self._flattened(value.source)
        neurons = number is not None and self.sketch.drafts[number].keeps_state
        return replace(value, source=number) if number is not None and neurons else value

    def readings(self, codes: torch.Tensor, wanted: Layout | None = None) -> Iterator[Reading]:
        """The ways to read a tensor with these codes, the plainest first."""
        timed = frozenset(n for n, draft in enumerate(self.sketch.drafts) if draft.timed)
        return readings(codes, self.sketch.frames, timed, wanted)

    def train(self, item: object, layout: Layout) -> Traced | None:
        """The same as `value`, with the steps where `layout` says if that can be read so."""
        found = self.bound(item)
        if isinstance(found, Moved) or (
            isinstance(found, Value) and isinstance(item, torch.Tensor)
        ):
            for reading in self.readings(self.codes(item), layout):
                if reading.kind is Kind.TRAIN and reading.layout is layout:
                    value = own_population(self, reading)
                    if value is not None:
                        return value
        return self.value(item)

    def tensors(self, items: Any) -> Iterator[torch.Tensor]:
        """The tensors in nested lists and dicts that come from the input."""
        if isinstance(items, torch.Tensor):
            if self.bound(items) is not None:
                yield items
        elif isinstance(items, Mapping):
            yield from self.tensors(tuple(items.values()))
        elif isinstance(items, list | tuple):
            for item in items:
                yield from self.tensors(item)

    def unique(self, op: Op) -> Op:
        """`op` with arrays that are the same object wherever their contents are equal."""
        arrays = {
            item.name: self.arrays.unique(getattr(op, item.name))
            for item in fields(op)
            if isinstance(getattr(op, item.name), np.ndarray)
        }
        return replace(op, **arrays)  # type: ignore[arg-type]

    def is_one_step(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor holds activations of one step, or the same at every step."""
        value = self.bound(tensor)
        return isinstance(value, Value) and value.kind in (Kind.STATIC, Kind.STEP)

    def per_step(self, value: Value) -> Value:
        """`value` where a population sends it as it is; sums over time become a population."""
        if value.kind is Kind.MAX:
            raise NotSupported(
                "found a computation on the maximum over time, accepted that maximum as the "
                "network's output only; use the sum over time"
            )
        if value.kind is not Kind.SUM:
            return value
        self.sketch.summed_steps.add(value.steps)
        op: Op = Identity()
        if value.factor != 1.0:
            op = ChannelAffine(self.constant([value.factor]), self.constant([0.0]))
        name = "sum" if value.factor == 1.0 else "mean"
        origin = Origin(self.origin.path, False, name)
        return Value(self.sketch.add([op], [value.source], Relay(), False, origin), Kind.STATIC)

    def constant(self, values: object) -> Array:
        """A frozen float32 array; equal contents give the same object."""
        return self.arrays.unique(frozen(np.asarray(values, np.float32), np.float32))

    def shown(self, value: Traced) -> Bound:
        """What the result stands for where it holds the elements of `value`, in their order."""
        if isinstance(value, Unknown):
            return value
        shape = self.sketch.drafts[value.source].shape
        if self.result_shape(value) == shape:
            return value
        assert isinstance(self.result, torch.Tensor)
        codes = codes_of(value, (*self._leads(value), *shape)).reshape(self.result.shape)
        for reading in self.readings(codes):
            own = own_population(self, reading)
            if own is not None:
                return own
        return Moved(
            codes,
            self.origin,
            f"found {self.origin.function} to {tuple(self.result.shape)}, accepted features or "
            "images behind the frames; use torch.flatten(x, 1)",
        )

    def _leads(self, value: Value) -> tuple[int, ...]:
        """The lengths of the axes of frames and steps in the result."""
        frames = self.sketch.frames
        if value.kind is not Kind.TRAIN:
            return (frames,)
        if value.layout.is_merged:
            return (frames * value.steps,)
        steps_first = value.layout.is_steps_first
        return (value.steps, frames) if steps_first else (frames, value.steps)

    def frame_shape(self, value: Value, tensor: object) -> tuple[int, ...]:
        """The shape of one frame (at one step) of a tensor that stands for `value`."""
        assert isinstance(tensor, torch.Tensor)
        return tuple(tensor.shape[lead_axes(value) :])

    def result_shape(self, value: Value) -> tuple[int, ...]:
        """The shape of the population that the result holds, as it is there if it is `value`."""
        shape = self.frame_shape(value, self.result)
        return population_shape(shape) or shape
