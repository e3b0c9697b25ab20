"""Wire order, the only definition: rows, then columns, then channels; lane 0 in the low bits.

A frame travels window after window; within a window the elements of an edge of shape
(channels, rows, columns) travel row by row, column by column, channel by channel, `lanes` of them
a word, all steps of the window of one element together (step 0 lowest).
"""

from __future__ import annotations

import numpy as np

from .arrays import Array


def wire_index(shape: tuple[int, ...]) -> Array:
    """For each wire position its index in torch's flattened order: int64 (neurons,)."""
    if len(shape) == 1:
        return np.arange(shape[0], dtype=np.int64)
    channels, rows, columns = shape
    index = np.arange(channels * rows * columns, dtype=np.int64).reshape(shape)
    return index.transpose(1, 2, 0).reshape(-1)


def to_wire(values: Array, shape: tuple[int, ...]) -> Array:
    """(..., *shape) to (..., neurons) in wire order."""
    lead = values.shape[: values.ndim - len(shape)]
    if len(shape) == 1:
        return values
    return np.moveaxis(values, -3, -1).reshape(*lead, -1)


def from_wire(values: Array, shape: tuple[int, ...]) -> Array:
    """(..., neurons) in wire order to (..., *shape)."""
    if len(shape) == 1:
        return values
    channels, rows, columns = shape
    lead = values.shape[:-1]
    return np.moveaxis(values.reshape(*lead, rows, columns, channels), -1, -3)


def to_words(values: Array, shape: tuple[int, ...], lanes: int, steps_in_window: int) -> Array:
    """(frames, steps, *shape) to (frames, words, lanes, steps_in_window), the words of a stream.

    Words of a frame stand in the order in which they travel: windows, then wire order.
    """
    frames, steps = values.shape[:2]
    wire = to_wire(values, shape)
    windows = wire.reshape(frames, steps // steps_in_window, steps_in_window, -1, lanes)
    return np.ascontiguousarray(windows.transpose(0, 1, 3, 4, 2)).reshape(
        frames, -1, lanes, steps_in_window
    )


def from_words(words: Array, shape: tuple[int, ...], steps: int) -> Array:
    """(frames, words, lanes, steps_in_window) to (frames, steps, *shape): inverse of to_words."""
    frames, count, lanes, steps_in_window = words.shape
    windows = steps // steps_in_window
    wire = words.reshape(frames, windows, count // windows * lanes, steps_in_window)
    return from_wire(wire.transpose(0, 1, 3, 2).reshape(frames, steps, -1), shape)
