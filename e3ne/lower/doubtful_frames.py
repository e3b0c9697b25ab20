"""Calibration frames that are legal and yet look wrong: said by name before they set ranges."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from ..config import Config, InputConfig
from ..ir import Array, BadInput, Graph, Input

log = logging.getLogger(__name__)

CLIPPED = 0.05  # of the samples that leave the configured range
UNUSED = 16  # the configured range is so many times larger than the largest sample
FAR = 16.0  # between the largest samples of calibration and example


def check_frames(graph: Graph, calibration: tuple[Array, ...], config: Config) -> None:
    """Warns of frames that are all equal, or far from the range that `input` configures.

    BadInput where every place of every frame has the same value: that is no signal to measure.
    """
    problems = []
    for source, frames in zip(graph.inputs, calibration, strict=True):
        if frames.size > 1 and (frames == frames.reshape(-1)[0]).all():
            problems.append(
                f"calibration of {source.name}: found the value {frames.reshape(-1)[0]:g} in every "
                "place of every frame, accepted frames with a signal; give training data"
            )
            continue
        if len(frames) > 1 and (frames == frames[:1]).all():
            log.warning(
                "calibration of %s: found %d equal frames; all ranges are those of one frame: give "
                "different training samples",
                *(source.name, len(frames)),
            )
        _check_range(source, frames, config.input_of(source.name))
    if problems:
        raise BadInput(problems)


def _check_range(source: Input, frames: Array, chosen: InputConfig) -> None:
    """Warns where the configuration's range of an input is not that of the frames."""
    if chosen.encoder is not None or source.type.bits:
        return
    where = f"calibration of {source.name}"
    low, high = float(frames.min()), float(frames.max())
    if chosen.signed is False and low < 0:
        log.warning(
            "%s: found %.1f %% of the samples below zero, down to %.4g, and input.signed is false: "
            "they become 0; set it to true, or give the frames that the model takes",
            *(where, 100 * float((frames < 0).mean()), low),
        )
    if chosen.signed and low >= 0:
        log.warning(
            "%s: found no sample below zero, and input.signed is true: half of the range is not "
            "used; set it to false, or give frames of all kinds",
            where,
        )
    if chosen.bits is None or chosen.scale is None:
        return
    signed = bool(chosen.signed)
    largest = chosen.scale * ((1 << (chosen.bits - signed)) - 1)
    clipped = float((np.abs(frames) > largest + chosen.scale).mean())
    reach = max(abs(low), abs(high))
    if clipped > CLIPPED:
        log.warning(
            "%s: found %.1f %% of the samples beyond %.4g, the largest of input.bits %d and "
            "input.scale %g; they clip. The largest is %.4g: give frames as the model takes them, "
            "or another input.scale",
            *(where, 100 * clipped, largest, chosen.bits, chosen.scale, reach),
        )
    elif chosen.bits > 1 and reach * UNUSED < largest:
        log.warning(
            "%s: found samples up to %.4g, and input.bits %d with input.scale %g reach to %.4g: "
            "few levels are used; give frames as the model takes them, or another input.scale",
            *(where, reach, chosen.bits, chosen.scale, largest),
        )


def compare_with_example(
    graph: Graph, calibration: Sequence[Array], examples: Sequence[Array]
) -> None:
    """Warns where calibration frames are far larger or smaller than the model was traced with.

    One array for each input of `graph`, of real numbers, in both.
    """
    for source, frames, example in zip(graph.inputs, calibration, examples, strict=True):
        one, other = (
            float(np.abs(np.asarray(array)).max(initial=0)) for array in (frames, example)
        )
        if one > 0 and other > 0 and not 1 / FAR <= one / other <= FAR:
            log.warning(
                "calibration of %s: found samples up to %.4g, the example input has up to %.4g; "
                "give both in the range that the model was trained on (pixels 0 .. 1 or 0 .. 255?)",
                *(source.name, one, other),
            )
