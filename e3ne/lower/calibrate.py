"""Measures on the calibration frames how large the values of each ReLU become."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .. import reference
from ..ir import Array, BadInput, Graph, Input, Node, Rectify
from .context import Context

log = logging.getLogger(__name__)

CHUNK_ELEMENTS = 1 << 20  # values of all edges of the frames that are run at once
SAMPLES = 1 << 21  # values of one edge that a percentile looks at


def calibrate(graph: Graph, context: Context) -> Graph:
    """Gives every ReLU without a bound the largest value (or the percentile) that it sends.

    The percentile is that of the values above zero. BadInput where a bound is missing and there
    are no calibration frames; a ReLU that never sends anything is logged by name.
    """
    unbounded = [
        node.name
        for node in graph.nodes
        if isinstance(node.neuron, Rectify) and node.neuron.bound is None
    ]
    if not unbounded:
        return graph
    if context.calibration is None:
        raise BadInput(
            f"calibration: found none, needed for the ranges of {', '.join(unbounded)}; give "
            "frames of training data, or ReLUs with a bound"
        )
    bounds = _bounds(graph, context, context.calibration, unbounded)
    return graph.with_nodes([_bounded(node, bounds.get(node.name)) for node in graph.nodes])


def checked_calibration(graph: Graph, calibration: Array | Sequence[Array]) -> tuple[Array, ...]:
    """One real array (frames, steps, *shape) an input; BadInput with every problem.

    No copy is made of data sets that are large and of another dtype than float64.
    """
    arrays = calibration if isinstance(calibration, list | tuple) else (calibration,)
    if len(arrays) != len(graph.inputs):
        raise BadInput(
            f"calibration: found {len(arrays)} arrays, accepted {len(graph.inputs)}, one an input"
        )
    values = [np.asarray(array) for array in arrays]
    problems = [
        problem
        for source, array in zip(graph.inputs, values, strict=True)
        for problem in _problems(source, array)
    ]
    if len({len(array) for array in values if array.ndim}) > 1:
        problems.append("calibration: found arrays of unequal length, accepted as many frames each")
    if problems:
        raise BadInput(problems)
    return tuple(
        array.reshape(len(array), source.type.steps, *source.type.shape)
        for source, array in zip(graph.inputs, values, strict=True)
    )


def _problems(source: Input, array: Array) -> list[str]:
    """What is wrong with the calibration frames of one input."""
    where = f"calibration of {source.name}"
    if array.dtype.kind not in "buif" or array.ndim == 0:
        found = f"dtype {array.dtype}" if array.ndim else "no array"
        return [f"{where}: found {found}, accepted an array of real numbers, one row a frame"]
    if array.size == 0:
        return [f"{where}: found no frames, accepted at least one; give training data"]
    if not np.isfinite(array).all():
        return [f"{where}: found NaN or infinite values, accepted finite ones; clean the data"]
    if not array.any():
        return [f"{where}: found nothing but zeros, accepted frames with a signal"]
    try:
        reference.checked_input(source, array[:1])
    except BadInput as error:
        return [f"calibration of {problem}" for problem in error.problems]
    return []


def _bounds(
    graph: Graph, context: Context, calibration: tuple[Array, ...], names: list[str]
) -> dict[str, float]:
    frames = min(len(calibration[0]), context.config.calibration_frames)
    types = [graph.edge(item.name) for item in graph.inputs] + [n.type for n in graph.nodes]
    per_frame = sum(type.neurons * type.steps for type in types)
    chunk = max(1, CHUNK_ELEMENTS // per_frame)
    positive: dict[str, list[Array]] = {name: [] for name in names}
    for start in range(0, frames, chunk):
        part = [array[start : min(start + chunk, frames)] for array in calibration]
        values = reference.run(graph, *part)
        for name in names:
            type = graph.edge(name)
            stride = max(1, type.neurons * type.steps * frames // SAMPLES)
            sent = values[name].reshape(-1)
            every = context.config.percentile < 100
            positive[name].append(sent[sent > 0][::stride] if every else sent.max(keepdims=True))
    return {
        name: _bound(np.concatenate(parts), context.config.percentile)
        for name, parts in positive.items()
    }


def _bound(values: Array, percentile: float) -> float:
    return float(np.percentile(values, percentile)) if values.size else 0.0


def _bounded(node: Node, bound: float | None) -> Node:
    if bound is None:
        return node
    if bound == 0:
        log.warning(
            "%s: found no value above zero in the calibration frames; its edge gets the range "
            "0 .. 1, and the layer may be dead",
            node.name,
        )
    return replace(node, neuron=Rectify(bound or 1.0))
