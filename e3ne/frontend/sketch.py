"""The network as it is found, call by call: equal calls on equal sources are one population."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from ..ir import (
    Encode,
    Flatten,
    Identity,
    Integrate,
    IntegrateFire,
    Linear,
    MaxPool2d,
    Neuron,
    Op,
    Rectify,
    Relay,
    SumPool2d,
    op_shape,
)


@dataclass(frozen=True)
class Origin:
    """Where in the user's code a population comes from.

    `path` is the innermost torch module, `whole` says that the module is a leaf, and so gives its
    name to what it computes; `function` is the torch function or what the population is.
    """

    path: str
    whole: bool
    function: str


@dataclass(frozen=True, eq=False)
class Draft:
    """A population before it has a name. `sources` are numbers of populations.

    `delays` has one entry a source, in steps. `timed` says that it differs from step to step.
    Inputs have no source; neither do neurons that nothing is known to drive yet.
    """

    ops: tuple[Op, ...]
    sources: tuple[int, ...]
    neuron: Neuron
    shape: tuple[int, ...]
    timed: bool
    origin: Origin
    delays: tuple[int, ...]

    @property
    def keeps_state(self) -> bool:
        """Whether it remembers anything from step to step."""
        return isinstance(self.neuron, IntegrateFire | Integrate)


@dataclass(frozen=True)
class Entry:
    """An input of the network; `timed` says that it has a value for every step."""

    name: str
    shape: tuple[int, ...]
    timed: bool


@dataclass(frozen=True)
class Rounding:
    """How a model rounds its samples: whole numbers of `bits` bits, signed or not, x `scale`."""

    bits: int
    signed: bool
    scale: float


class Sketch:
    """Populations in the order in which they were found; the inputs first, numbered from 0.

    `frames` is how many frames the watched tensors hold; `silent_layers` is explained in
    `delays.py`. `undriven` holds the neurons that nothing is known to drive, with what to tell the
    user where it stays so. `roundings` has, for an input whose samples the model rounds, the
    populations that send them rounded.
    """

    def __init__(self, entries: Sequence[Entry], frames: int, silent_layers: bool = False) -> None:
        self.entries = tuple(entries)
        self.drafts = [
            Draft((), (), Relay(), entry.shape, entry.timed, Origin(entry.name, True, "input"), ())
            for entry in entries
        ]
        self.frames = frames
        self.silent_layers = silent_layers
        self.summed_steps: set[int] = set()  # over how many steps populations sum trains
        self.undriven: dict[int, str] = {}
        self.later: dict[tuple[int, int], tuple[int, int]] = {}  # what `delays.later` found
        self.roundings: dict[int, dict[int, Rounding]] = {}
        self._numbers: dict[object, int] = {}

    @property
    def has_delays(self) -> bool:
        """Whether any population reads what an earlier step sent."""
        return any(any(draft.delays) for draft in self.drafts)

    def is_input(self, number: int) -> bool:
        """Whether this is an input of the network."""
        return number < len(self.entries)

    def add(
        self,
        ops: Sequence[Op],
        sources: Sequence[int],
        neuron: Neuron,
        timed: bool,
        origin: Origin,
        delays: Sequence[int] = (),
    ) -> int:
        """The number of this stateless population, old or new.

        Two calls are the same population where ops (arrays by identity), sources, delays (0
        everywhere where none are given) and neuron agree. ValueError where an op cannot read its
        source.
        """
        late = tuple(delays) or (0,) * len(sources)
        key = (*map(record_key, ops), *sources, record_key(neuron), timed, late)
        if key not in self._numbers:
            shape = self._shape(ops, sources)
            self._numbers[key] = len(self.drafts)
            self.drafts.append(
                Draft(tuple(ops), tuple(sources), neuron, shape, timed, origin, late)
            )
        return self._numbers[key]

    def open(self, neuron: Neuron, shape: tuple[int, ...], origin: Origin, problem: str) -> int:
        """The number of a new population that nothing drives yet; `problem` where it stays so."""
        number = len(self.drafts)
        self.drafts.append(Draft((), (), neuron, shape, True, origin, ()))
        self.undriven[number] = problem
        return number

    def define(
        self, number: int, ops: Sequence[Op], sources: Sequence[int], delays: Sequence[int]
    ) -> None:
        """Says what drives the population that `open` made, instead of what was said before.

        ValueError where an op cannot read its source, or makes currents of another shape.
        """
        draft = self.drafts[number]
        shape = self._shape(ops, sources)
        if shape != draft.shape:
            raise ValueError(f"found currents of shape {shape}, accepted {draft.shape}")
        self.drafts[number] = replace(
            draft, ops=tuple(ops), sources=tuple(sources), delays=tuple(delays)
        )
        self.undriven.pop(number, None)

    def _shape(self, ops: Sequence[Op], sources: Sequence[int]) -> tuple[int, ...]:
        shapes = {
            op_shape(op, self.drafts[source].shape) for op, source in zip(ops, sources, strict=True)
        }
        if len(shapes) != 1:
            raise ValueError(f"found currents of shapes {sorted(shapes)}, accepted one shape")
        return shapes.pop()

    def reshape_input(self, number: int, shape: tuple[int, ...]) -> bool:
        """Gives an input this shape, of as many elements; False where it has been read otherwise.

        Layers that read it flattened do not mind.
        """
        if not self.is_input(number) or not self._shape_is_free(number):
            return False
        for again in (number, *self._repeats(number)):
            self.drafts[again] = replace(self.drafts[again], shape=shape)
        return True

    def _shape_is_free(self, number: int) -> bool:
        repeats = self._repeats(number)
        return all(
            isinstance(op, Linear | Flatten) or reader in repeats
            for reader, draft in enumerate(self.drafts)
            for op, source in zip(draft.ops, draft.sources, strict=True)
            if source == number
        ) and all(map(self._shape_is_free, repeats))

    def _repeats(self, number: int) -> list[int]:
        """The populations that send at every step what `number` sends once."""
        return [
            reader
            for reader, draft in enumerate(self.drafts)
            if draft.sources == (number,)
            and (draft.origin.path, draft.origin.function) == ("", "repeat")
        ]

    def repeated(self, source: int) -> int:
        """The population that sends at every step what the static `source` sends once."""
        origin = Origin("", False, "repeat")
        return self.add([Identity()], [source], Relay(), True, origin)

    def sends_unsigned(self, number: int) -> bool:
        """Whether the population can be seen to send nothing below zero."""
        draft = self.drafts[number]
        if self.is_input(number):
            return False
        if isinstance(draft.neuron, IntegrateFire):
            return draft.neuron.sends == "spikes"
        if isinstance(draft.neuron, Rectify):
            return True
        if isinstance(draft.neuron, Encode):
            return draft.neuron.kind != "delta"
        keeps_sign = all(
            isinstance(op, MaxPool2d | SumPool2d | Identity | Flatten) for op in draft.ops
        )
        return (
            isinstance(draft.neuron, Relay)
            and keeps_sign
            and all(map(self.sends_unsigned, draft.sources))
        )


def record_key(record: Op | Neuron) -> tuple[object, ...]:
    """What makes two ops or neurons the same: arrays by identity, everything else by value."""
    values = (getattr(record, item.name) for item in fields(record))
    return (
        type(record),
        *(("array", id(value)) if isinstance(value, np.ndarray) else value for value in values),
    )
