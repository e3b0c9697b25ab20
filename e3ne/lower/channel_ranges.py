"""What each channel of a FLOAT graph can send at all: an interval, and whether it is constant.

The bounds hold for every frame, step and place of the channel, whatever the inputs are. A feedback
loop starts from silence, so a loop that stays silent step after step is found to be silent.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import assert_never

import numpy as np

from ..ir import (
    Array,
    ChannelAffine,
    Conv2d,
    Encode,
    Flatten,
    Graph,
    Identity,
    Integrate,
    IntegrateFire,
    Linear,
    MaxPool2d,
    Node,
    Rectify,
    Relay,
    Requantize,
    SpikeType,
    SumPool2d,
    Synapse,
    Upsample2d,
)

PATIENT_ROUNDS = 3  # around the loops, before what still grows counts as unbounded


@dataclass(frozen=True)
class Channels:
    """Bounds `low` .. `high` of each channel (channels,); `fixed`: it always sends `low`."""

    low: Array
    high: Array
    fixed: Array

    def with_silence(self) -> Channels:
        """The same, or 0: what is padded or late."""
        low, high = np.minimum(self.low, 0), np.maximum(self.high, 0)
        return Channels(low, high, self.fixed & (self.low == 0))

    def times(self, factor: Array | float) -> Channels:
        """Each channel times its factor."""
        ends = _product(self.low, factor), _product(self.high, factor)
        fixed = self.fixed | (np.asarray(factor) == 0)
        return Channels(np.minimum(*ends), np.maximum(*ends), fixed)

    def plus(self, other: Channels) -> Channels:
        """The sum of both."""
        fixed = self.fixed & other.fixed
        return Channels(self.low + other.low, self.high + other.high, fixed)

    def same_as(self, other: Channels) -> bool:
        """Equal in everything."""
        mine, others = (np.stack([c.low, c.high, c.fixed]) for c in (self, other))
        return np.array_equal(mine, others)


def channel_ranges(graph: Graph) -> dict[str, Channels]:
    """The ranges of every input and node of a graph of stage FLOAT."""
    found = {source.name: _anything(source.type.channels) for source in graph.inputs}
    found |= {node.name: _constant(np.zeros(node.type.channels)) for node in graph.nodes}
    round = 0
    while True:
        before = dict(found)
        for node in graph.nodes:
            sent = _sent(node, _current(graph, node, found))
            if round >= PATIENT_ROUNDS and not sent.same_as(before[node.name]):
                sent = _sent(node, _anything(node.type.channels))
            found[node.name] = sent
        if all(found[name].same_as(before[name]) for name in found):
            return found
        round += 1


def _anything(channels: int) -> Channels:
    inf = np.full(channels, np.inf)
    return Channels(-inf, inf, np.zeros(channels, bool))


def _constant(values: Array) -> Channels:
    return Channels(values, values, np.ones(len(values), bool))


def _product(values: Array, factor: Array | float) -> Array:
    """Elementwise, where 0 times anything is 0."""
    factors = np.broadcast_to(np.asarray(factor, np.float64), values.shape)
    safe = np.where(factors == 0, 0.0, values)
    return np.asarray(np.where(safe == 0, 0.0, safe * factors))


def _current(graph: Graph, node: Node, found: dict[str, Channels]) -> Channels:
    """The summed current of a node at a step; of all steps, where a train ends in one value."""
    total = _constant(np.zeros(node.type.channels))
    for synapse in node.synapses:
        type = graph.edge(synapse.source)
        late = found[synapse.source].with_silence() if synapse.delay else found[synapse.source]
        one = synapse_channels(synapse, type, late).times(synapse.gain)
        steps = type.steps if node.type.steps == 1 else 1
        total = total.plus(one.times(steps))
    return total


def synapse_channels(synapse: Synapse, type: SpikeType, source: Channels) -> Channels:
    """What the op of a synapse makes of its source of `type`."""
    op = synapse.op
    match op:
        case Linear():
            return _weighted(op.weight, op.bias, _flat(source, type))
        case Conv2d():
            padded = source.with_silence() if max(op.padding) else source
            return _convolved(op, padded)
        case ChannelAffine():
            scaled = source.times(op.gain.astype(np.float64))
            offset = np.broadcast_to(op.offset.astype(np.float64), scaled.low.shape)
            return scaled.plus(_constant(offset))
        case MaxPool2d():
            never_wins = not max(op.padding) or (source.low >= 0).all()
            return source if never_wins else source.with_silence()
        case SumPool2d():
            padded = source.with_silence() if max(op.padding) else source
            return padded.times(prod(op.kernel) / op.divisor)
        case Upsample2d():
            return source.with_silence() if op.fill == "zero" else source
        case Identity():
            return source
        case Flatten():
            return _flat(source, type)
        case _:
            assert_never(op)


def _flat(source: Channels, type: SpikeType) -> Channels:
    """One range a feature, channels first."""
    places = prod(type.shape[1:])
    parts = (np.repeat(part, places) for part in (source.low, source.high, source.fixed))
    return Channels(*parts)


def _convolved(op: Conv2d, source: Channels) -> Channels:
    ins, outs = int(op.weight.shape[1]), int(op.weight.shape[0]) // op.groups
    parts = []
    for group in range(op.groups):
        mine = slice(group * ins, (group + 1) * ins)
        read = Channels(source.low[mine], source.high[mine], source.fixed[mine])
        rows = slice(group * outs, (group + 1) * outs)
        weight = op.weight[rows]
        taps = int(np.prod(op.kernel))
        every = Channels(*(np.repeat(part, taps) for part in (read.low, read.high, read.fixed)))
        bias = None if op.bias is None else op.bias[rows]
        parts.append(_weighted(weight.reshape(outs, -1), bias, every))
    joined = zip(*((part.low, part.high, part.fixed) for part in parts), strict=True)
    return Channels(*(np.concatenate(part) for part in joined))


def _weighted(weight: Array, bias: Array | None, source: Channels) -> Channels:
    """sum(weight * x) + bias for `weight` (outputs, inputs)."""
    positive, negative = (f(weight.astype(np.float64), 0) for f in (np.maximum, np.minimum))
    offset = 0.0 if bias is None else bias.astype(np.float64)
    low = _dot(positive, source.low) + _dot(negative, source.high) + offset
    high = _dot(positive, source.high) + _dot(negative, source.low) + offset
    fixed = ~((weight != 0) & ~source.fixed).any(axis=1)
    return Channels(low, np.where(fixed, low, high), fixed)


def _dot(weight: Array, values: Array) -> Array:
    """weight @ values, where a weight of 0 makes 0 of an infinite value."""
    infinite = np.isinf(values)
    total = weight @ np.where(infinite, 0.0, values)
    if not infinite.any():
        return np.asarray(total)
    signs = np.sign(weight[:, infinite]) * np.sign(values[infinite])
    up, down = (signs > 0).any(axis=1), (signs < 0).any(axis=1)
    return np.where(up, np.inf, np.where(down, -np.inf, total))


def _sent(node: Node, current: Channels) -> Channels:
    """What the neurons of `node` send for a range of their current."""
    neuron = node.neuron
    match neuron:
        case Relay():
            return current
        case Rectify():
            bound = np.inf if neuron.bound is None else neuron.bound
            fixed = current.fixed | (current.high <= 0)
            ends = (current.low, current.high)
            low, high = (_rectified(neuron, np.clip(end, 0, bound)) for end in ends)
            return Channels(low, np.where(fixed, low, high), fixed)
        case IntegrateFire():
            return _fired(node, neuron, current)
        case Integrate():
            rests = _rests(current) & _each(node, np.equal(neuron.offset, 0))
            return _with_silent(_anything(len(rests)), rests)
        case Encode() | Requantize():
            return _anything(node.type.channels)
        case _:
            assert_never(neuron)


def _rectified(neuron: Rectify, values: Array) -> Array:
    """Rounded to whole units where the ReLU has bits."""
    if neuron.bits is None or neuron.bound is None:
        return values
    unit = neuron.bound / (2**neuron.bits - 1)
    return np.asarray(np.floor(values / unit + 0.5) * unit)


def _fired(node: Node, neuron: IntegrateFire, current: Channels) -> Channels:
    """Nothing where no input ever lifts the membrane above rest; else up to `max_spikes`."""
    channels = node.type.channels
    if neuron.floor is not None and neuron.floor > 0:
        return _anything(channels)
    if neuron.sends == "membrane":
        rests = _rests(current) & _each(node, np.equal(neuron.offset, 0))
        return _with_silent(_anything(channels), rests)
    gains = np.asarray(neuron.gain, np.float64)
    never = [
        _each(node, gains <= 0) | (current.high <= 0),
        _each(node, gains >= 0) | (current.low >= 0),
        _each(node, np.asarray(neuron.decay) >= 0),
        _each(node, np.less_equal(neuron.offset, 0)),
    ]
    if neuron.synaptic_decay is not None:
        never.append(_each(node, np.asarray(neuron.synaptic_decay) >= 0))
    most = np.inf if neuron.max_spikes is None else float(neuron.max_spikes)
    sends = Channels(np.zeros(channels), np.full(channels, most), np.zeros(channels, bool))
    return _with_silent(sends, np.logical_and.reduce(never))


def _rests(current: Channels) -> Array:
    return np.asarray(current.fixed & (current.low == 0))


def _with_silent(channels: Channels, silent: Array) -> Channels:
    low, high = (np.where(silent, 0.0, end) for end in (channels.low, channels.high))
    return Channels(low, high, channels.fixed | silent)


def _each(node: Node, holds: Array) -> Array:
    """Whether something holds in all of a channel, from a scalar, one a channel or one a neuron."""
    values = np.asarray(holds)
    if values.shape == node.type.shape:
        return np.asarray(values.reshape(node.type.channels, -1).all(axis=1))
    return np.broadcast_to(values, (node.type.channels,))
