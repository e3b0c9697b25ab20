"""Parameters of neurons that are scalars, one a channel or one a neuron: brought together, split.

An array (channels,) of an image and one of its whole shape do not broadcast; in the form of this
file, (channels, 1, 1) and (channels, rows, columns), they do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np

from ..ir import Array, Dyadic, Factor, Integrate, IntegrateFire, Neuron, frozen

Firing = TypeVar("Firing", bound=IntegrateFire | Integrate)
AnyNeuron = TypeVar("AnyNeuron", bound=Neuron)


def real(factor: Factor) -> Array:
    """A factor of stage FLOAT as float64."""
    assert not isinstance(factor, Dyadic)
    return np.asarray(factor, np.float64)


def changed_arrays(neuron: AnyNeuron, change: Callable[[Array], Any]) -> AnyNeuron:
    """The neuron with `change` made on each of its arrays, those inside a Dyadic included."""
    values: dict[str, Any] = {}
    for item in fields(neuron):
        value = getattr(neuron, item.name)
        if isinstance(value, np.ndarray):
            values[item.name] = change(value)
        elif isinstance(value, Dyadic) and isinstance(value.multiplier, np.ndarray):
            values[item.name] = Dyadic(change(value.multiplier), value.shift)
    return replace(neuron, **values) if values else neuron


def aligned(neuron: Firing, scale: Array, shape: tuple[int, ...]) -> tuple[Firing, Array]:
    """Neuron and scale of its current with arrays that broadcast over `shape`."""

    def spread(array: Array) -> Array:
        if array.ndim == 0 or array.shape == shape:
            return array
        return array.reshape(-1, *(1,) * (len(shape) - 1))

    return changed_arrays(neuron, spread), spread(scale)


def compacted(neuron: Firing, shape: tuple[int, ...]) -> Firing:
    """The neuron with arrays of shape (channels,), or `shape`, as a graph holds them."""

    def compact(array: Array) -> Array:
        if array.shape == shape or array.ndim < 2:
            return array
        if array.size == shape[0]:
            return frozen(array.reshape(-1), array.dtype)
        return frozen(np.broadcast_to(array, shape), array.dtype)

    return changed_arrays(neuron, compact)


def of_image(neuron: AnyNeuron, image: tuple[int, ...]) -> AnyNeuron:
    """Neurons of a flattened image as neurons of the image: one value a channel where all of a
    channel are equal, else one a neuron."""

    def shaped(array: Array) -> Array:
        if array.shape != (int(np.prod(image)),):
            return array
        table = array.reshape(image[0], -1)
        if (table == table[:, :1]).all():
            return frozen(table[:, 0], array.dtype)
        return frozen(array.reshape(image), array.dtype)

    return changed_arrays(neuron, shaped)


def of_channels(neuron: AnyNeuron, channels: Array, shape: tuple[int, ...]) -> AnyNeuron:
    """The neurons of some `channels` of a population of `shape`."""
    return changed_arrays(
        neuron,
        lambda array: (
            frozen(array[channels], array.dtype) if array.shape in ((shape[0],), shape) else array
        ),
    )
