"""Beats in a stream of answers: from classes of frames to detections, and how many are right."""

from __future__ import annotations

import numpy as np

from e3ne.ir import Array

REFRACTORY_S = 0.2
TOLERANCE_S = 0.075


def detections(classes: Array, frame_s: float, delay_s: float) -> Array:
    """Times of beats in seconds of classes (frames,), 1 where the frame answers "beat".

    A run of such frames is one beat, `delay_s` before the middle of the run. A beat within
    REFRACTORY_S of the one before is left out.
    """
    edges = np.diff(np.concatenate([[0], np.asarray(classes) == 1, [0]]).astype(int))
    middles = (np.flatnonzero(edges == 1) + np.flatnonzero(edges == -1)) / 2
    found: list[float] = []
    for time_s in middles * frame_s - delay_s:
        if not found or time_s - found[-1] > REFRACTORY_S:
            found.append(float(time_s))
    return np.array(found)


def matched(found_s: Array, true_s: Array, tolerance_s: float = TOLERANCE_S) -> int:
    """How many detections have a beat of their own within `tolerance_s`; both are sorted."""
    found = true = pairs = 0
    while found < len(found_s) and true < len(true_s):
        distance = found_s[found] - true_s[true]
        if abs(distance) <= tolerance_s:
            pairs, found, true = pairs + 1, found + 1, true + 1
        elif distance < 0:
            found += 1
        else:
            true += 1
    return pairs


def beat_figures(
    found_s: Array, true_s: Array, tolerance_s: float = TOLERANCE_S
) -> dict[str, float]:
    """Sensitivity, positive predictivity and F1 in percent, and the counts behind them."""
    pairs = matched(found_s, true_s, tolerance_s)
    sensitivity = pairs / len(true_s) if len(true_s) else 0.0
    predictivity = pairs / len(found_s) if len(found_s) else 0.0
    both = sensitivity + predictivity
    return {
        "f1_percent": round(100 * 2 * sensitivity * predictivity / both if both else 0.0, 2),
        "sensitivity_percent": round(100 * sensitivity, 2),
        "positive_predictivity_percent": round(100 * predictivity, 2),
        "beats": len(true_s),
        "missed": len(true_s) - pairs,
        "false": len(found_s) - pairs,
    }
