"""Arrays as users hand them over: one an input, axes of length 1 optional."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from .arrays import Array
from .errors import BadInput
from .graph import Input
from .spikes import SpikeType

UserArrays = Array | Sequence[Array] | Mapping[str, Array]
"""One array, or several: in the order of the inputs, or by the names of the inputs."""


def as_frames(type: SpikeType, x: Array) -> Array | None:
    """`x` (frames, ...) as (frames, steps, *shape) of an edge; None where its shape does not fit.

    Axes of length 1 behind the first may be missing or too many: (frames, channels, length) is
    what (channels, 1, length) of one step takes. Images may be flattened (channels, then rows,
    then columns), for models that make an image of their rows of features.
    """
    wanted = (type.steps, *type.shape)
    flattened = (type.steps, prod(type.shape))
    if x.ndim == 0 or _long(x.shape[1:]) not in (_long(wanted), _long(flattened)):
        return None
    return x.reshape(len(x), *wanted)


def _long(shape: Sequence[int]) -> list[int]:
    return [length for length in shape if length != 1]


def input_arrays(where: str, inputs: Sequence[Input], x: UserArrays) -> tuple[Array, ...]:
    """One array an input, in their order, as many frames each; BadInput where they do not match."""
    names = [source.name for source in inputs]
    accepted = f"accepted {len(names)}: {', '.join(names)}"
    if isinstance(x, Mapping):
        if set(x) != set(names):
            raise BadInput(f"{where}: found arrays for {', '.join(sorted(x))}, {accepted}")
        arrays = tuple(np.asarray(x[name]) for name in names)
    elif isinstance(x, tuple) or (isinstance(x, list) and len(names) > 1):
        if len(x) != len(names):
            raise BadInput(f"{where}: found {len(x)} arrays, {accepted}")
        arrays = tuple(np.asarray(array) for array in x)
    else:
        if len(names) != 1:
            raise BadInput(
                f"{where}: found one array, {accepted}; give a tuple in this order or a dict"
            )
        arrays = (np.asarray(x),)
    lengths = {len(array) if array.ndim else 0 for array in arrays}
    if len(lengths) > 1:
        found = ", ".join(str(len(array)) for array in arrays if array.ndim)
        raise BadInput(f"{where}: found {found} frames, accepted as many for each input")
    return arrays
