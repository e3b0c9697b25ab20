"""What an earlier step sent: connections across the steps of a time loop.

A step of the loop may read spikes of an earlier one: feedback, or a pipeline. A synapse holds the
delay, and steps before the first count as silence. A model does the same where it starts from
zeros, *and sends them through its layers*: `fc(zeros)` is the bias of `fc`. So the delay belongs
to the neurons (or the input) behind the layers, and the layers are read again, that much later.
Models that leave the layers out in their first steps (`if step > 0`) mean `silent_layers`: then the
layers are read with the delay.
"""

from __future__ import annotations

from .sketch import Sketch

UNROLLED = (
    "a recurrence of currents or activations, which reaches back to the first step, accepted "
    "feedback of spikes; let a neuron carry it, or describe the module that does with "
    "@e3ne.register_neuron"
)

LONGEST_HISTORY = 16  # delays from one source; more of them are a recurrence taken apart

Root = tuple[int, int]  # neurons or an input, and the delay of what is read of them


def later(sketch: Sketch, number: int, delay: int) -> Root:
    """Where to read, and with which delay, what population `number` sent `delay` steps ago.

    Neurons and inputs are read with the delay; populations without state are found again behind
    delayed neurons. What is the same at every step is read as it is.
    """
    if (number, delay) not in sketch.later:
        sketch.later[number, delay] = _later(sketch, number, delay)
    return sketch.later[number, delay]


def _later(sketch: Sketch, number: int, delay: int) -> Root:
    draft = sketch.drafts[number]
    if delay == 0 or draft.keeps_state or sketch.is_input(number):
        return number, delay
    if _is_repeated(sketch, number):
        return number, 0
    if sketch.silent_layers and not any(_is_repeated(sketch, item) for item in draft.sources):
        return number, delay
    sources, delays = zip(
        *(
            _added(later(sketch, source, delay), before)
            for source, before in zip(draft.sources, draft.delays, strict=True)
        ),
        strict=True,
    )
    moved = sketch.add(draft.ops, sources, draft.neuron, draft.timed, draft.origin, delays)
    return moved, 0


def roots(sketch: Sketch, number: int, delay: int = 0) -> set[Root]:
    """The neurons and inputs that a population reads, through populations without state."""
    found, seen, waiting = set[Root](), set[Root](), [(number, delay)]
    while waiting:
        root = waiting.pop()
        if root in seen:
            continue
        seen.add(root)
        draft = sketch.drafts[root[0]]
        if draft.keeps_state or sketch.is_input(root[0]):
            found.add(root)
        else:
            waiting += [
                (source, root[1] + more)
                for source, more in zip(draft.sources, draft.delays, strict=True)
            ]
    return found


def grows(sketch: Sketch, number: int) -> bool:
    """Whether a population without state reads ever more steps of one source."""
    found: dict[int, int] = {}
    for source, _ in roots(sketch, number):
        found[source] = found.get(source, 0) + 1
    return max(found.values(), default=0) > LONGEST_HISTORY


def is_unrolled(sketch: Sketch, used: set[int], steps: int) -> bool:
    """Whether populations read one source at every one of its earlier steps.

    That is a recurrence of currents or activations, which no neuron carries, taken apart.
    """
    found: dict[int, set[int]] = {}
    for number in used:
        draft = sketch.drafts[number]
        for source, delay in zip(draft.sources, draft.delays, strict=True):
            found.setdefault(source, set()).add(delay)
    return steps > 3 and any(delays >= set(range(1, steps)) for delays in found.values())


def _added(root: Root, delay: int) -> Root:
    return root[0], root[1] + delay


def _is_repeated(sketch: Sketch, number: int) -> bool:
    """Whether the population sends the same at every step, repeating what has no steps."""
    draft = sketch.drafts[number]
    own = not draft.keeps_state and not sketch.is_input(number)
    return own and draft.timed and not any(sketch.drafts[item].timed for item in draft.sources)
