"""The check of every trace: the graph's own numbers against the user's forward, node by node.

Hardware follows the graph, so a wrong reading of the model must be found here. The graph runs in
float64 from weights rounded to float32, and so may the model; what is left is rounding, which
moves a spike only where a membrane passes its threshold by less than the tolerance. Such a frame
says nothing about what follows and is left out of the rest of the comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from .. import reference
from ..ir import Array, Graph, IntegrateFire, Node, TraceMismatch
from .values import Kind, Value

TIES_ALLOWED = 0.01  # of a population's neurons times frames; more are no accident


def compare(
    graph: Graph,
    names: Mapping[int, str],
    observed: Mapping[Value, torch.Tensor],
    x: Sequence[Array],
    tolerance: float,
) -> int:
    """How many frames of the inputs `x` agree at every node from the input to the output, at every step.

    `observed` holds what torch computed for frames `x`, `names` the nodes of its populations.
    Raises TraceMismatch at the first node in graph order, and its first step, that differs.
    """
    values = reference.run(graph, *x)
    alive = np.ones(len(x[0]), bool)
    by_node: dict[str, list[Value]] = {}
    for value in observed:
        if value.source in names:
            by_node.setdefault(names[value.source], []).append(value)
    for node in graph.nodes:
        seen = sorted(by_node.get(node.name, ()), key=lambda value: (value.kind.name, value.steps))
        if isinstance(node.neuron, IntegrateFire) and node.neuron.sends == "membrane":
            alive &= _without_ties(graph, node, values, seen, observed, tolerance)
        elif isinstance(node.neuron, IntegrateFire):
            steps = [value for value in seen if value.kind is Kind.STEP]
            train = np.stack([observed[value].double().numpy() for value in steps], axis=1)
            alive &= _compare_spikes(graph, node, values, train, alive, tolerance)
            seen = [value for value in seen if value.kind is not Kind.STEP]
        for value in seen:
            got = selected(value, values[node.name])
            expected = observed[value].double().numpy()
            frames_axis = 1 if value.kind is Kind.TRAIN else 0
            got, expected = (np.moveaxis(item, frames_axis, 0) for item in (got, expected))
            _compare_reals(node, value, got, expected, alive, tolerance)
    return int(alive.sum())


def selected(value: Value, sent: Array) -> Array:
    """From what a node sends, (frames, steps, *shape), what a value holds of it."""
    match value.kind:
        case Kind.STATIC:
            part = sent[:, 0]
        case Kind.STEP:
            part = sent[:, value.steps]
        case Kind.TRAIN:
            part = np.moveaxis(sent, 1, 0)
        case Kind.SUM:
            part = sent[:, : value.steps].sum(axis=1) * value.factor
        case Kind.MAX:
            part = sent.max(axis=1)
    return np.asarray(part)


def _without_ties(
    graph: Graph,
    node: Node,
    values: dict[str, Array],
    seen: list[Value],
    observed: Mapping[Value, torch.Tensor],
    tolerance: float,
) -> Array:
    """Which frames the membranes of firing neurons are compared in: a tie resets one of two."""
    alive = np.ones(len(values[node.name]), bool)
    runs = [values[node.name]]
    for shift in (tolerance, -tolerance):
        runs.append(reference.node_spikes(graph, _shifted(graph, node, values, shift), values))
    for value in seen:
        expected = observed[value].double().numpy()
        allowed = 100 * tolerance * max(1.0, float(np.abs(expected).max(initial=0)))
        near = [np.abs(selected(value, run) - expected) <= allowed for run in runs]
        tie = ~near[0] & (near[1] | near[2])
        alive &= ~tie.reshape(len(tie), -1).any(axis=1)
    return alive


def _compare_reals(
    node: Node, value: Value, got: Array, expected: Array, alive: Array, tolerance: float
) -> None:
    if got.shape != expected.shape:
        raise TraceMismatch(
            f"{node.name}: found shape {expected.shape} in torch and {got.shape} in the graph; "
            "report this model to e3ne"
        )
    allowed = tolerance * max(1.0, float(np.abs(expected).max(initial=0)))
    wrong = ~(np.abs(got - expected) <= allowed) & alive.reshape(-1, *(1,) * (got.ndim - 1))
    if wrong.any():
        place = tuple(int(axis) for axis in np.argwhere(wrong)[0])
        step = value.steps if value.kind is Kind.STEP else 0
        if value.kind is Kind.TRAIN:
            step = place[1]
        raise mismatch(node, step, place, expected[place], got[place])


def _compare_spikes(
    graph: Graph,
    node: Node,
    values: dict[str, Array],
    train: Array,
    alive: Array,
    tolerance: float,
) -> Array:
    """Which frames have equal spikes, (frames,); ties are unequal but no mismatch."""
    wrong = (values[node.name] != train) & alive.reshape(-1, *(1,) * (train.ndim - 1))
    equal = np.asarray(~wrong.reshape(len(train), -1).any(axis=1))
    if equal.all():
        return equal
    neurons = wrong.any(axis=1)
    explained = ~neurons
    for shift in (tolerance, -tolerance):
        shifted = reference.node_spikes(graph, _shifted(graph, node, values, shift), values)
        explained |= (shifted == train).all(axis=1)
    if not explained.all() or neurons.sum() > max(1, TIES_ALLOWED * neurons.size):
        unexplained = wrong & (~explained[:, None] if not explained.all() else wrong)
        order = np.moveaxis(unexplained, 1, 0)
        step, frame, *index = (int(axis) for axis in np.argwhere(order)[0])
        place = (frame, step, *index)
        raise mismatch(node, step, (frame, *index), train[place], values[node.name][place])
    return equal


def _shifted(graph: Graph, node: Node, values: dict[str, Array], shift: float) -> Node:
    """The node with slightly more (or less) current at every step."""
    assert isinstance(node.neuron, IntegrateFire)
    largest = max(
        float(np.abs(reference.op_currents(synapse.op, values[synapse.source])).max(initial=0))
        for synapse in node.synapses
    )
    offset = node.neuron.offset + shift * max(1.0, largest)
    return replace(node, neuron=replace(node.neuron, offset=offset))


def mismatch(
    node: Node, step: int, place: tuple[int, ...], expected: float, got: float
) -> TraceMismatch:
    """The error about the first place, (frame, *index), where graph and model differ."""
    return TraceMismatch(
        f"{node.name}, step {step}, frame {place[0]}, index {place[1:]}: expected {expected:.9g} "
        f"from the model's forward, got {got:.9g} from the traced graph, accepted equal numbers; "
        f"e3ne reads this part of the model ({type(node.neuron).__name__}) wrongly: describe a "
        "neuron of yours with @e3ne.register_neuron, or replace the layer"
    )
