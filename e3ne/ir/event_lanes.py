"""EVENT with `lane_rows`: each input lane follows its own next event, with weights of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Array

LANES_LATENCY = 3
"""Cycles of an EventLanes from the transfer of a word to that of its first events."""


def lane_word(neurons: int, sent: int, in_lanes: int) -> int:
    """Elements of a source of `neurons` in one word of an EventLanes.

    Whole words of the source (`sent` elements), and so many of them that every lane has a place.
    """
    words = neurons // sent
    return sent * next(k for k in range(1, words + 1) if words % k == 0 and sent * k >= in_lanes)


@dataclass(frozen=True)
class LanePlan:
    """Who owns which element of a vector of `words` words of `word_lanes` elements.

    Element k of a word lies in place k // in_lanes of lane k % in_lanes. A lane has a ROM of its
    own: of each word of currents `rows` rows, word by word and place by place; where a word does
    not fill its places the last one of some lanes is nobody's.
    """

    words: int
    word_lanes: int
    in_lanes: int

    @property
    def places(self) -> int:
        """Elements of a word that one lane owns, at most."""
        return -(-self.word_lanes // self.in_lanes)

    @property
    def rows(self) -> int:
        """Rows of a lane's ROM for one word of currents."""
        return self.words * self.places

    @property
    def elements(self) -> Array:
        """int64 (in_lanes, rows): the element of the vector that each row is of; -1: nobody's."""
        lane = np.arange(self.in_lanes, dtype=np.int64)[:, None, None]
        word = np.arange(self.words, dtype=np.int64)[None, :, None]
        within = np.arange(self.places, dtype=np.int64)[None, None] * self.in_lanes + lane
        found = np.where(within < self.word_lanes, word * self.word_lanes + within, -1)
        elements: Array = found.reshape(self.in_lanes, self.rows)
        return elements
