"""What encoders send: the equations of `ir.Encode` on whole frames, vectorised."""

from __future__ import annotations

from typing import assert_never

import numpy as np

from ..ir import Array, Encode, Node, SpikeType
from ..ir.order import from_wire
from ..ir.random_bits import random_numbers


def sample_units(neuron: Encode, current: Array) -> Array:
    """Real samples as int64 x: clip(rint(i / unit)), round half to even."""
    low = -(1 << (neuron.bits - 1)) if neuron.signed else 0
    high = (1 << (neuron.bits - neuron.signed)) - 1
    units = np.rint(np.asarray(current, np.float64) / neuron.unit)
    return np.asarray(np.clip(units, low, high).astype(np.int64))


def encode(neuron: Encode, current: Array, type: SpikeType) -> Array:
    """The trains (frames, steps, *shape) that a node of `type` sends.

    `current` is (frames, 1, *shape), of delta encoders (frames, steps, *shape): reals in stage
    FLOAT (type.bits == 0), else integers of the input's edge. float64 or int64 as the stage says.
    """
    if type.bits == 0:
        return spikes(neuron, sample_units(neuron, current), type).astype(np.float64)
    return spikes(neuron, np.asarray(current, np.int64), type)


def spikes(neuron: Encode, x: Array, type: SpikeType) -> Array:
    """The same for integers x, int64 (frames, 1 or steps, *shape)."""
    step = np.arange(type.steps, dtype=np.int64).reshape(-1, *(1,) * len(type.shape))
    match neuron.kind:
        case "radix":
            return (x >> (type.steps - 1 - step)) & 1
        case "regular":
            counts = (np.arange(type.steps + 1).reshape(-1, *step.shape[1:]) * x) >> neuron.bits
            return np.asarray(counts[:, 1:] - counts[:, :-1])
        case "bernoulli":
            numbers = random_numbers(neuron.seed, type.steps, neuron.bits, type.neurons)
            return np.asarray(from_wire(numbers, type.shape) < x, np.int64)
        case "latency":
            fires_at = (((1 << neuron.bits) - 1 - x) * type.steps) >> neuron.bits
            return np.asarray((x > 0) & (step == fires_at), np.int64)
        case "delta":
            return _changes(x, neuron.threshold, None)[0]
        case _:
            assert_never(neuron.kind)


def encode_stream(node: Node, current: Array, level: Array | None) -> tuple[Array, Array | None]:
    """The trains of a delta encoder whose frames are one stream, and its level behind them.

    `current` and trains are as of `encode`; the level, int64 (*shape) in units of x, is what all
    spikes so far have told, None before the first sample.
    """
    neuron = node.neuron
    assert isinstance(neuron, Encode)
    real = node.type.bits == 0
    x = sample_units(neuron, current) if real else np.asarray(current, np.int64)
    whole = x.reshape(1, -1, *x.shape[2:])
    sent, after = _changes(whole, neuron.threshold, None if level is None else level[None])
    trains = sent.reshape(x.shape)
    return trains.astype(np.float64) if real else trains, None if after is None else after[0]


def _changes(x: Array, threshold: int, level: Array | None) -> tuple[Array, Array | None]:
    """Spikes of (frames, steps, *shape) from `level` (frames, *shape) on, and the last level."""
    sent = np.zeros_like(x)
    for step in range(x.shape[1]):
        distance = x[:, step] - (x[:, step] if level is None else level)
        sent[:, step] = (distance >= threshold).astype(np.int64) - (distance <= -threshold)
        level = x[:, step] - distance + threshold * sent[:, step]
    return sent, level
