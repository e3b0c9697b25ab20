"""Which nodes of a NIR network become populations, and the synapses between those.

A population is a neuron, or a node without memory that is read by anything else than one neuron:
it then relays its sum. Delays, and Flattens in front of a matrix, dissolve into synapses.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...ir import BadInput, Conv2d, Identity, Linear, Op, Synapse, frozen
from .kinds import NEURONS
from .network import Network, Primitive
from .primitives import delay_steps, op_of, scale_per_neuron
from .shapes import Shape, graph_shape

Sources = list[tuple[str, int]]  # (population or input, delay in steps)


class Wiring:
    """The network's synapses. `reads` and `sends` are the NIR shapes of `infer_shapes`."""

    def __init__(
        self, network: Network, reads: dict[str, Shape], sends: dict[str, Shape], dt: float
    ) -> None:
        self.network, self.reads, self.sends = network, reads, sends
        self.idle_readers = {
            name: network.readers(name)
            for name, node in network.nodes.items()
            if node.kind not in NEURONS
        }
        self.delays: dict[str, Any] = {}
        problems: list[str] = []
        for name in network.of("Delay"):
            try:
                self.delays[name] = delay_steps(network.nodes[name], reads[name], dt)
            except ValueError as error:
                problems.append(f"{name}: {error}")
        if problems:
            raise BadInput(problems)
        wires = {name for name, node in network.nodes.items() if node.kind in ("Delay", "Flatten")}
        idle = {
            name
            for name, node in network.nodes.items()
            if node.kind not in NEURONS and not (name in self.delays and self.delays[name].min())
        }
        problems = _idle_cycles(network, idle) or _idle_cycles(network, wires)
        if problems:
            raise BadInput(problems)

    def is_population(self, name: str) -> bool:
        """Does the node become a node of the graph?"""
        node = self.network.nodes[name]
        if node.kind in NEURONS or self.is_sum(name):
            return True
        if node.kind in ("Input", "Output"):
            return False
        return not self.dissolves(name) and not self.merges(name)

    def is_sum(self, name: str) -> bool:
        """A node that e3ne wrote to add up its sources, or neurons without memory (a Scale)."""
        node = self.network.nodes[name]
        return node.note("population") == "sum" or (
            node.kind == "Scale" and scale_per_neuron(node, self.reads[name]) is not None
        )

    def dissolves(self, name: str) -> bool:
        """A Delay alike for all neurons, or a Flatten that a matrix takes over."""
        node = self.network.nodes[name]
        if node.note("population"):
            return False
        if node.kind == "Delay":
            return bool((self.delays[name] == self.delays[name].flat[0]).all())
        if node.kind == "Flatten":
            kinds = {self.network.nodes[reader].kind for reader in self.network.readers(name)}
            return len(self.reads[name]) == 1 or kinds <= {"Affine", "Linear"}
        return False

    def merges(self, name: str) -> bool:
        """Does the op form currents of one population of neurons, and nothing else?"""
        node = self.network.nodes[name]
        readers = self.network.readers(name)
        if node.kind in NEURONS or node.note("population") or len(readers) != 1:
            return False
        if node.kind in ("Input", "Output", "Delay"):
            return False
        return self.network.nodes[readers[0]].kind in NEURONS or self.is_sum(readers[0])

    def reads_itself(self, name: str) -> bool:
        """Do its spikes come back to it through nodes without memory?"""
        return _returns(name, self.idle_readers | {name: self.network.readers(name)})

    def synapses(self, name: str) -> tuple[Synapse, ...]:
        """The synapses of a population, or of an Output that adds up."""
        node = self.network.nodes[name]
        if node.kind in NEURONS or node.kind == "Output" or self.is_sum(name):
            found = [
                synapse
                for source in self._in_order(node, self.network.sources(name))
                for synapse in self._from(source)
            ]
        elif node.kind == "Delay":
            found = self._masked(name)
        else:
            found = self._applied(name)
        return tuple(found)

    def _in_order(self, node: Primitive, sources: list[str]) -> list[str]:
        place = {source: index for index, source in enumerate(node.note("sources").split("\n"))}
        return sorted(sources, key=lambda source: place.get(source, len(place)))

    def _from(self, source: str) -> list[Synapse]:
        node = self.network.nodes[source]
        if node.kind != "Input" and not self.is_population(source) and self.merges(source):
            return self._applied(source)
        return [Synapse(Identity(), name, delay) for name, delay in self._resolve(source)]

    def _applied(self, name: str) -> list[Synapse]:
        """The op `name` on each of its sources; its bias counts once."""
        node = self.network.nodes[name]
        try:
            op = op_of(node, self.reads[name])
        except ValueError as error:
            raise BadInput(f"{name}: {error}") from error
        sources = [pair for source in self.network.sources(name) for pair in self._resolve(source)]
        return [
            Synapse(op if index == 0 else _without_bias(op), source, delay)
            for index, (source, delay) in enumerate(sources)
        ]

    def _resolve(self, name: str) -> Sources:
        """The populations and inputs whose trains an edge from `name` carries."""
        if self.network.nodes[name].kind == "Input" or self.is_population(name):
            return [(name, 0)]
        steps = int(self.delays[name].flat[0]) if name in self.delays else 0
        return [
            (source, delay + steps)
            for before in self.network.sources(name)
            for source, delay in self._resolve(before)
        ]

    def _masked(self, name: str) -> list[Synapse]:
        """Delays that differ: one synapse for each of them, which passes its neurons alone."""
        steps, shape = self.delays[name], graph_shape(self.reads[name])
        found = []
        for source in self.network.sources(name):
            for before, delay in self._resolve(source):
                for value in np.unique(steps):
                    op = _mask((steps == value).reshape(shape), name)
                    found.append(Synapse(op, before, delay + int(value)))
        return found


