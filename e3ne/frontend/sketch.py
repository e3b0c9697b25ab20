"""The network as it is found, call by call: equal calls on equal sources are one population."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from ..ir import (
    Flatten,
    Graph,
    Identity,
    Input,
    Integrate,
    IntegrateFire,
    MaxPool2d,
    Neuron,
    Node,
    Op,
    Output,
    Readout,
    Rectify,
    Relay,
    SpikeType,
    Stage,
    SumPool2d,
    Synapse,
    op_shape,
)

INPUT = 0  # the number of the network's input among the populations


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
    """A population before it has a name. `sources` are numbers of populations; 0 is the input.

    `timed` says that it differs from step to step.
    """

    ops: tuple[Op, ...]
    sources: tuple[int, ...]
    neuron: Neuron
    shape: tuple[int, ...]
    timed: bool
    origin: Origin


class Sketch:
    """Populations in the order in which they were found; the input first."""

    def __init__(self, input_shape: tuple[int, ...], input_timed: bool) -> None:
        origin = Origin("input", True, "input")
        self.drafts = [Draft((), (), Relay(), input_shape, input_timed, origin)]
        self.summed_steps: set[int] = set()  # over how many steps populations sum trains
        self._numbers: dict[object, int] = {}

    def add(
        self,
        ops: Sequence[Op],
        sources: Sequence[int],
        neuron: Neuron,
        timed: bool,
        origin: Origin,
    ) -> int:
        """The number of this population, old or new; ValueError where an op cannot read its source.

        Two calls are the same population where ops (arrays by identity), sources and neuron agree.
        """
        shapes = {
            op_shape(op, self.drafts[source].shape) for op, source in zip(ops, sources, strict=True)
        }
        if len(shapes) != 1:
            raise ValueError(f"found currents of shapes {sorted(shapes)}, accepted one shape")
        stateful = isinstance(neuron, IntegrateFire | Integrate)
        owner = origin if stateful else None
        key = (owner, *map(record_key, ops), *sources, record_key(neuron), timed)
        if key not in self._numbers:
            self._numbers[key] = len(self.drafts)
            self.drafts.append(
                Draft(tuple(ops), tuple(sources), neuron, shapes.pop(), timed, origin)
            )
        return self._numbers[key]

    def repeated(self, source: int) -> int:
        """The population that sends at every step what the static `source` sends once."""
        origin = Origin("", False, "repeat")
        return self.add([Identity()], [source], Relay(), True, origin)

    def sends_unsigned(self, number: int) -> bool:
        """Whether the population can be seen to send nothing below zero."""
        draft = self.drafts[number]
        if number == INPUT:
            return False
        if isinstance(draft.neuron, Rectify | IntegrateFire):
            return True
        keeps_sign = all(
            isinstance(op, MaxPool2d | SumPool2d | Identity | Flatten) for op in draft.ops
        )
        return (
            isinstance(draft.neuron, Relay)
            and keeps_sign
            and all(map(self.sends_unsigned, draft.sources))
        )

    def graph(self, output: int, readout: Readout, steps: int) -> tuple[Graph, dict[int, str]]:
        """The part of the sketch that reaches `output`, and the names of its populations."""
        used = self._used(output)
        names = self._names(used)
        source = self.drafts[INPUT]
        nodes = [
            Node(
                names[number],
                tuple(
                    Synapse(op, names[before])
                    for op, before in zip(draft.ops, draft.sources, strict=True)
                ),
                draft.neuron,
                SpikeType(draft.shape, steps if draft.timed else 1),
            )
            for number, draft in ((number, self.drafts[number]) for number in used[1:])
        ]
        entry = Input("input", SpikeType(source.shape, steps if source.timed else 1))
        outputs = (Output(names[output], readout),)
        return Graph(Stage.FLOAT, (entry,), tuple(nodes), outputs), names

    def _used(self, output: int) -> list[int]:
        used, waiting = {INPUT}, [output]
        while waiting:
            number = waiting.pop()
            if number not in used:
                used.add(number)
                waiting += self.drafts[number].sources
        return sorted(used)

    def _names(self, used: list[int]) -> dict[int, str]:
        names: dict[int, str] = {}
        for number in used:
            origin = self.drafts[number].origin
            sources = [source for source in self.drafts[number].sources if source != INPUT]
            local = f"{origin.path}.{origin.function}" if origin.path else origin.function
            again = any(origin == self.drafts[other].origin for other in names)
            if origin.path and origin.whole:
                wishes = [origin.path] if again else [origin.path, local]
            elif len(self.drafts[number].sources) == 1 and sources:
                wishes = [f"{names[sources[0]]}.{origin.function}"]
            else:
                wishes = [local]
            wishes += [f"{wishes[-1]}_{count}" for count in range(1, len(used) + 1)]
            taken = set(names.values())
            names[number] = next(wish for wish in wishes if wish not in taken)
        return names


def record_key(record: Op | Neuron) -> tuple[object, ...]:
    """What makes two ops or neurons the same: arrays by identity, everything else by value."""
    values = (getattr(record, item.name) for item in fields(record))
    return (
        type(record),
        *(("array", id(value)) if isinstance(value, np.ndarray) else value for value in values),
    )
