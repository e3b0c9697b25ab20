"""One call of a torch function as a population: the sources, the step, the name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..ir import Array, ChannelAffine, Identity, Neuron, Op, Relay, frozen
from .arrays import ArrayCache, channel_values
from .sketch import Origin, Sketch
from .values import Kind, Unknown, Value, unknown

Traced = Value | Unknown


class NotSupported(Exception):
    """Raised while a call is read: *found X, accepted Y; do Z*. Makes its result Unknown."""


@dataclass(frozen=True)
class Call:
    """A call that the forward makes: what its handler may look at, and how it answers.

    `result` is what torch returned. `values` maps tensors (by id) to what they stand for.
    """

    sketch: Sketch
    arrays: ArrayCache
    values: dict[int, Traced]
    origin: Origin
    result: object

    def value(self, item: object) -> Traced | None:
        """What a tensor (or `item` itself) stands for; None for constants and other things."""
        if isinstance(item, Value | Unknown):
            return item
        return self.values.get(id(item)) if isinstance(item, torch.Tensor) else None

    def node(self, op: Op, source: object, neuron: Neuron | None = None) -> Traced:
        """The population with one synapse, from what tensor `source` stands for."""
        return self.nodes([op], [source], neuron)

    def nodes(
        self, ops: Sequence[Op], sources: Sequence[object], neuron: Neuron | None = None
    ) -> Traced:
        """The population (Relay unless `neuron` is given) with a synapse from each source."""
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
        if len({(item.kind, item.steps) for item in timed}) > 1:
            raise NotSupported(
                f"found {self.origin.function} of different time steps "
                f"({', '.join(map(self.describe, known))}), accepted the same step everywhere; "
                "e3ne has no connection across steps here"
            )
        numbers = [
            self.sketch.repeated(item.source) if timed and item.kind is Kind.STATIC else item.source
            for item in known
        ]
        try:
            number = self.sketch.add(ops, numbers, neuron or Relay(), bool(timed), self.origin)
        except ValueError as error:
            raise NotSupported(f"{error}; e3ne reads shapes without the frames axis") from error
        return replace(timed[0] if timed else known[0], source=number)

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
        found = channel_values(torch.as_tensor(constant), shape)
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

    def describe(self, value: Value) -> str:
        """A value in words."""
        if value.kind is Kind.STEP:
            return f"step {value.steps}"
        return str(value.kind.value)

    def result_shape(self, value: Value) -> tuple[int, ...]:
        """The shape of the result without frames (and steps, in a train)."""
        assert isinstance(self.result, torch.Tensor)
        return tuple(self.result.shape[2 if value.kind is Kind.TRAIN else 1 :])
