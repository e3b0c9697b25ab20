"""One call of a torch function as a population: the sources, the step, the name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..ir import Array, ChannelAffine, Identity, Neuron, Op, Relay
from .arrays import channel_values
from .codes import lead_axes
from .delays import UNROLLED, Root, grows, later
from .silence import without_silence
from .sketch import Origin
from .values import Kind, Value, unknown
from .watched import Bound, NotSupported, Traced, Watched

__all__ = ["Bound", "Call", "NotSupported", "Traced"]


@dataclass(frozen=True)
class Call(Watched):
    """A call that the forward makes, and how its handler answers: with populations."""

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

    def affine(self, source: object, gain: object, offset: object) -> Traced:
        """gain * source + offset with constants: numbers or tensors of one value a channel."""
        value = self.value(source)
        if not isinstance(value, Value):
            return unknown(value) if value is not None else unknown()
        shape = self.sketch.drafts[value.source].shape
        axes = source.ndim - lead_axes(value) if isinstance(source, torch.Tensor) else len(shape)
        gain, offset = (_in_rows(item, axes, len(shape)) for item in (gain, offset))
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

    def describe(self, value: Value) -> str:
        """A value in words."""
        if value.kind is Kind.STEP:
            return f"step {value.steps}"
        return str(value.kind.value)


def _in_rows(constant: object, axes: int, population_axes: int) -> torch.Tensor:
    """A constant for (channels, length) as one for (channels, 1, length)."""
    values = torch.as_tensor(constant)
    return values.unsqueeze(-2) if values.ndim > 1 and axes == population_axes - 1 else values
