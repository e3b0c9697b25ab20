"""From the recording of a forward to a verified graph: its outputs, its steps, its readouts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..ir import (
    BadInput,
    Graph,
    Integrate,
    IntegrateFire,
    Neuron,
    Readout,
    UnsupportedModel,
    verify,
)
from .delays import UNROLLED, is_unrolled
from .drawing import drawn, reached
from .forward import Recording, raise_problems
from .outputs import Wanted
from .samples import Samples, steps_of
from .sketch import Sketch
from .values import Kind, Value


@dataclass(frozen=True)
class Asked:
    """What the caller wants to come out: which outputs, and how each of them is read."""

    outputs: Wanted
    readouts: tuple[Readout | None, ...]

    def readout(self, index: int) -> Readout | None:
        """How output `index` is read: one way for all of them, or one each."""
        return self.readouts[index if len(self.readouts) > 1 else 0]


@dataclass(frozen=True)
class Finished:
    """A graph, and the names of the populations of the recording that it was made from."""

    graph: Graph
    names: dict[int, str]


def finished(recording: Recording, samples: Samples, asked: Asked) -> Finished:
    """The verified graph of a recording."""
    outputs = raise_problems(recording, asked.outputs)
    made = recording.steps
    if len(made) > 1:
        listed = ", ".join(f"{path} {n}" for path, n in sorted(recording.recorder.calls.items()))
        raise UnsupportedModel(
            f"forward: found neurons that make different numbers of steps ({listed}), accepted one "
            "number for all; call every neuron once in every step"
        )
    steps = steps_of(samples) or max(made, default=1)
    sketch = recording.recorder.sketch
    problems = list(_summed_problems(sketch.summed_steps, steps))
    for output in outputs:
        problems += _step_problems(output, steps, made)
        if sketch.is_input(output.source):
            problems.append(
                "output: found the input itself, accepted a layer's output; add a layer"
            )
    used = reached(sketch, [output.source for output in outputs])
    if is_unrolled(sketch, used, steps):
        problems.append(f"forward: found {UNROLLED}")
    if len(asked.readouts) not in (1, len(outputs)):
        raise BadInput(
            f"readout: found {len(asked.readouts)} for {len(outputs)} outputs, accepted one for "
            "all or one for each"
        )
    if problems:
        raise UnsupportedModel(list(dict.fromkeys(problems)))
    ways = [
        asked.readout(index) or natural_readout(output, shown_neuron(sketch, output.source))
        for index, output in enumerate(outputs)
    ]
    leave = [(output.source, way) for output, way in zip(outputs, ways, strict=True)]
    graph, names = drawn(sketch, leave, steps)
    return Finished(verify(graph), names)


def _step_problems(output: Value, steps: int, made: set[int]) -> Iterator[str]:
    if made and made != {steps}:
        yield (
            f"forward: found neurons that make {min(made)} steps of an input of {steps}, accepted "
            "one step for each; loop over all of the input"
        )
    if output.kind in (Kind.TRAIN, Kind.SUM, Kind.MAX) and output.steps != steps:
        yield (
            f"output: found a record of {output.steps} of {steps} steps, accepted all steps; "
            "record every step"
        )
    if output.kind is Kind.STEP and output.steps != steps - 1:
        yield (
            f"output: found step {output.steps} of {steps}, accepted the last one or a record of "
            "all; return the last step"
        )


def _summed_problems(summed_steps: set[int], steps: int) -> Iterator[str]:
    for count in sorted(summed_steps - {steps}):
        yield (
            f"forward: found a sum over {count} of {steps} steps, accepted all steps; sum the "
            "whole record"
        )


def shown_neuron(sketch: Sketch, number: int) -> Neuron:
    """The neuron of a population, or of the membrane that it sends in the library's units."""
    draft = sketch.drafts[number]
    if draft.origin.function == "potential":
        draft = sketch.drafts[draft.sources[0]]
    return draft.neuron


def natural_readout(output: Value, neuron: Neuron) -> Readout:
    """How the forward itself reads its output population."""
    spikes = isinstance(neuron, IntegrateFire) and neuron.sends == "spikes"
    match output.kind:
        case Kind.STATIC | Kind.STEP:
            return Readout.LAST
        case Kind.MAX:
            return Readout.MAX
        case Kind.TRAIN if isinstance(neuron, Integrate | IntegrateFire) and not spikes:
            return Readout.LAST
        case _:
            return Readout.COUNT if spikes else Readout.MEAN
