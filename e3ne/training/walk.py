"""The order in which a network computes, in torch: as `reference.run`, with any arithmetic.

The currents of populations outside of feedback loops are formed for all steps at once, and their
neurons act on whole trains; within a loop everything goes step by step. The frames of a streaming
graph are one long frame for everything that remembers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..ir import Encode, Graph, Node, computing_order
from ..ir.neurons import goes_on


@dataclass
class State:
    """Of a population between steps: membrane, synaptic current, spikes; (frames, *shape) each."""

    membrane: Tensor
    synaptic: Tensor
    spikes: Tensor


class Arithmetic(Protocol):
    """What the ops and neurons of a network compute."""

    def currents(self, node: Node, index: int, spikes: Tensor) -> Tensor:
        """(frames, steps, *shape) of synapse `index` of `node`, its gain included."""

    def sends(
        self, node: Node, current: Tensor, state: State | None
    ) -> tuple[Tensor, State | None]:
        """What `node` sends for (frames, steps, *shape) of its current, and its state after it."""

    def silence(self, node: Node, frames: int, steps: int) -> Tensor:
        """Zeros (frames, steps, *shape) as `node` sends them."""


def walk(graph: Graph, arithmetic: Arithmetic, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """What every input and node sends, by name: (frames, steps, *shape) each."""
    values = dict(inputs)
    for group in computing_order(graph):
        node = group[0]
        own = {member.name for member in group}
        endless = graph.streaming and goes_on(node.neuron)
        if isinstance(node.neuron, Encode):  # reads an input as it is
            samples = values[node.synapses[0].source]
            sent, _ = arithmetic.sends(node, as_stream(samples) if endless else samples, None)
            values[node.name] = sent.reshape(len(samples), node.type.steps, *sent.shape[2:])
        elif any(synapse.source in own for member in group for synapse in member.synapses):
            values.update(_loop(graph, group, values, arithmetic))
        else:
            current = _outside(graph, node, own, values, arithmetic)
            frames, steps = current.shape[:2]
            if endless:
                current = as_stream(current)
            sent, _ = arithmetic.sends(node, current, None)
            values[node.name] = sent.reshape(frames, steps, *sent.shape[2:])
    return values


def _loop(
    graph: Graph, group: tuple[Node, ...], values: dict[str, Tensor], arithmetic: Arithmetic
) -> dict[str, Tensor]:
    """What the nodes of a feedback loop send; all of them have the same number of steps."""
    own = {node.name for node in group}
    outside = {node.name: _outside(graph, node, own, values, arithmetic) for node in group}
    frames, steps = outside[group[0].name].shape[:2]
    if graph.streaming:
        outside = {name: as_stream(current) for name, current in outside.items()}
    count, length = outside[group[0].name].shape[:2]
    silence = {node.name: arithmetic.silence(node, count, 1) for node in group}
    sent: dict[str, list[Tensor]] = {node.name: [] for node in group}
    states: dict[str, State | None] = dict.fromkeys(own)
    for step in range(length):
        for node in group:
            current = outside[node.name][:, step : step + 1]
            for index, synapse in enumerate(node.synapses):
                if synapse.source in own:
                    source = synapse.source
                    early = step < synapse.delay
                    past = silence[source] if early else sent[source][step - synapse.delay]
                    current = current + arithmetic.currents(node, index, past)
            spikes, states[node.name] = arithmetic.sends(node, current, states[node.name])
            sent[node.name].append(spikes)
    return {
        node.name: torch.cat(sent[node.name], dim=1).reshape(frames, steps, *node.type.shape)
        for node in group
    }


def _outside(
    graph: Graph, node: Node, own: set[str], values: dict[str, Tensor], arithmetic: Arithmetic
) -> Tensor:
    """(frames, steps of the node, *shape): the sum over the synapses from outside of the loop."""
    total: Tensor | None = None
    for index, synapse in enumerate(node.synapses):
        if synapse.source not in own:
            spikes = values[synapse.source]
            if graph.streaming:
                spikes = delayed(as_stream(spikes), synapse.delay).reshape(spikes.shape)
            else:
                spikes = delayed(spikes, synapse.delay)
            term = arithmetic.currents(node, index, spikes)
            total = term if total is None else total + term
    if total is None:  # driven by its loop alone
        return arithmetic.silence(node, len(next(iter(values.values()))), node.type.steps)
    if node.type.steps == 1 and total.shape[1] > 1:
        return total.sum(dim=1, keepdim=True)
    if total.shape[1] == 1 and node.type.steps > 1:
        return total.expand(-1, node.type.steps, *total.shape[2:])
    return total


def delayed(spikes: Tensor, delay: int) -> Tensor:
    """The same trains `delay` steps later; silence before."""
    if delay == 0:
        return spikes
    silence = torch.zeros_like(spikes[:, :delay])
    return torch.cat([silence, spikes[:, : max(0, spikes.shape[1] - delay)]], dim=1)


def as_stream(trains: Tensor) -> Tensor:
    """(frames, steps, *shape) as one long frame (1, frames * steps, *shape)."""
    return trains.reshape(1, -1, *trains.shape[2:])
