"""Measures on the calibration frames how large the values of ReLUs and spikes become."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .. import reference
from ..config import Config, ScaleKind
from ..ir import Array, BadInput, Graph, Input, IntegrateFire, Node, Rectify
from ..ir.user_arrays import UserArrays, as_frames, input_arrays
from .context import Context
from .encoders import is_encoded
from .factors import scales_of_rows

log = logging.getLogger(__name__)

CHUNK_ELEMENTS = 1 << 20  # values of all edges of the frames that are run at once
LARGEST_COUNT = 255  # spikes in one step: an edge of 8 bits
SAMPLES = 1 << 21  # values of one edge that are kept of all frames
SEARCHED = 1 << 17  # of them that a percentile or a search looks at


def calibrate(graph: Graph, context: Context) -> Graph:
    """Bounds what has no bound: the values of ReLUs, and the spikes a step of neurons.

    A ReLU gets the largest value that it sends, or the percentile of those above zero, or the
    bound of the least squared error on an edge of its bits (`calibration`); a neuron the largest
    count within 1 .. 255, unless the configuration's `max_spikes` says another.
    BadInput where a bound is missing and there are no calibration frames; what never sends
    anything, and a limit below what the frames show, is logged by name.
    """
    unbounded = [node.name for node in graph.nodes if _is_unbounded(node, context)]
    measured = dict.fromkeys(unbounded, 0.0)
    if unbounded and context.calibration is None:
        raise BadInput(
            f"calibration: found none, needed for the ranges of {', '.join(unbounded)}; give "
            "frames of training data, ReLUs with a bound, or max_spikes in the configuration"
        )
    unlimited = [node.name for node in graph.nodes if _is_unlimited(node)]
    if context.calibration is not None and (unbounded or unlimited):
        measured = _bounds(graph, context, context.calibration, [*unbounded, *unlimited])
    return graph.with_nodes(
        [
            _limited(node, measured.get(node.name), context)
            if node.name in unlimited
            else _bounded(node, measured.get(node.name) if node.name in unbounded else None)
            for node in graph.nodes
        ]
    )


def unmeasured(graph: Graph, config: Config) -> list[str]:
    """The inputs and nodes of a simplified graph whose ranges only calibration frames tell."""
    inputs = [
        source.name
        for source in graph.inputs
        if not is_encoded(graph, source.name, config) and not source.type.bits
        for chosen in [config.input_of(source.name)]
        if chosen.bits is None or chosen.scale is None
    ]
    context = Context(config)
    return inputs + [node.name for node in graph.nodes if _is_unbounded(node, context)]


def _is_unlimited(node: Node) -> bool:
    """May it send any number of spikes a step?"""
    return isinstance(node.neuron, IntegrateFire) and node.neuron.max_spikes is None


def _is_unbounded(node: Node, context: Context) -> bool:
    """Does it need the calibration frames?"""
    if _is_unlimited(node):
        return context.config.node(node.name).max_spikes is None
    return isinstance(node.neuron, Rectify) and node.neuron.bound is None


def checked_calibration(graph: Graph, calibration: UserArrays) -> tuple[Array, ...]:
    """One real array (frames, steps, *shape) an input; BadInput with every problem.

    No copy is made of data sets that are large and of another dtype than float64.
    """
    if isinstance(calibration, Mapping):
        calibration = input_arrays("calibration", graph.inputs, calibration)
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
    if as_frames(source.type, array) is None:
        wanted = ", ".join(map(str, (source.type.steps, *source.type.shape)))
        return [
            f"calibration of input {source.name}: found shape {array.shape}, accepted (frames, "
            f"{wanted}); give one row a frame, with its steps before its shape"
        ]
    return []


def _bounds(
    graph: Graph, context: Context, calibration: tuple[Array, ...], names: list[str]
) -> dict[str, float]:
    """What each node of `names` sends at most: spikes as they are counted, values by percentile."""
    graph, counters = _with_counters(graph, names)
    method = context.config.calibration
    frames = min(len(calibration[0]), context.config.calibration_frames)
    types = [graph.edge(item.name) for item in graph.inputs] + [n.type for n in graph.nodes]
    per_frame = sum(type.neurons * type.steps for type in types)
    chunk = max(1, CHUNK_ELEMENTS // per_frame)
    positive: dict[str, list[Array]] = {name: [] for name in names}
    stream = reference.Stream()
    for start in range(0, frames, chunk):
        part = [array[start : min(start + chunk, frames)] for array in calibration]
        values = reference.run(graph, *part, stream=stream)
        for name in names:
            type = graph.edge(name)
            stride = max(1, type.neurons * type.steps * frames // SAMPLES)
            sent = values[counters.get(name, name)].reshape(-1)
            every = method != "max" and not _is_unlimited(graph.node(name))
            positive[name].append(sent[sent > 0][::stride] if every else sent.max(keepdims=True))
    return {
        name: _bound(graph.node(name), np.concatenate(parts), context.config)
        for name, parts in positive.items()
    }


def _with_counters(graph: Graph, names: list[str]) -> tuple[Graph, dict[str, str]]:
    """The graph with a twin, which sends its spikes, of each neuron that sends its membrane."""
    counters: dict[str, str] = {}
    nodes = list(graph.nodes)
    for node in graph.nodes:
        neuron = node.neuron
        sent = isinstance(neuron, IntegrateFire) and neuron.sends == "membrane"
        if isinstance(neuron, IntegrateFire) and sent and node.name in names:
            counters[node.name] = f"{node.name} spikes"
            twin = replace(neuron, sends="spikes")
            nodes.append(replace(node, name=counters[node.name], neuron=twin))
    return graph.with_nodes(nodes), counters


def _bound(node: Node, values: Array, config: Config) -> float:
    """The bound of a node that sends these `values` (values,); 0 where none is above zero."""
    if not values.any():
        return 0.0
    if _is_unlimited(node) or config.calibration == "max":
        return float(values.max())
    high = (1 << config.node(node.name).edge_bits) - 1
    rows = values[None, :: max(1, values.size // SEARCHED)]
    kind: ScaleKind = config.scale if config.calibration == "mse" else "integer"
    return float(scales_of_rows(rows, high, kind, config.calibration)[0]) * high


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


def _limited(node: Node, seen: float | None, context: Context) -> Node:
    """The neuron with a limit of spikes: the user's, else the largest count that was seen."""
    assert isinstance(node.neuron, IntegrateFire)
    chosen = context.config.node(node.name).max_spikes
    limit = chosen or min(max(1, int(seen or 0)), LARGEST_COUNT)
    if seen is not None and seen > limit:
        log.warning(
            "%s: found %d spikes in one step in the calibration frames, max_spikes is %d; it will "
            "saturate there",
            *(node.name, seen, limit),
        )
    if seen == 0:
        log.warning("%s: found no spike in the calibration frames; is the layer dead?", node.name)
    return replace(node, neuron=replace(node.neuron, max_spikes=limit))
