"""From where elements lie to the population that sends them there: an old one, or a new one."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from ..ir import Flatten, Op, Relay
from .codes import Reading
from .selecting import selecting
from .values import Kind, Moved, Value, population_shape

if TYPE_CHECKING:
    from .watched import Watched


def own_population(call: Watched, reading: Reading) -> Value | None:
    """The population whose elements are all there in their order, flattened where it has to be."""
    wanted = population_shape(tuple(reading.elements.shape))
    if wanted is None or not reading.is_in_order:
        return None
    (source,) = reading.sources
    have = call.sketch.drafts[source].shape
    if have == wanted:
        return train_of(call, source, reading)
    if wanted == (prod(have),):
        return train_of(call, _added(call, [Flatten()], [source], reading), reading)
    return None


def placed(call: Watched, moved: Moved) -> Value | None:
    """The population that sends the elements of `moved` as they lie; None where no op makes it."""
    for reading in call.readings(moved.codes):
        value = own_population(call, reading) or _reshaped_input(call, reading)
        value = value or _selected(call, reading)
        if value is not None:
            return value
    return None


def train_of(call: Watched, number: int, reading: Reading) -> Value:
    """What population `number` sends where `reading` says that the frames and steps are."""
    if reading.repeats and reading.kind is Kind.TRAIN:
        number = call.sketch.repeated(number)
    return Value(number, reading.kind, reading.steps, layout=reading.layout)


def _selected(call: Watched, reading: Reading) -> Value | None:
    """A population with one selecting synapse from each source."""
    wanted = population_shape(tuple(reading.elements.shape))
    if wanted is None:
        return None
    ops: list[Op] = []
    for source in reading.sources:
        elements = reading.elements_of(source).reshape(wanted)
        op = selecting(elements, call.sketch.drafts[source].shape)
        if op is None:
            return None
        ops.append(call.unique(op))
    return train_of(call, _added(call, ops, reading.sources, reading), reading)


def _reshaped_input(call: Watched, reading: Reading) -> Value | None:
    """An input that the user gives in another shape than the one that the network reads first."""
    wanted = population_shape(tuple(reading.elements.shape))
    if wanted is None or not reading.is_in_order:
        return None
    (source,) = reading.sources
    have = call.sketch.drafts[source].shape
    if prod(have) != prod(wanted) or not call.sketch.reshape_input(source, wanted):
        return None
    return train_of(call, source, reading)


def _added(call: Watched, ops: list[Op], sources: list[int], reading: Reading) -> int:
    timed = reading.kind is not Kind.STATIC and not reading.repeats
    return call.sketch.add(ops, sources, Relay(), timed, call.origin)
