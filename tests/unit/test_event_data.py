"""Recordings of events as frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from e3ne.data import events_to_frames, load_frames
from e3ne.ir import Array, BadInput, Input, SpikeType

SHAPE = (2, 3, 4)


def recordings(**changes: Any) -> dict[str, Array]:
    """Two recordings of four and two events on 3 rows and 4 columns."""
    events = {
        "x": [0, 3, 3, 1, 2, 2],
        "y": [0, 2, 2, 1, 0, 0],
        "p": [1, 0, 0, 1, 0, 0],
        "t_us": [0, 100, 149, 399, 10, 1000],
        "offsets": [0, 4, 6],
        "label": [7, 2],
    }
    return {name: np.asarray(values) for name, values in (events | changes).items()}


def where(frames: Array) -> list[tuple[int, ...]]:
    """(recording, step, channel, row, column, count) of everything that is not zero."""
    return [(*map(int, place), int(frames[tuple(place)])) for place in np.argwhere(frames)]


def test_steps_divide_a_time_from_zero() -> None:
    frames = events_to_frames(recordings(), SHAPE, 4, duration_us=400, most=3)
    assert frames.dtype == np.uint8
    assert frames.shape == (2, 4, *SHAPE)
    assert where(frames) == [
        (0, 0, 1, 0, 0, 1),
        (0, 1, 0, 2, 3, 2),
        (0, 3, 1, 1, 1, 1),
        (1, 0, 0, 0, 2, 1),  # its other event comes after 400 us
    ]


def test_steps_divide_what_each_recording_lasts() -> None:
    frames = events_to_frames(recordings(), SHAPE, 2)
    assert where(frames)[-2:] == [(1, 0, 0, 0, 2, 1), (1, 1, 0, 0, 2, 1)]
    assert where(frames)[:2] == [(0, 0, 0, 2, 3, 1), (0, 0, 1, 0, 0, 1)]  # `most` is 1


def test_one_channel_needs_no_polarity_and_a_vector_no_row() -> None:
    events = recordings()
    del events["p"]
    assert events_to_frames(events, (1, 3, 4), 1, most=9).sum() == 6
    del events["y"]
    assert events_to_frames(events, (4,), 1, most=9).sum(axis=(0, 1)).tolist() == [1, 1, 2, 2]


def test_a_recording_may_be_empty() -> None:
    empty = recordings(offsets=[0, 0, 6, 6])
    frames = events_to_frames(empty, SHAPE, 2)
    assert [int(frame.sum()) for frame in frames] == [0, 5, 0]


@pytest.mark.parametrize(
    ("changes", "options", "found"),
    [
        ({"x": [0, 4, 3, 1, 2, 2]}, {}, "x: found 0 .. 4, accepted 0 .. 3 of the shape (2, 3, 4)"),
        ({"y": [0, 3, 3, 1, 2, 2]}, {}, "y: found 0 .. 3, accepted 0 .. 2"),
        ({"p": [0, 1]}, {}, "p: found shape (2,)"),
        ({"t_us": ["a"] * 6}, {}, "t_us: found shape (6,) of <U1"),
        ({"t_us": [-1] * 6}, {}, "t_us: found times below 0"),
        ({"offsets": [0, 7]}, {}, "offsets: found [0, 7]"),
        ({"offsets": [0, 4, 3, 6]}, {}, "offsets: found [0, 4, 3, 6]"),
        ({"offsets": np.array([0, 4, 3, 6], np.uint64)}, {}, "offsets: found [0, 4, 3, 6]"),
        ({"x": np.array([0, 1, 2, np.nan, 1, 1])}, {}, "x: found shape (6,) of float64"),
        ({"t_us": np.full(6, np.nan)}, {}, "t_us: found shape (6,) of float64"),
        ({}, {"most": 0}, "found most=0, accepted 1 .. 255"),
        ({}, {"duration_us": 0}, "duration_us=0, accepted 1 or more"),
    ],
)
def test_bad_recordings(changes: Any, options: Any, found: str) -> None:
    with pytest.raises(BadInput) as error:
        events_to_frames(recordings(**changes), SHAPE, 3, **options)
    assert found in str(error.value)


def test_missing_arrays_are_named() -> None:
    with pytest.raises(BadInput) as error:
        events_to_frames({"offsets": np.zeros(1)}, SHAPE, 3)
    assert [text.split(",")[0] for text in error.value.problems] == [
        "events: found no x",
        "events: found no t_us",
        "events: found no y",
    ]


def test_a_file_of_recordings_becomes_frames_of_the_input(tmp_path: Path) -> None:
    path = tmp_path / "recordings.npz"
    np.savez(path, **recordings())
    frames = load_frames(path, (Input("x", SpikeType(SHAPE, 4, 2), 1.0),), duration_us=400)
    assert isinstance(frames.x, np.ndarray)
    assert frames.x.max() == 2
    assert frames.y is not None
    assert frames.y.tolist() == [7, 2]
    binary = load_frames(path, (Input("x", SpikeType(SHAPE, 4, 1), 1.0),), duration_us=400)
    assert np.asarray(binary.x).max() == 1


def test_recordings_need_one_input(tmp_path: Path) -> None:
    path = tmp_path / "recordings.npz"
    np.savez(path, **recordings())
    source = Input("x", SpikeType(SHAPE, 4, 2), 1.0)
    with pytest.raises(BadInput, match=r"found recordings of events where the shape is not known"):
        load_frames(path)
    with pytest.raises(BadInput, match="a network of 2 inputs"):
        load_frames(path, (source, source))
