"""Parameters of neurons as the words in which neurons travel."""

from __future__ import annotations

import math

import numpy as np

from .arrays import Array
from .order import to_wire
from .spikes import SpikeType


def parameter_words(parameter: int | Array, type: SpikeType, lanes: int) -> Array:
    """(words, lanes): what the lanes of word k of a window need stands in row k mod words.

    `parameter` is a scalar, one value a channel or one a neuron of `type`; words of a window
    carry `lanes` neurons in wire order. `words` is the smallest such number: 1 where
    every word needs the same, channels / lanes for most parameters of channels, all words of the
    window where every neuron has its own.
    """
    values = np.asarray(parameter)
    wire = values.reshape(-1) if values.shape != type.shape else to_wire(values, type.shape)
    length = math.lcm(len(wire), lanes)
    words = np.resize(wire, length).reshape(-1, lanes)
    for period in range(1, len(words)):
        if len(words) % period == 0 and np.all(words[period:] == words[:-period]):
            return words[:period]
    return words
