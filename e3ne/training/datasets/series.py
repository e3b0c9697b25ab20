"""Japanese Vowels: who of nine speakers said /ae/, from 12 cepstrum coefficients a frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...ir import Array, BadInput
from .split import Split, find_data

VOWEL_FILES = ("JapaneseVowels_eq_TRAIN.ts", "JapaneseVowels_eq_TEST.ts")
VOWEL_SOURCE = "the data folder of the package `aeon` (or timeseriesclassification.com)"


def japanese_vowels() -> Split:
    """270 training and 370 test series float32 (frames, 25 steps, 12 channels), classes 0 .. 8.

    The values are those of the files, about -2 .. 2.4. MissingData where they are not here.
    """
    folder = find_data("vowels", VOWEL_FILES, VOWEL_SOURCE)
    (train_x, train_y), (test_x, test_y) = (read_series(folder / file) for file in VOWEL_FILES)
    return Split(train_x, train_y, test_x, test_y)


def read_series(path: Path) -> tuple[Array, Array]:
    """Series of a `.ts` file as float32 (frames, steps, channels), and classes int64 from 0 on.

    A line is channels between colons, values between commas, the class behind the last colon.
    Series may have any lengths: all get the header's @seriesLength steps, shorter ones by zeros
    behind their end, longer ones by what they begin with. BadInput with the first line that is
    not of this form.
    """
    steps, labels, series, classes = 0, [""], [], []
    inside = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.split()
        if inside and line.strip():
            *channels, label = line.strip().split(":")
            try:
                series.append(_aligned(channels, steps))
                classes.append(labels.index(label))
            except ValueError as error:
                raise BadInput(
                    f"{path}, line {number}: found {line[:40]!r}.. ({error}), accepted channels of "
                    f"numbers between colons and a class of {' '.join(labels)}; get the file again"
                ) from error
        elif words[:1] == ["@seriesLength"]:
            steps = int(words[1])
        elif words[:1] == ["@classLabel"]:
            labels = words[2:]
        inside = inside or words[:1] == ["@data"]
    if not series or len({array.shape for array in series}) > 1:
        shapes = sorted({array.shape for array in series})
        raise BadInput(
            f"{path}: found series of shapes {shapes}, accepted one shape; get the file again"
        )
    return np.stack(series), np.array(classes, np.int64)


def _aligned(channels: list[str], steps: int) -> Array:
    """(steps, channels) of the texts of a line; ValueError where they are no numbers."""
    values = np.array([[float(value) for value in channel.split(",")] for channel in channels])
    values = values[:, : steps or values.shape[1]]
    margin = (steps or values.shape[1]) - values.shape[1]
    return np.pad(values, [(0, 0), (0, margin)]).T.astype(np.float32)
