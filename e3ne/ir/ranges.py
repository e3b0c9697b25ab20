"""Ranges of integers: what widths in hardware and saturation rest on.

Each bound is reached or exceeds what is reachable: with x in [low, high] elementwise, the sum of
w*x lies between sum(min(w*low, w*high)) and sum(max(w*low, w*high)), because each term does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from .arrays import Array
from .graph import Graph, Node, Synapse
from .neurons import Dyadic, Factor, Integrate, IntegrateFire
from .ops import ChannelAffine, Conv2d, Flatten, Identity, Linear, MaxPool2d, SumPool2d, Upsample2d
from .spikes import SpikeType


@dataclass(frozen=True)
class Range:
    """All integers from `low` to `high`, both included."""

    low: int
    high: int

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)

    def times(self, factor: int) -> Range:
        """The range of factor * x."""
        ends = (self.low * factor, self.high * factor)
        return Range(min(ends), max(ends))

    @property
    def signed_bits(self) -> int:
        """Bits of the narrowest two's complement number that holds the range (at least 1)."""
        ends = (int(self.low), int(self.high))
        return max((~end if end < 0 else end).bit_length() for end in ends) + 1


def edge_range(type: SpikeType) -> Range:
    """The integers that an edge can carry."""
    return Range(type.low, type.high)


def is_binary(weight: Array) -> bool:
    """Is every weight -1 or +1?"""
    return bool((np.abs(weight) == 1).all())


def stored_bits(weight: Array) -> int:
    """Bits of one weight in its ROM: 1 of binary ones, else of the narrowest two's complement."""
    if is_binary(weight):
        return 1
    return Range(int(weight.min()), int(weight.max())).signed_bits


def weighted_range(weight: Array, bias: Array | None, source: Range) -> Range:
    """Range over all outputs of sum(w*x) + bias; `weight` (outputs, ...) of integers.

    The weights of an output add up to less than 2**63; what they are multiplied with may not.
    """
    flat = weight.reshape(weight.shape[0], -1)
    positive = np.maximum(flat, 0).sum(axis=1).astype(object)
    negative = np.minimum(flat, 0).sum(axis=1).astype(object)
    offset = 0 if bias is None else bias.astype(object)
    # Zero stays in reach of every element: a padded place is 0 whatever the edge can carry.
    low, high = min(source.low, 0), max(source.high, 0)
    return Range(
        int((positive * low + negative * high + offset).min()),
        int((positive * high + negative * low + offset).max()),
    )


def synapse_range(synapse: Synapse, source: SpikeType) -> Range:
    """Range of the currents of one synapse, its gain included (integer stages)."""
    edge = edge_range(source)
    match synapse.op:
        case Linear() | Conv2d():
            found = weighted_range(synapse.op.weight, synapse.op.bias, edge)
        case SumPool2d():
            area = synapse.op.kernel[0] * synapse.op.kernel[1]
            found = Range(min(edge.low, 0) * area, edge.high * area)
        case MaxPool2d() | Identity() | Flatten():
            found = edge
        case Upsample2d():
            found = Range(min(edge.low, 0), edge.high)
        case ChannelAffine():
            raise TypeError("ChannelAffine has no range: fold it before the integer line")
        case _:
            assert_never(synapse.op)
    if synapse.delay:
        found = Range(min(found.low, 0), max(found.high, 0))
    return found.times(synapse.gain)


def current_range(graph: Graph, node: Node) -> Range:
    """Range of the summed current of a node at one step (integer stages)."""
    total = Range(0, 0)
    for synapse in node.synapses:
        total = total + synapse_range(synapse, graph.edge(synapse.source))
    return total


def summed_current_range(graph: Graph, node: Node) -> Range:
    """As current_range, summed over the steps where a train ends in one value (steps T to 1)."""
    found = current_range(graph, node)
    source_steps = max(graph.edge(synapse.source).steps for synapse in node.synapses)
    return found.times(source_steps) if node.type.steps == 1 else found


def factor_range(factor: Factor, values: Range) -> Range:
    """Range of (x * multiplier + half) >> shift for x in `values`, over all neurons."""
    if not isinstance(factor, Dyadic):
        raise TypeError("a real factor has no integer range")
    half = (1 << factor.shift) >> 1
    multipliers = np.asarray(factor.multiplier)
    ends = [
        (end * m + half) >> factor.shift
        for m in (int(multipliers.min()), int(multipliers.max()))
        for end in (values.low, values.high)
    ]
    return Range(min(ends), max(ends))


