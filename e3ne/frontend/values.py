"""What a tensor of the user's forward stands for, in terms of the network."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from .sketch import Origin


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

    @property
    def is_merged(self) -> bool:
        """Whether steps and frames share one axis."""
        return self in (Layout.MERGED_STEPS_FRAMES, Layout.MERGED_FRAMES_STEPS)

    @property
    def is_steps_first(self) -> bool:
        """Whether all frames of a step come before the next step."""
        return self in (Layout.STEPS_FRAMES, Layout.MERGED_STEPS_FRAMES)


@dataclass(frozen=True)
class Value:
    """A tensor that holds (part of) what the population number `source` sends.

    Behind its axes of frames and steps it has the population's shape; (channels, length) stands
    for the population's (channels, 1, length). `steps` is the index of the step for STEP, and how
    many steps, from the first on, for TRAIN, SUM and MAX. `layout` matters for TRAIN only.
    """

    source: int
    kind: Kind
    steps: int = 0
    factor: float = 1.0
    layout: Layout = Layout.STEPS_FRAMES


@dataclass(frozen=True, eq=False)
class Moved:
    """A tensor of elements that populations send, in an order that is no population's own.

    `codes` says which element is where (`codes.py`). `origin` is the function that moved them, and
    `problem` what is wrong with it, should somebody compute with it who needs a population.
    """

    codes: torch.Tensor
    origin: Origin
    problem: str


@dataclass(frozen=True)
class Unknown:
    """A tensor that e3ne cannot compute, with the reasons; harmless as long as nobody uses it."""

    problems: tuple[str, ...]


def unknown(*tensors: Value | Moved | Unknown | str) -> Unknown:
    """The reasons of all that is unknown among `tensors`, each once."""
    problems: dict[str, None] = {}
    for item in tensors:
        if isinstance(item, Unknown):
            problems.update(dict.fromkeys(item.problems))
        elif isinstance(item, str):
            problems[item] = None
    return Unknown(tuple(problems))


def population_shape(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of the population of which a tensor holds one frame as `shape`; None: of none.

    Features are (features,), images (channels, rows, columns); (channels, length) is an image
    of one row.
    """
    match shape:
        case ():
            return (1,)
        case (channels, length):
            return (channels, 1, length)
        case (_,) | (_, _, _):
            return tuple(shape)
        case _:
            return None
