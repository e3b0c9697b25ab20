"""N-MNIST: digits seen by an event camera in three small jerks of about 100 ms each."""

from __future__ import annotations

from dataclasses import dataclass
from zipfile import BadZipFile

import numpy as np

from ...event_data import events_to_frames
from ...ir import Array, BadInput
from .split import find_data

NMNIST_FILES = ("nmnist_train.npz", "nmnist_test.npz")
NMNIST_SOURCE = "`tonic.datasets.NMNIST` (1,000 and 100 recordings of it)"
NMNIST_SHAPE = (2, 34, 34)
NMNIST_US = 300_000


@dataclass(frozen=True)
class Recordings:
    """Events of many recordings one after the other.

    `column`, `row`, `polarity` (uint8) and `time_us` (int32, not decreasing within a recording)
    have one value an event; recording k has the events `offsets[k]` to `offsets[k + 1]`, and the
    class `label[k]`.
    """

    column: Array
    row: Array
    polarity: Array
    time_us: Array
    offsets: Array
    label: Array

    def __len__(self) -> int:
        return len(self.label)


def nmnist_recordings() -> tuple[Recordings, Recordings]:
    """1,000 training and 100 test recordings; MissingData where they are not on this machine."""
    folder = find_data("nmnist", NMNIST_FILES, NMNIST_SOURCE)
    train, test = (_read(folder / file) for file in NMNIST_FILES)
    return train, test


def _read(path: object) -> Recordings:
    try:
        with np.load(str(path), allow_pickle=False) as stored:
            names = ("x", "y", "p", "t_us", "offsets", "label")
            return Recordings(*(stored[name] for name in names))
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise BadInput(
            f"{path}: found no recordings ({error}), accepted x, y, p, t_us, offsets and label; "
            "get the file again"
        ) from error


def event_frames(
    recordings: Recordings, steps: int, duration_us: int = NMNIST_US, most: int = 1
) -> Array:
    """Events in time steps of equal length: uint8 (frames, steps, 2, 34, 34), 0 .. `most`.

    Events from `duration_us` on are left out; several events of one place and step count up to
    `most` (1: there was one, 255 at most).
    """
    events = {
        "x": recordings.column,
        "y": recordings.row,
        "p": recordings.polarity,
        "t_us": recordings.time_us,
        "offsets": recordings.offsets,
    }
    return events_to_frames(events, NMNIST_SHAPE, steps, duration_us, most)