def _mask(chosen: Any, name: str) -> Op:
    channels = chosen.reshape(len(chosen), -1)
    if not (channels == channels[:, :1]).all():
        raise BadInput(
            f"{name}: found delays that differ within a channel, accepted one delay a channel of "
            "an image or one a neuron of a vector; split the layer"
        )
    diagonal = np.diag(channels[:, 0]).astype(np.float32)
    if chosen.ndim == 1:
        return Linear(frozen(diagonal, np.float32))
    return Conv2d(frozen(diagonal[:, :, None, None], np.float32))


def _without_bias(op: Op) -> Op:
    if isinstance(op, Linear | Conv2d) and op.bias is not None:
        return replace(op, bias=None)
    return op


def _idle_cycles(network: Network, names: set[str]) -> list[str]:
    """The problem with cycles through the nodes `names` alone: nothing in them takes time."""
    idle = {name: network.readers(name) for name in names}
    indegree = dict.fromkeys(idle, 0)
    for readers in idle.values():
        for reader in readers:
            if reader in indegree:
                indegree[reader] += 1
    free = [name for name, count in indegree.items() if count == 0]
    while free:
        for reader in idle.pop(free.pop()):
            if reader in idle:
                indegree[reader] -= 1
                if indegree[reader] == 0:
                    free.append(reader)
    # What only follows a cycle is left over as well: keep those that come back to themselves.
    left = sorted(name for name in idle if _returns(name, idle))
    if not left:
        return []
    return [
        f"{', '.join(left)}: found a cycle without any neuron, accepted cycles with a neuron in "
        "them; add one or take an edge out"
    ]


def _returns(name: str, readers: dict[str, list[str]]) -> bool:
    seen: set[str] = set()
    waiting = list(readers[name])
    while waiting:
        other = waiting.pop()
        if other == name:
            return True
        if other in readers and other not in seen:
            seen.add(other)
            waiting += readers[other]
    return False
