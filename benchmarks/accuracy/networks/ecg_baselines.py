"""What others find in the same half of the ECG: a detector made by hand, a linear one, no skill."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import numpy as np

from e3ne.ir import Array

from ..beats import beat_figures, detections

FRAMES_SEEN = 4  # by the linear detector: the frame and those before it


def xqrs(millivolts: Array, rate_hz: int, true_s: Array) -> dict[str, float]:
    """wfdb's detector (band-pass, wavelet, adaptive thresholds) on one lead (samples,)."""
    from wfdb.processing import xqrs_detect

    with redirect_stdout(io.StringIO()):  # it tells what it learns
        peaks = xqrs_detect(millivolts.astype(np.float64), rate_hz, verbose=False)
    return beat_figures(np.asarray(peaks) / rate_hz, true_s)


def linear(
    train: tuple[Array, Array], test: Array, true_s: Array, frame_s: float, delay_s: float
) -> dict[str, float]:
    """Logistic regression on the network's own input, read out as the network is.

    `train` is (trains (frames, steps, leads) of -1, 0, 1, classes), `test` trains. Its features are
    all spikes of the frame and of the three before it; both classes weigh the same.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=1000, class_weight="balanced")
    model.fit(recent(train[0]), train[1])
    classes = model.predict(recent(test))
    return beat_figures(detections(classes, frame_s, delay_s), true_s)


def recent(trains: Array) -> Array:
    """(frames, features): the spikes of each frame and of those before; zeros at the start."""
    flat = trains.reshape(len(trains), -1)
    padded = np.concatenate([np.zeros((FRAMES_SEEN - 1, flat.shape[1]), flat.dtype), flat])
    parts = [padded[place : place + len(flat)] for place in range(FRAMES_SEEN)]
    return np.concatenate(parts, axis=1)


def regular(true_s: Array, end_s: float) -> dict[str, float]:
    """No skill: a beat at the mean distance, however the heart beats."""
    return beat_figures(np.arange(0.0, end_s, end_s / len(true_s)), true_s)
