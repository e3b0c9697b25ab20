"""Times of transfers, and what holds them apart."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..ir.arrays import Array

Times = Array
"""Cycles (words,), int64, increasing: when each word crosses a stream."""


class Pace:
    """Words at least `apart` cycles from each other, over all calls."""

    def __init__(self, apart: int) -> None:
        self.apart = apart
        self.next = 0

    def __call__(self, earliest: Times) -> Times:
        """The same words, no earlier than `earliest`."""
        if not len(earliest):
            return earliest
        index = np.arange(len(earliest), dtype=np.int64) * self.apart
        paced: Times = np.maximum(np.maximum.accumulate(earliest - index), self.next) + index
        self.next = int(paced[-1]) + self.apart
        return paced


class EngineClock(Protocol):
    """Whatever turns words of spikes into words of currents."""

    def window(self, words: Times) -> tuple[Times, Times]:
        """(when the currents of one window leave, when each of its words is taken)."""
