"""What a tensor of the user's forward stands for, in terms of the network."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """Which part of a population's trains a tensor holds (frames axis first, but see TRAIN)."""

    STATIC = "the same at every step"
    STEP = "one step"
    TRAIN = "all steps"
    SUM = "the sum over the steps, times a factor"
    MAX = "the largest of the steps"


class Layout(Enum):
    """Where the steps of a TRAIN are among the axes of its tensor."""

    STEPS_FRAMES = "(steps, frames, *shape)"
    FRAMES_STEPS = "(frames, steps, *shape)"
    MERGED_STEPS_FRAMES = "(steps * frames, *shape)"
    MERGED_FRAMES_STEPS = "(frames * steps, *shape)"


@dataclass(frozen=True)
class Value:
    """A tensor that holds (part of) what the population number `source` sends.

    `steps` is the index of the step for STEP, and how many steps, from the first on, for TRAIN,
    SUM and MAX. `layout` matters for TRAIN only.
    """

    source: int
    kind: Kind
    steps: int = 0
    factor: float = 1.0
    layout: Layout = Layout.STEPS_FRAMES


@dataclass(frozen=True)
class Unknown:
    """A tensor that e3ne cannot compute, with the reasons; harmless as long as nobody uses it."""

    problems: tuple[str, ...]


def unknown(*tensors: Value | Unknown | str) -> Unknown:
    """The reasons of all that is unknown among `tensors`, each once."""
    problems: dict[str, None] = {}
    for item in tensors:
        if isinstance(item, Unknown):
            problems.update(dict.fromkeys(item.problems))
        elif isinstance(item, str):
            problems[item] = None
    return Unknown(tuple(problems))
