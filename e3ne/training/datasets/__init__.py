"""Data sets of examples and benchmarks: images, event recordings, series, an ECG.

Files are sought in `$E3NE_DATA`, then in `../shared/data` beside the checkout.
"""

from .ecg import Record, ecg_record
from .events import Recordings, event_frames, nmnist_recordings
from .images import (
    MNIST_FILES,
    bernoulli_trains,
    digits,
    mnist,
    mnist_frames,
    read_idx,
    write_frames,
)
from .series import japanese_vowels, read_series
from .split import MissingData, Split, find_data

__all__ = [
    "MNIST_FILES",
    "MissingData",
    "Record",
    "Recordings",
    "Split",
    "bernoulli_trains",
    "digits",
    "ecg_record",
    "event_frames",
    "find_data",
    "japanese_vowels",
    "mnist",
    "mnist_frames",
    "nmnist_recordings",
    "read_idx",
    "read_series",
    "write_frames",
]
