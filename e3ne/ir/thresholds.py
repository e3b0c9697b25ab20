"""Requantisation to few levels: comparisons with constants say what a multiplication would."""

from __future__ import annotations

import numpy as np

from .arrays import Array
from .neurons import Neuron, Requantize
from .parameters import parameter_words
from .spikes import SpikeType

COMPARED_BITS = 2
"""Edges of no more bits are compared: three comparisons take a fraction of a multiplier."""


def compares(neuron: Neuron, type: SpikeType, lanes: int) -> bool:
    """Whether a unit with words of `lanes` neurons compares: few levels, constant factors > 0."""
    return (
        isinstance(neuron, Requantize)
        and type.bits <= COMPARED_BITS
        and not type.signed
        and bool(np.all(np.asarray(neuron.multiplier) > 0))
        and len(parameter_words(neuron.multiplier, type, lanes)) == 1
    )


def thresholds(neuron: Requantize, type: SpikeType, lanes: int) -> Array:
    """(lanes, levels): the least current at which a neuron sends k + 1 or more, int64.

    (i * m + half) >> s >= k exactly where i * m + half >= k * 2**s, that is where
    i >= ceil((k * 2**s - half) / m), because m > 0.
    """
    factors = parameter_words(neuron.multiplier, type, lanes)[0].astype(object)
    half = (1 << neuron.shift) >> 1
    levels = [(k << neuron.shift) - half for k in range(1, 1 << type.bits)]
    return np.array([[-(-level // int(m)) for level in levels] for m in factors], np.int64)
