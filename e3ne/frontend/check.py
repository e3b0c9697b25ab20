"""The check of every trace: the graph's own numbers against the user's forward, node by node.

Hardware follows the graph, so a wrong reading of the model must be found here. The graph runs in
float64 from weights rounded to float32, and so may the model; what is left is rounding, which
moves a spike only where a membrane passes its threshold by less than the tolerance: a tie. What
follows such a frame is computed from the model's own spikes; within a feedback loop the frame is
left out of the rest of the comparison.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np
import torch

from .. import reference
from ..ir import Array, Graph, IntegrateFire, Node, TraceMismatch, computing_order, in_loop
from .codes import lead_axes
from .rounding import halfway, level_ranges, own_levels, rounds
from .values import Kind, Value

TIES_ALLOWED = 0.01  # of a population's neurons times frames; more are no accident


def compare(
    graph: Graph,
    names: Mapping[int, str],
    observed: Mapping[Value, torch.Tensor],
    x: Sequence[Array],
    tolerance: float,
    halves: dict[str, float] | None = None,
) -> int:
    """How many frames of the inputs `x` agree at every node up to the outputs, at every step.

    `halves` is given the share of values halfway between two levels, of nodes that round.
    `observed` holds what torch computed for frames `x`, `names` the nodes of its populations.
    Raises TraceMismatch at the first node in graph order, and its first step, that differs.
    Nodes are computed one after the other, and forgotten when the last one has read them.
    """
    values = dict(_inputs(graph, x))
    alive = np.ones(len(x[0]), bool)
    by_node: dict[str, list[Value]] = {}
    for value in observed:
        if value.source in names:
            by_node.setdefault(names[value.source], []).append(value)
    order = computing_order(graph)
    last_read = {
        synapse.source: index
        for index, group in enumerate(order)
        for node in group
        for synapse in node.synapses
    }
    for index, group in enumerate(order):
        values.update(reference.group_spikes(graph, group, values))
        wrong: list[NodeMismatch] = []
        for node in group:
            seen = {
                value: in_frames(node, value, observed[value])
                for value in by_node.get(node.name, ())
            }
            try:
                without_tie = _compare_node(graph, node, values, seen, alive, tolerance)
            except NodeMismatch as found:
                wrong.append(found)
                continue
            if rounds(node) and halves is not None:
                halves[node.name] = halfway(graph, node, values)
            tied = alive & ~without_tie
            if rounds(node):
                sent = own_levels(node, seen)
                values[node.name] = values[node.name] if sent is None else sent
                continue
            own = None if in_loop(graph, node.name) else _train(node, seen)
            if own is None:
                alive = without_tie
            elif tied.any():
                values[node.name] = np.where(_spread(tied, own), own, values[node.name])
        if wrong:  # nodes of a loop spoil each other: it began where the first step differs
            raise min(wrong, key=lambda found: found.step)
        for name in [name for name in values if last_read.get(name, -1) <= index]:
            del values[name]
    return int(alive.sum())


def _train(node: Node, seen: Mapping[Value, Array]) -> Array | None:
    """What the model's own neurons sent, (frames, steps, *shape); None where steps are missing."""
    steps = {value.steps: array for value, array in seen.items() if value.kind is Kind.STEP}
    if sorted(steps) != list(range(node.type.steps)):
        return None
    return np.stack([steps[step] for step in range(node.type.steps)], axis=1)


def _spread(frames: Array, like: Array) -> Array:
    """(frames,) to broadcast over an array whose first axis is the frames."""
    return frames.reshape(-1, *(1,) * (like.ndim - 1))


def _inputs(graph: Graph, x: Sequence[Array]) -> Iterator[tuple[str, Array]]:
    for source, frames in zip(graph.inputs, x, strict=True):
        shaped = frames.reshape(len(frames), source.type.steps, *source.type.shape)
        yield source.name, reference.real_input(source, shaped)


