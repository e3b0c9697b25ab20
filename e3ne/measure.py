"""Figures of a network on a data set, from graphs alone: accuracy, fidelity, activity."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import reference
from .data import chunks
from .ir import Array, Graph
from .lower.fidelity import Agreement, spike_agreement
from .progress import Tell, tell_nobody
from .reference import Stream
from .report import Activity

log = logging.getLogger(__name__)

LOST_POINTS = 1.0  # of accuracy, that are worth a warning
LOST_FRAMES = 3  # and not less, as a few frames prove nothing


def float_accuracy(
    traced: Graph, x: Sequence[Array], labels: Array, tell: Tell = tell_nobody
) -> float:
    """Percent of labels that the traced graph's first output gets right.

    `x` are real frames (frames, steps, *shape) of each input; of an image every pixel counts.
    """
    right, count = 0, len(labels)
    stream = Stream()
    for part in chunks(traced, count):
        tell("float accuracy", part.start, count)
        some = (array[part].astype(np.float64) for array in x)
        values = reference.run(traced, *some, stream=stream)
        right += int((reference.read_out(traced.outputs[0], values)[1] == labels[part]).sum())
    return 100.0 * right / labels.size


def warn_of_lost_accuracy(float_percent: float, integer_percent: float, frames: int) -> None:
    """Logs what to do where the integers lose more than a point, and more than two frames."""
    lost = float_percent - integer_percent
    if lost <= LOST_POINTS or lost * frames / 100 < LOST_FRAMES - 0.5:
        return
    log.warning(
        "accuracy: found %.2f %% with integers and %.2f %% in float on %d frames, more than %g "
        "point is lost; without training: weight_scale: mse, calibration: mse, per_channel, "
        "equalize, correct_biases (docs/quantisation.md), or more weight_bits and edge_bits for "
        "the layers that `e3ne choose` finds; or train at these bits (docs/training.md)",
        *(integer_percent, float_percent, frames, LOST_POINTS),
    )


def measure(
    graph: Graph, dequantized: Graph, x: Sequence[Array], tell: Tell = tell_nobody
) -> dict[str, Any]:
    """`activity`, `energy` and `fidelity` of report.json.

    `x` are real frames (frames, steps, *shape) of each input; `graph` is the integer network,
    `dequantized` the float one with its weights loaded back.
    """
    activity = Activity(graph)
    agreement: dict[str, Agreement] = {}
    stream, compared = Stream(), (Stream(), Stream())
    for part in chunks(graph, len(x[0])):
        tell("activity", part.start, len(x[0]))
        some = [array[part] for array in x]
        integers = map(reference.encode_input, graph.inputs, some)
        activity.add(reference.run(graph, *integers, stream=stream))
        for node, found in spike_agreement(dequantized, graph, some, compared).items():
            agreement[node] = agreement.get(node, Agreement(0, 0)) + found
    return {
        "activity": activity.summary(),
        "energy": {"proxies": activity.proxies()},
        "fidelity": fidelity_figures(agreement),
    }


def fidelity_figures(agreement: dict[str, Agreement]) -> dict[str, Any]:
    """`fidelity` of report.json; empty where the network has no spiking or radix node."""
    if not agreement:
        return {}
    total = sum(agreement.values(), Agreement(0, 0))
    return {
        "values_compared": total.compared,
        "values_equal": total.equal,
        "percent": round(100 * total.fraction, 4),
        "by_node": {node: round(100 * found.fraction, 4) for node, found in agreement.items()},
    }
