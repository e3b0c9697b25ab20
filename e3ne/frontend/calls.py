"""One call of a torch function as a population: the sources, the step, the name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import prod
from typing import Any

import numpy as np
import torch

from ..ir import (
    Array,
    ChannelAffine,
    Flatten,
    Identity,
    Neuron,
    Op,
    Relay,
    frozen,
)
from .arrays import ArrayCache, channel_values
from .codes import Reading, codes_of, lead_axes, readings
from .delays import UNROLLED, Root, grows, later
from .placing import own_population, placed, train_of
from .silence import without_silence
from .sketch import Origin, Sketch
from .values import Kind, Layout, Moved, Unknown, Value, population_shape, unknown

Traced = Value | Unknown
Bound = Value | Moved | Unknown


class NotSupported(Exception):
    """Raised while a call is read: *found X, accepted Y; do Z*. Makes its result Unknown."""


@dataclass(frozen=True)
class Call:
    """A call that the forward makes: what its handler may look at, and how it answers.

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

    def node(self, op: Op, source: object, neuron: Neuron | None = None) -> Traced:
        """The population with one synapse, from what tensor `source` stands for."""
        return self.nodes([op], [source], neuron)

    def nodes(
        self, ops: Sequence[Op], sources: Sequence[object], neuron: Neuron | None = None
    ) -> Traced:
        """The population (Relay unless `neuron` is given) with a synapse from each source."""
        ops, sources = without_silence(self.value, ops, sources)
        found = [self.value(source) for source in sources]
        known = [item for item in found if isinstance(item, Value)]
        if len(known) < len(found):
            if any(item is None for item in found):
                raise NotSupported(
                    f"found {self.origin.function} of a tensor that does not come from the input, "
                    "accepted activations; fold the constant into a weight or bias"
                )
            return unknown(*(item for item in found if item is not None))
        known = [self.per_step(item) for item in known]
        timed = [item for item in known if item.kind is not Kind.STATIC]
        places = {
            (item.kind, item.kind is Kind.STEP or (item.steps, item.layout)) for item in timed
        }
        if len(places) > 1:
            raise NotSupported(
                f"found {self.origin.function} of different time steps "
                f"({', '.join(map(self.describe, known))}), accepted one step, or all steps, "
                "everywhere; stack the steps, or take the train apart"
            )
        neuron = neuron or Relay()
        once = [self._once(item) for item in known]
        if timed and None not in once:  # computed once, and then repeated
            number = self._added(ops, [item for item in once if item is not None], neuron, False)
            return replace(timed[0], source=self.sketch.repeated(number))
        newest = max((item.steps for item in timed), default=0)
        reads = [self._read(item, newest, bool(timed)) for item in known]
        number = self._added(
            ops, [number for number, _ in reads], neuron, bool(timed), [late for _, late in reads]
        )
        return replace(max(timed, key=lambda item: item.steps, default=known[0]), source=number)

    def _once(self, value: Value) -> int | None:
        """The population that sends `value` once for all steps; None where steps differ."""
        return value.source if value.kind is Kind.STATIC else self.repeated(value.source)

    def _added(
        self,
        ops: Sequence[Op],
        sources: Sequence[int],
        neuron: Neuron,
        timed: bool,
        delays: Sequence[int] = (),
    ) -> int:
        try:
            return self.sketch.add(ops, sources, neuron, timed, self.origin, delays)
        except ValueError as error:
            raise NotSupported(f"{error}; e3ne reads shapes without the frames axis") from error

    def _read(self, value: Value, newest: int, timed: bool) -> Root:
        """The population to read for `value` at step `newest`, and how many steps ago."""
        if value.kind is Kind.STATIC:
            return (self.sketch.repeated(value.source) if timed else value.source), 0
        if value.kind is not Kind.STEP:
            return value.source, 0
        number, delay = later(self.sketch, value.source, newest - value.steps)
        if number != value.source and grows(self.sketch, number):
            raise NotSupported(f"found {UNROLLED}")
        draft = self.sketch.drafts[number]
        if draft.ops == (Identity(),) and any(draft.delays) and isinstance(draft.neuron, Relay):
            return draft.sources[0], delay + draft.delays[0]  # through what `late` made
        return number, delay

    def late(self, value: Value, newest: int) -> Value:
        """What `value`, of an earlier step or the same at all of them, is at step `newest`."""
        number, delay = self._read(value, newest, True)
        if delay:
            origin = Origin(self.origin.path, False, "late")
            number = self.sketch.add([Identity()], [number], Relay(), True, origin, [delay])
        return Value(number, Kind.STEP, newest)

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

    def affine(self, source: object, gain: object, offset: object) -> Traced:
        """gain * source + offset with constants: numbers or tensors of one value a channel."""
        value = self.value(source)
        if not isinstance(value, Value):
            return unknown(value) if value is not None else unknown()
        shape = self.sketch.drafts[value.source].shape
        op = ChannelAffine(self.per_channel(gain, shape), self.per_channel(offset, shape))
        return self.node(op, source)

    def per_channel(self, constant: object, shape: tuple[int, ...]) -> Array:
        """float32 (1,) or (channels,); NotSupported where the constant varies in a channel."""
        values = torch.as_tensor(constant)
        if values.ndim > len(shape) and bool((values == values[:1]).all()):
            values = values[:1]  # the same for all frames
        found = channel_values(values, shape)
        if found is None:
            raise NotSupported(
                f"found {self.origin.function} with a constant of shape "
                f"{tuple(torch.as_tensor(constant).shape)} on activations of shape {shape}, "
                "accepted one number, or one a channel"
            )
        return self.constant(found if isinstance(found, np.ndarray) else [found])

    def constant(self, values: object) -> Array:
        """A frozen float32 array; equal contents give the same object."""
        return self.arrays.unique(frozen(np.asarray(values, np.float32), np.float32))

    def weight(self, weight: torch.Tensor) -> Array:
        """A constant tensor as an array."""
        if self.bound(weight) is not None:
            raise NotSupported(
                f"found {self.origin.function} with a weight that depends on the input, accepted "
                "constant weights; products of two activations have no hardware here"
            )
        return self.arrays.array(weight)

    def bias(self, bias: object) -> Array | None:
        """A constant tensor as an array; None where there is no bias."""
        return self.weight(bias) if isinstance(bias, torch.Tensor) else None

    def check_frames(self, item: object, axes: int) -> None:
        """NotSupported unless a tensor has one axis of frames before the `axes` of each.

        Functions that take their second axis for channels would take frames (or steps) for them.
        """
        value = self.bound(item)
        if not isinstance(value, Value):
            return
        wrong = isinstance(item, torch.Tensor) and item.ndim != axes + 1
        if lead_axes(value) > 1 or wrong:
            found = f"all steps as {value.layout.value}" if lead_axes(value) > 1 else "one frame"
            raise NotSupported(
                f"found {self.origin.function} of {found}, accepted one axis in front of the "
                "channels; flatten(0, 1) the steps and frames before it and unflatten behind it"
            )

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

    def describe(self, value: Value) -> str:
        """A value in words."""
        if value.kind is Kind.STEP:
            return f"step {value.steps}"
        return str(value.kind.value)

    def frame_shape(self, value: Value, tensor: object) -> tuple[int, ...]:
        """The shape of one frame (at one step) of a tensor that stands for `value`."""
        assert isinstance(tensor, torch.Tensor)
        return tuple(tensor.shape[lead_axes(value) :])

    def result_shape(self, value: Value) -> tuple[int, ...]:
        """The shape of the population that the result holds, as it is there if it is `value`."""
        shape = self.frame_shape(value, self.result)
        return population_shape(shape) or shape
