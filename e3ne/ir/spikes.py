"""What an edge carries: spike trains of small integers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class SpikeType:
    """At each of `steps` time steps every neuron of `shape` sends one integer of `bits` bits.

    `shape` is (features,) or (channels, rows, columns). The integer is unsigned, 0 .. 2**bits - 1,
    or two's complement where `signed`. `bits == 0` stands for a real number and is legal only
    before the integer line (stage FLOAT).
    """

    shape: tuple[int, ...]
    steps: int = 1
    bits: int = 0
    signed: bool = False

    @property
    def neurons(self) -> int:
        """How many neurons send over this edge."""
        return math.prod(self.shape)

    @property
    def channels(self) -> int:
        """The length of the first axis: what per-channel parameters are indexed by."""
        return self.shape[0]

    @property
    def low(self) -> int:
        """The smallest integer that the edge can carry."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """The largest integer that the edge can carry."""
        return (1 << (self.bits - self.signed)) - 1


class Encoding(Enum):
    """People's names for codes; the numbers that matter are `steps` and `bits`.

    LATENCY and DELTA are rate trains, and DIRECT an analog input, of which more is known than the
    type says (`ir/codes.py`).
    """

    RATE = "rate"
    RADIX = "radix"
    GRADED = "graded"
    ANALOG = "analog"
    LATENCY = "latency"
    DELTA = "delta"
    DIRECT = "direct"

    @classmethod
    def of(cls, type: SpikeType) -> Encoding:
        """The name of an edge's code: T x 1 bit is rate, 1 x T bits radix, T x b bits graded."""
        if type.signed or type.bits == 0:
            return cls.ANALOG
        if type.steps == 1:
            return cls.RADIX
        return cls.RATE if type.bits == 1 else cls.GRADED
