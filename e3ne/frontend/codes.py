"""Where every element of a tensor comes from: one integer an element.

Functions that only move elements (view, permute, cat, slices, ...) are read by calling them a
second time on these integers. What comes out says exactly which element of which population, at
which step and in which frame, lies where, whatever the function and whatever the lengths of axes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import torch

from .values import Kind, Layout, Value

ZERO = -1  # the code of a constant zero
ELEMENT_BITS, FRAME_BITS, STEP_BITS, SOURCE_BITS = 24, 10, 14, 14  # from the low end up
FRAME_UNIT = 1 << ELEMENT_BITS
STEP_UNIT = FRAME_UNIT << FRAME_BITS
SOURCE_UNIT = STEP_UNIT << STEP_BITS


def codes_of(value: Value, shape: tuple[int, ...], timed: bool = True) -> torch.Tensor:
    """The codes, int64 of `shape`, of a tensor that stands for `value` (no SUM or MAX).

    `timed` says whether its population differs from step to step; if not, no code has a step.
    """
    lead = lead_axes(value)
    steps = torch.arange(value.steps) if value.kind is Kind.TRAIN else torch.zeros(1).long()
    if value.kind is Kind.STEP:
        steps += value.steps
    steps = steps * timed
    frames = torch.arange(frames_of(value, shape))
    first, second = steps[:, None] * STEP_UNIT, frames[None, :] * FRAME_UNIT
    if value.layout in (Layout.FRAMES_STEPS, Layout.MERGED_FRAMES_STEPS):
        first, second = first.T, second.T
    rest = shape[lead:]
    elements = torch.arange(prod(rest)).reshape(rest)
    leads = (first + second + value.source * SOURCE_UNIT).reshape(*shape[:lead], *(1,) * len(rest))
    return leads + elements


def lead_axes(value: Value) -> int:
    """How many axes of a tensor that stands for `value` come before those of one frame."""
    return 2 if value.kind is Kind.TRAIN and not value.layout.is_merged else 1


def frames_of(value: Value, shape: tuple[int, ...]) -> int:
    """How many frames a tensor of `shape` that stands for `value` holds."""
    if value.kind is not Kind.TRAIN:
        return shape[0]
    match value.layout:
        case Layout.STEPS_FRAMES:
            return shape[1]
        case Layout.FRAMES_STEPS:
            return shape[0]
        case _:
            return shape[0] // value.steps


@dataclass(frozen=True)
class Reading:
    """A tensor as (part of) trains: where its steps and frames are, and what one frame holds.

    `elements`, int64 of the shape of one frame at one step, holds codes of source and element (the
    same in all frames and steps), or ZERO. `kind` is STATIC, STEP or TRAIN as in Value. A TRAIN
    that `repeats` has no steps of its own: it holds a static population several times.
    """

    kind: Kind
    steps: int
    layout: Layout
    elements: torch.Tensor
    repeats: bool = False

    @property
    def sources(self) -> list[int]:
        """The numbers of the populations that the tensor holds elements of."""
        return _sources(self.elements)

    def elements_of(self, source: int) -> torch.Tensor:
        """The index of each element in population `source`; ZERO where it is none of it."""
        own = (self.elements >= 0) & (self.elements // SOURCE_UNIT == source)
        return torch.where(own, self.elements % FRAME_UNIT, ZERO)

    @property
    def is_in_order(self) -> bool:
        """Whether it holds one population, all of its elements in their order from the first on."""
        flat = self.elements.reshape(-1)
        first = flat[0] - flat[0] % FRAME_UNIT
        return bool((flat == first + torch.arange(len(flat))).all())


def readings(
    codes: torch.Tensor, frames: int, timed: frozenset[int], wanted: Layout | None = None
) -> Iterator[Reading]:
    """The ways to read a tensor with these codes, the plainest first; none where it mixes frames.

    `frames` is how many frames there are; populations in `timed` differ from step to step. An axis
    of length 1 behind the frames is one of steps only where the layout is `wanted`.
    """
    single = _read(codes, frames, timed, None)
    found: list[Reading | None] = [
        reading
        for reading in (_read(codes, frames, timed, layout) for layout in Layout)
        if reading is not None and (single is None or reading.steps > 1 or reading.layout is wanted)
    ]
    found = [*found, single] if wanted is not None else [single, *found]
    known = [reading for reading in found if reading is not None]
    plain = [item for item in known if item.is_in_order and item.elements.ndim in (1, 2, 3)]
    yield from plain
    yield from (item for item in known if not any(item is other for other in plain))


def _read(
    codes: torch.Tensor, frames: int, timed: frozenset[int], layout: Layout | None
) -> Reading | None:
    """The codes as a train of this layout; without one, as one step or something static."""
    shape = codes.shape
    steps = 1
    leads: tuple[int, ...] = (frames,)
    if layout is not None:
        if codes.ndim < 1 or (layout.is_merged and shape[0] % frames):
            return None
        merged = layout.is_merged
        steps = shape[0] // frames if merged else prod(shape[:2]) // max(frames, 1)
        leads = (steps, frames) if layout.is_steps_first else (frames, steps)
        if (merged and steps < 2) or (not merged and tuple(shape[:2]) != leads):
            return None
        codes = codes.reshape(*leads, *shape[1 if merged else 2 :])
    elif codes.ndim < 1 or shape[0] != frames:
        return None
    axes = _lead_codes(leads, steps, frames, layout)
    rest = codes[(0,) * len(leads)]
    sources = set(_sources(rest))
    if not sources or (sources & timed and sources - timed):
        return None
    step = int(rest[rest >= 0].flatten()[0] % SOURCE_UNIT // STEP_UNIT)
    repeats = not sources & timed
    if layout is not None and step != 0:
        return None
    if repeats:
        axes = axes % STEP_UNIT
    elements = torch.where(rest >= 0, rest - step * STEP_UNIT, ZERO)
    if bool((elements % SOURCE_UNIT >= FRAME_UNIT)[rest >= 0].any()):
        return None
    wanted = torch.where(rest >= 0, rest + axes.reshape(*leads, *(1,) * rest.ndim), ZERO)
    if not torch.equal(codes, wanted):
        return None
    if layout is None:
        kind = Kind.STATIC if repeats else Kind.STEP
        return Reading(kind, 0 if repeats else step, Layout.STEPS_FRAMES, elements)
    return Reading(Kind.TRAIN, steps, layout, elements, repeats)


def _lead_codes(
    leads: tuple[int, ...], steps: int, frames: int, layout: Layout | None
) -> torch.Tensor:
    """What steps and frames add to a code, of shape `leads`."""
    counted = torch.arange(frames) * FRAME_UNIT
    if layout is None:
        return counted
    both = (torch.arange(steps) * STEP_UNIT)[:, None] + counted[None, :]
    return (both if layout.is_steps_first else both.T).reshape(leads)


def _sources(codes: torch.Tensor) -> list[int]:
    used = codes[codes >= 0] // SOURCE_UNIT
    return sorted(map(int, torch.unique(used).tolist()))  # type: ignore[no-untyped-call]
