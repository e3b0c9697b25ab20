"""What an earlier step sent: connections across the steps of a time loop.

A step of the loop may read spikes of an earlier one: feedback, or a pipeline. A synapse holds the
delay, and steps before the first count as silence. A model does the same where it starts from
zeros, *and sends them through its layers*: `fc(zeros)` is the bias of `fc`. So the delay belongs
to the neurons (or the input) behind the layers, and the layers are read again, that much later.
"""

from __future__ import annotations

from .sketch import Sketch

Root = tuple[int, int]  # neurons or an input, and the delay of what is read of them


def later(sketch: Sketch, number: int, delay: int) -> Root:
    """Where to read, and with which delay, what population `number` sent `delay` steps ago.

    Neurons and inputs are read with the delay; populations without state are found again behind
    delayed neurons. A sum with anything that is the same at every step cannot be: it is silent
    before the first step as a whole.
    """
    draft = sketch.drafts[number]
    if delay == 0 or draft.keeps_state or sketch.is_input(number) or not _is_moved(sketch, number):
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


def _added(root: Root, delay: int) -> Root:
    return root[0], root[1] + delay


def _is_moved(sketch: Sketch, number: int) -> bool:
    """Whether everything behind the population, up to neurons and inputs, has steps."""
    seen, waiting = set[int](), [number]
    while waiting:
        at = waiting.pop()
        draft = sketch.drafts[at]
        if not draft.timed:
            return False
        if at not in seen and not draft.keeps_state:
            waiting += draft.sources
        seen.add(at)
    return True