def membrane_range(neuron: IntegrateFire | Integrate, currents: Range, steps: int) -> Range:
    """A range that no membrane (or synaptic current) leaves in `steps` steps without saturation.

    By induction over the steps: each step maps [low, high] to decay * [low, high] plus the range
    of its input. A reset moves a membrane that fired (so lies above 0) towards its reset value,
    and at most max_spikes thresholds down, which stays above low - threshold. The walk stops
    early once a step no longer widens the range.
    """
    walk = _MembraneWalk(neuron, currents)
    return walk.after(steps)[0]


def endless_membrane_range(neuron: IntegrateFire | Integrate, currents: Range) -> Range | None:
    """The same for an endless stream; None where no range holds (a decay of 1, or above).

    A range that a step does not widen holds for ever. Where the walk does not end at one soon, it
    is searched, first for the synaptic current.
    """
    walk = _MembraneWalk(neuron, currents)
    membrane, current = walk.after(ENDLESS_STEPS)
    if walk.step((membrane, current)) == (membrane, current):
        return membrane
    if neuron.synaptic_decay is not None:
        filtered = _least(lambda found: walk.holds((found, found))[1])
        if filtered is None:
            return None
        current = filtered
    return _least(lambda found: all(walk.holds((found, current))))


def _least(holds: Callable[[Range], bool]) -> Range | None:
    """A least range around 0 for which `holds` is true; None where 64 bits are too few."""
    found = next(filter(holds, (Range(-(1 << bits), (1 << bits) - 1) for bits in range(64))), None)
    if found is None:
        return None
    low, high = found.low, found.high
    for size in (1 << bits for bits in reversed(range(64))):
        if size <= high and holds(Range(low, high - size)):
            high -= size
        if size <= -low and holds(Range(low + size, high)):
            low += size
    return Range(low, high)


ENDLESS_STEPS = 256


class _MembraneWalk:
    """Steps of (range of the membrane, range of the synaptic current) of a neuron."""

    def __init__(self, neuron: IntegrateFire | Integrate, currents: Range) -> None:
        self.neuron = neuron
        offsets = np.atleast_1d(np.asarray(neuron.offset)).astype(object)
        self.offset = Range(min(int(offsets.min()), 0), max(int(offsets.max()), 0))
        drive = factor_range(neuron.gain, currents)
        self.drive = Range(min(drive.low, 0), max(drive.high, 0))
        self.slack = self.start = Range(0, 0)
        self.resets_next = False  # to the reset value and this step's input, without a decay
        if isinstance(neuron, IntegrateFire):
            theta = int(np.max(np.asarray(neuron.threshold)))
            if neuron.reset == "subtract" and neuron.reset_step != "same":
                high = theta if neuron.reset_step == "both" else 0
                self.slack = Range(-theta * neuron.most_spikes, high)
            if neuron.reset == "to_value":
                value = int(neuron.reset_value)
                self.start = Range(min(0, value), max(0, value))
                self.resets_next = neuron.reset_step == "next"

    def step(self, before: tuple[Range, Range]) -> tuple[Range, Range]:
        """The ranges after one more step, those before it included."""
        membrane, current = before
        drive = self.drive
        if self.neuron.synaptic_decay is not None:
            current = _union(current, factor_range(self.neuron.synaptic_decay, current) + drive)
            drive = current
        step = factor_range(self.neuron.decay, membrane) + drive + self.offset + self.slack
        membrane = _union(membrane, step)
        if self.resets_next:
            membrane = _union(membrane, self.start + drive + self.offset)
        if self.neuron.synaptic_decay is not None:
            membrane = _union(membrane, current)
        return membrane, current

    def holds(self, ranges: tuple[Range, Range]) -> tuple[bool, bool]:
        """Whether neither reset nor a step leaves these ranges: the membrane's, the current's."""
        membrane, current = ranges
        after = self.step(ranges)
        return after[0] == _union(membrane, self.start) == membrane, after[1] == current

    def after(self, steps: int) -> tuple[Range, Range]:
        """The ranges after `steps` steps from reset, or as soon as they widen no more."""
        reached = (self.start, self.start)
        for _ in range(steps):
            before, reached = reached, self.step(reached)
            if reached == before:
                break
        return reached


def _union(a: Range, b: Range) -> Range:
    return Range(min(a.low, b.low), max(a.high, b.high))
