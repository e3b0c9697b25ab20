"""Predictions say whether they are exact, and of how many frames."""

from __future__ import annotations

import math

import numpy as np
import pytest

from e3ne.cost import exact, predict
from e3ne.cost.schedule import frame_latency
from e3ne.reference import run as reference_run
from tests.rtl.lane_cases import LANE_ROWS, lane_frames, lane_rows

GRAPH = lane_rows(LANE_ROWS[0])
FRAMES = np.concatenate([lane_frames(GRAPH, share, 1) for share in (0.2, 0.5, 0.9)])
TRAINS = reference_run(GRAPH, FRAMES)


def first(count: int) -> dict[str, np.ndarray]:
    return {name: train[:count] for name, train in TRAINS.items()}


def test_every_frame_where_there_is_time() -> None:
    found = predict(GRAPH, trains=TRAINS)
    assert (found.is_exact, found.frames) == (True, 12)


@pytest.mark.parametrize(("runs", "frames"), [(30, 12), (20, 10), (9, 3), (7, 1)])
def test_of_long_frames_the_first_ones(
    runs: int, frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = predict(GRAPH, trains=first(frames))
    parts = exact.PARTS_OF_NODE * len(GRAPH.nodes) + exact.PARTS_OF_PORTS
    monkeypatch.setattr(exact, "MOST_PART_CYCLES", runs * parts * frame_latency(GRAPH))
    found = predict(GRAPH, trains=TRAINS)
    assert (found.is_exact, found.frames) == (True, frames)
    assert found.latency_cycles == expected.latency_cycles
    assert found.latency_p50_cycles == expected.latency_p50_cycles


def test_estimates_of_frames_that_are_too_long_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "MOST_PART_CYCLES", 0)
    found = predict(GRAPH, trains=TRAINS)
    assert (found.is_exact, found.frames) == (False, 12)
    each = [
        frame_latency(GRAPH, trains={n: t[k : k + 1] for n, t in TRAINS.items()}) for k in range(12)
    ]
    assert found.latency_cycles == math.ceil(np.mean(each))
    assert not predict(GRAPH, exact=False).is_exact
