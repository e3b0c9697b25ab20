"""The check of populations that round their values: ReLUs with bits.

A value halfway between two levels goes up in a graph and in hardware. Brevitas rounds it to the
even level, and in float32 it may lie on either side. So the model may have any of the two; what
follows is computed from the model's own levels. Levels at other places must be equal.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .. import reference
from ..ir import Array, Graph, Node, Rectify, Relay
from ..reference.neurons import rectified
from .values import Kind, Value

LOG = logging.getLogger(__name__)

NEAR = 1e-4  # of a level: as near is a value halfway, not by chance
MANY = 0.002  # of the values of a population: worth a warning


def rounds(node: Node) -> bool:
    """Whether a population rounds what it sends."""
    return isinstance(node.neuron, Rectify) and node.neuron.bits is not None


def level_ranges(
    graph: Graph, node: Node, values: Mapping[str, Array], tolerance: float
) -> tuple[Array, Array]:
    """The lowest and the highest levels that rounding errors allow, (frames, steps, *shape)."""
    neuron = node.neuron
    assert isinstance(neuron, Rectify)
    current = _current(graph, node, values)
    slack = tolerance * max(_unit(neuron), float(np.abs(current).max(initial=0)))
    return rectified(neuron, current - slack), rectified(neuron, current + slack)


def halfway(graph: Graph, node: Node, values: Mapping[str, Array]) -> float:
    """The share of values inside of the range that lie halfway between two levels."""
    neuron = node.neuron
    assert isinstance(neuron, Rectify)
    units = _current(graph, node, values) / _unit(neuron)
    inside = (units > 0) & (units < (1 << (neuron.bits or 0)) - 1)
    halves = np.abs(units - np.floor(units) - 0.5) < NEAR
    return float((inside & halves).sum() / units.size)


def warn_of_halves(shares: Mapping[str, float]) -> None:
    """Logs by name where so many values lie halfway that rounding them up may matter."""
    for name, share in shares.items():
        if share > MANY:
            LOG.warning(
                "%s: found %.1f %% of the values halfway between two levels, which the model "
                "rounds to the even one and hardware up; measure the accuracy of the integers, or "
                "let the scale be any number (restrict_scaling_type=FP or LOG_FP)",
                *(name, 100 * share),
            )


def own_levels(node: Node, seen: Mapping[Value, Array]) -> Array | None:
    """What the model itself sent, (frames, steps, *shape); None where steps are missing."""
    for value, array in seen.items():
        if value.kind is Kind.STATIC and node.type.steps == 1:
            return array[:, None]
        if value.kind is Kind.TRAIN and value.steps == node.type.steps:
            return array
    steps = {value.steps: array for value, array in seen.items() if value.kind is Kind.STEP}
    if sorted(steps) != list(range(node.type.steps)):
        return None
    return np.stack([steps[step] for step in range(node.type.steps)], axis=1)


def _unit(neuron: Rectify) -> float:
    assert neuron.bound is not None and neuron.bits is not None  # noqa: PT018 (one contract)
    return neuron.bound / ((1 << neuron.bits) - 1)


def _current(graph: Graph, node: Node, values: Mapping[str, Array]) -> Array:
    return reference.node_spikes(graph, replace(node, neuron=Relay()), dict(values))