def _compare_node(
    graph: Graph,
    node: Node,
    values: dict[str, Array],
    seen: Mapping[Value, Array],
    alive: Array,
    tolerance: float,
) -> Array:
    """Which frames are compared and have no tie, (frames,)."""
    order = sorted(seen, key=lambda value: (value.kind.name, value.steps, value.layout.name))
    if isinstance(node.neuron, IntegrateFire) and node.neuron.sends == "membrane":
        alive = alive & _without_ties(graph, node, values, seen, tolerance)
    elif isinstance(node.neuron, IntegrateFire):
        steps = [value for value in order if value.kind is Kind.STEP]
        if steps:  # not where only what comes behind them is shown
            train = np.stack([seen[value] for value in steps], axis=1)
            alive = alive & _compare_spikes(graph, node, values, train, alive, tolerance)
        order = [value for value in order if value.kind is not Kind.STEP]
    ranges = level_ranges(graph, node, values, tolerance) if rounds(node) else ()
    for value in order:
        got = selected(value, values[node.name])
        if ranges and value.kind in (Kind.STATIC, Kind.STEP, Kind.TRAIN):
            low, high = (selected(value, end) for end in ranges)
            got = np.clip(seen[value], low, high)  # any level that rounding errors allow
        _compare_reals(node, value, got, seen[value], alive, tolerance)
    return alive


def in_frames(node: Node, value: Value, tensor: torch.Tensor) -> Array:
    """What torch computed in the order of the graph: float64 (frames, [steps,] *shape)."""
    shape = node.type.shape
    array = tensor.double().numpy()
    lead = array.shape[: lead_axes(value)]
    if array.size != prod(lead) * prod(shape):
        raise TraceMismatch(
            f"{node.name}: found shape {array.shape} in torch and {shape} a frame in the graph; "
            "report this model to e3ne"
        )
    if value.kind is not Kind.TRAIN:
        return array.reshape(*lead, *shape)
    if value.layout.is_steps_first:
        return np.moveaxis(array.reshape(value.steps, -1, *shape), 0, 1)
    return array.reshape(-1, value.steps, *shape)


def selected(value: Value, sent: Array) -> Array:
    """From what a node sends, (frames, steps, *shape), what a value holds of it."""
    match value.kind:
        case Kind.STATIC:
            part = sent[:, 0]
        case Kind.STEP:
            part = sent[:, value.steps]
        case Kind.TRAIN:
            part = sent[:, : value.steps]
        case Kind.SUM:
            part = sent[:, : value.steps].sum(axis=1) * value.factor
        case Kind.MAX:
            part = sent.max(axis=1)
    return np.asarray(part)


def _without_ties(
    graph: Graph,
    node: Node,
    values: dict[str, Array],
    seen: Mapping[Value, Array],
    tolerance: float,
) -> Array:
    """Which frames the membranes of firing neurons are compared in: a tie resets one of two."""
    alive = np.ones(len(values[node.name]), bool)
    runs = [values[node.name]]
    for shift in (tolerance, -tolerance):
        runs.append(reference.node_spikes(graph, _shifted(graph, node, values, shift), values))
    for value, expected in seen.items():
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
    wrong = ~(np.abs(got - expected) <= allowed) & _spread(alive, got)
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
    wrong = (values[node.name] != train) & _spread(alive, train)
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


class NodeMismatch(TraceMismatch):
    """The trace differs from the model at a node, from `step` on."""

    def __init__(self, message: str, step: int) -> None:
        super().__init__(message)
        self.step = step


def mismatch(
    node: Node, step: int, place: tuple[int, ...], expected: float, got: float
) -> NodeMismatch:
    """The error about the first place, (frame, *index), where graph and model differ."""
    return NodeMismatch(
        f"{node.name}, step {step}, frame {place[0]}, index {place[1:]}: expected {expected:.9g} "
        f"from the model's forward, got {got:.9g} from the traced graph, accepted equal numbers; "
        f"e3ne reads this part of the model ({type(node.neuron).__name__}) wrongly: describe a "
        "neuron of yours with @e3ne.register_neuron, or replace the layer",
        step,
    )
