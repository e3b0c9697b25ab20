"""When lost accuracy is worth a warning."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from e3ne.measure import warn_of_lost_accuracy


@pytest.mark.parametrize(
    ("exact", "integer", "frames", "told"),
    [
        (98.0, 96.5, 1000, True),
        (98.0, 97.01, 1000, False),  # not more than a point
        (98.0, 99.5, 1000, False),
        (100.0, 50.0, 2, False),  # one frame proves nothing
        (100.0, 97.0, 100, True),
        (100.0, 98.0, 100, False),
    ],
)
def test_more_than_a_point_and_some_frames(
    exact: float, integer: float, frames: int, told: bool, caplog: Any
) -> None:
    with caplog.at_level(logging.WARNING):
        warn_of_lost_accuracy(exact, integer, frames)
    assert ("more than 1 point is lost" in caplog.text) == told
    assert ("docs/training.md" in caplog.text) == told
