"""The sketch as a graph: which populations reach the outputs, their order and their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from heapq import heappop, heappush

from ..ir import Graph, Input, Node, Output, Readout, SpikeType, Stage, Synapse, UnsupportedModel
from .sketch import Sketch


def drawn(
    sketch: Sketch, outputs: Sequence[tuple[int, Readout]], steps: int
) -> tuple[Graph, dict[int, str]]:
    """The part of the sketch that reaches `outputs`, and the names of its populations.

    Every input of the network is part of the graph, read or not. UnsupportedModel where neurons
    that nothing drives are needed.
    """
    used = reached(sketch, [number for number, _ in outputs])
    problems = undriven(sketch, used) + read_unrounded(sketch, used)
    if problems:
        raise UnsupportedModel(problems)
    rounded = {one: number for number, ones in sketch.roundings.items() for one in ones}
    rounded = {one: rounded[one] for one in rounded if one not in dict(outputs)}
    order = [number for number in _ordered(sketch, used) if number not in rounded]
    names = _names(sketch, order)
    names |= {one: names[number] for one, number in rounded.items()}  # the input rounds itself
    nodes = []
    for number in order[len(sketch.entries) :]:
        draft = sketch.drafts[number]
        synapses = tuple(
            Synapse(op, names[before], delay)
            for op, before, delay in zip(draft.ops, draft.sources, draft.delays, strict=True)
        )
        type = SpikeType(draft.shape, steps if draft.timed else 1)
        nodes.append(Node(names[number], synapses, draft.neuron, type))
    inputs = tuple(_input(sketch, number, steps) for number in range(len(sketch.entries)))
    leave = tuple(Output(names[number], readout) for number, readout in outputs)
    return Graph(Stage.FLOAT, inputs, tuple(nodes), leave), names


def _input(sketch: Sketch, number: int, steps: int) -> Input:
    entry, draft = sketch.entries[number], sketch.drafts[number]
    type = SpikeType(draft.shape, steps if entry.timed else 1)
    for rounding in sketch.roundings.get(number, {}).values():
        type = replace(type, bits=rounding.bits, signed=rounding.signed)
        return Input(entry.name, type, rounding.scale)
    return Input(entry.name, type)


def read_unrounded(sketch: Sketch, used: set[int]) -> list[str]:
    """The problems of samples that some layers read rounded, and others as they are."""
    return [
        f"{sketch.drafts[reader].origin.path or 'forward'}: found samples of "
        f"{sketch.entries[number].name} as they are, which others read rounded, accepted one of "
        "the two; quantise the input once, in front of everything that reads it"
        for number, rounded in sketch.roundings.items()
        if used & set(rounded)
        for reader in sorted(used - set(rounded))
        if number in sketch.drafts[reader].sources
    ]


def reached(sketch: Sketch, outputs: Sequence[int]) -> set[int]:
    """The inputs, and the populations that what leaves the network depends on."""
    used, waiting = set(range(len(sketch.entries))), list(outputs)
    while waiting:
        number = waiting.pop()
        if number not in used:
            used.add(number)
            waiting += sketch.drafts[number].sources
    return used


def undriven(sketch: Sketch, used: set[int]) -> list[str]:
    """The problems of neurons among `used` that nothing drives, each once."""
    found = (sketch.undriven[number] for number in sorted(used & set(sketch.undriven)))
    return list(dict.fromkeys(found))


def _ordered(sketch: Sketch, used: set[int]) -> list[int]:
    """Sources without delay first, else in the order in which they were found."""
    waits = {
        number: {
            source
            for source, delay in zip(draft.sources, draft.delays, strict=True)
            if delay == 0 and not sketch.is_input(source)
        }
        for number, draft in ((number, sketch.drafts[number]) for number in used)
    }
    readers: dict[int, list[int]] = {number: [] for number in used}
    for number, sources in waits.items():
        for source in sources:
            readers[source].append(number)
    ready = sorted(number for number, sources in waits.items() if not sources)
    order: list[int] = []
    while ready:
        order.append(heappop(ready))
        for reader in readers[order[-1]]:
            waits[reader].discard(order[-1])
            if not waits[reader]:
                heappush(ready, reader)
    if len(order) < len(used):
        raise UnsupportedModel(
            "forward: found populations that drive each other within one step, accepted feedback "
            "from earlier steps; do the same in every step of the loop"
        )
    return order


def _names(sketch: Sketch, order: Sequence[int]) -> dict[int, str]:
    """Names by module and function; the sources of a population without delay come before it."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    origins = set()
    for number in order:
        draft = sketch.drafts[number]
        again = draft.origin in origins
        origins.add(draft.origin)
        wish = next(
            wish for wish in _wishes(sketch, number, again, names, len(order)) if wish not in taken
        )
        names[number] = wish
        taken.add(wish)
    return names


def _wishes(
    sketch: Sketch, number: int, again: bool, names: dict[int, str], count: int
) -> Iterator[str]:
    draft = sketch.drafts[number]
    origin = draft.origin
    sources = [source for source in draft.sources if not sketch.is_input(source)]
    local = f"{origin.path}.{origin.function}" if origin.path else origin.function
    if origin.path and origin.whole:
        if again:
            local = origin.path
        yield origin.path
    elif len(draft.sources) == 1 and sources and sources[0] in names:
        local = f"{names[sources[0]]}.{origin.function}"
    yield local
    for index in range(1, count + 1):
        yield f"{local}_{index}"
