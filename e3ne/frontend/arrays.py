"""Torch tensors to the read-only arrays of a graph."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from ..ir import Array, frozen


def channel_values(values: torch.Tensor, shape: tuple[int, ...]) -> float | Array | None:
    """One number, or float32 (channels,), that broadcasts over `shape` exactly as `values` does.

    `values` may have a frames axis of length 1. None where it differs within a channel or does
    not broadcast.
    """
    values = values.detach()
    while values.ndim > len(shape) and values.shape[0] == 1:
        values = values[0]
    try:
        full = torch.broadcast_to(values, shape).reshape(shape[0], -1)
    except RuntimeError:
        return None
    first = full[:, :1]
    if not bool((full == first).all()):
        return None
    if bool((first == first[0]).all()):
        return float(first[0, 0])
    return frozen(first[:, 0].numpy(), np.float32)


def neuron_values(values: torch.Tensor, shape: tuple[int, ...]) -> float | Array | None:
    """`values` as a parameter of neurons (`ir/neurons.py`) of a population of `shape`.

    One number, float32 (channels,), or float32 `shape` where it differs within a channel; None
    where it does not broadcast over `shape`. `values` may have a frames axis of length 1.
    """
    found = channel_values(values, shape)
    if found is not None:
        return found
    values = values.detach()
    if values.ndim > len(shape) and values.shape[0] == 1:
        values = values[0]
    try:
        return frozen(torch.broadcast_to(values, shape).numpy(), np.float32)
    except RuntimeError:
        return None


class ArrayCache:
    """Tensors as frozen float32 arrays, equal contents as the same object.

    Lets nodes be compared by the identity of their arrays, also where a model computes the same
    weight anew at every step.
    """

    def __init__(self) -> None:
        self._by_tensor: dict[tuple[int, int], tuple[torch.Tensor, Array]] = {}
        self._by_content: dict[bytes, Array] = {}

    def array(self, values: torch.Tensor) -> Array:
        """`values` as float32."""
        key = (id(values), values._version)
        if key not in self._by_tensor:
            array = frozen(values.detach().numpy().astype(np.float32), np.float32)
            self._by_tensor[key] = (values, self.unique(array))
        return self._by_tensor[key][1]

    def unique(self, array: Array) -> Array:
        """The first array that was given with the contents of `array`."""
        head = f"{array.shape}".encode()
        digest = hashlib.sha256(head + array.tobytes()).digest()
        return self._by_content.setdefault(digest, array)
