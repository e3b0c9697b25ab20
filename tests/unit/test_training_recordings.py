"""The data sets that are no images: event recordings, series, the ECG record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from e3ne.ir import BadInput
from e3ne.training.datasets import (
    MissingData,
    Recordings,
    ecg_record,
    event_frames,
    japanese_vowels,
    nmnist_recordings,
    read_series,
)
from e3ne.training.datasets import split as split_module

HEADER = """@problemName Small
@seriesLength 3
@classLabel true 1 2 9
@data
"""


def two_recordings() -> Recordings:
    """Events (column, row, polarity, time in us): four in the first, one in the second."""
    events = np.array(
        [(5, 7, 1, 0), (5, 7, 1, 99), (33, 0, 0, 100), (1, 2, 0, 400), (4, 3, 1, 399)], np.int64
    )
    column, row, polarity = (events[:, axis].astype(np.uint8) for axis in range(3))
    time_us = events[:, 3].astype(np.int32)
    return Recordings(column, row, polarity, time_us, np.array([0, 4, 5]), np.array([3, 8]))


def test_events_become_frames_of_equal_steps() -> None:
    frames = event_frames(two_recordings(), steps=4, duration_us=400)
    assert frames.shape == (2, 4, 2, 34, 34)
    assert frames.dtype == np.uint8
    found = [tuple(int(axis) for axis in place) for place in np.argwhere(frames)]
    assert found == [(0, 0, 1, 7, 5), (0, 1, 0, 0, 33), (1, 3, 1, 3, 4)]  # 400 us is too late
    assert frames.max() == 1  # two events of one place and step are one spike


def test_events_of_one_place_count_up_to_a_limit() -> None:
    recordings = two_recordings()
    assert event_frames(recordings, 1, 400, most=3).max() == 2
    five = np.repeat(np.arange(5), 1)
    same = replace(
        recordings,
        **{name: np.zeros(5, np.uint8) for name in ("column", "row", "polarity")},
        time_us=five.astype(np.int32),
        offsets=np.array([0, 5]),
        label=np.array([1]),
    )
    assert event_frames(same, 1, 10, most=3)[0, 0, 0, 0, 0] == 3


def test_series_are_read_with_their_classes(tmp_path: Path) -> None:
    path = tmp_path / "small.ts"
    path.write_text(HEADER + "1,2,3:4,5,6:9\n-1,0,1:2.5,2,1:1\n")
    x, y = read_series(path)
    assert x.dtype == np.float32
    assert x[0].tolist() == [[1, 4], [2, 5], [3, 6]]
    assert y.tolist() == [2, 0]


def test_shorter_series_get_zeros_and_longer_ones_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "small.ts"
    path.write_text(HEADER + "1,2:4,5:9\n1,2,3,4:5,6,7,8:2\n")
    x, _ = read_series(path)
    assert x.tolist() == [[[1, 4], [2, 5], [0, 0]], [[1, 5], [2, 6], [3, 7]]]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("1,2,3:4,5,6:7", r"line 6: found '1,2,3:4,5,6:7'.*accepted.*a class of 1 2 9"),
        ("1,2,x:4,5,6:9", "line 6: .*could not convert"),
        ("1,2:4,5,6:9", "line 6: "),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "small.ts"
    path.write_text(HEADER + "1,2,3:4,5,6:9\n" + line + "\n")
    with pytest.raises(BadInput, match=told):
        read_series(path)


def test_series_of_unequal_channels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "small.ts"
    path.write_text(HEADER + "1,2,3:4,5,6:9\n1,2,3:9\n")
    with pytest.raises(BadInput, match=r"found series of shapes \[\(3, 1\), \(3, 2\)\]"):
        read_series(path)


def test_recordings_without_an_array_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("E3NE_DATA", str(tmp_path))
    (tmp_path / "nmnist").mkdir()
    for name in ("train", "test"):
        np.savez(tmp_path / "nmnist" / f"nmnist_{name}.npz", x=np.zeros(3))
    with pytest.raises(BadInput, match="found no recordings"):
        nmnist_recordings()


@pytest.mark.parametrize("load", [nmnist_recordings, japanese_vowels, ecg_record])
def test_missing_data_say_where_they_come_from(
    load: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("E3NE_DATA", raising=False)
    monkeypatch.setattr(split_module, "CHECKOUT", tmp_path / "checkout")
    with pytest.raises(MissingData, match=r"get them from .* and set E3NE_DATA"):
        load()  # type: ignore[operator]


def test_the_real_files_have_what_the_rows_count_on() -> None:
    try:
        train, test = nmnist_recordings()
        vowels = japanese_vowels()
        record = ecg_record()
    except MissingData as error:
        pytest.skip(f"{error} (E3NE_DATA)")
    assert (len(train), len(test)) == (1000, 100)
    assert event_frames(test, 8).shape == (100, 8, 2, 34, 34)
    assert vowels.train_x.shape == (270, 25, 12)
    assert vowels.test_x.shape == (370, 25, 12)
    assert record.millivolts.shape == (650_000, 2)
    assert [record.symbols.count(kind) for kind in "NAV"] == [2239, 33, 1]
