"""A float network and its integers side by side on the calibration frames, node by node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .. import reference
from ..ir import Array, BadInput, Encode, Graph, Identity, Node, Relay, Synapse
from ..ir.loops import computing_order
from .context import Context
from .quantize import integer_graph, integer_node
from .rewiring import with_node

MOST_VALUES = 1 << 24  # of all edges of all frames: 0.25 GB in both networks
LEAST_FRAMES = 8
CURRENT = "current"
WIDE_BITS = 60  # of an edge that clips no current


@dataclass
class Trial:
    """What both networks send, node by node in computing order.

    `target` is the FLOAT graph whose answers are wanted, `ready` the one that is changed on the
    way, `integer` the integers of `ready` as far as the walk has come. The values are
    (frames, steps, *shape) of every input and node so far; `currents` holds those of the node at
    hand, wanted (real) and found (units), where it is not part of a loop: they cost most.
    """

    target: Graph
    ready: Graph
    integer: Graph
    context: Context
    wanted: dict[str, Array]
    found: dict[str, Array]
    currents: dict[str, tuple[Array, Array]]

    def groups(self) -> Iterator[tuple[str, ...]]:
        """The names of each loop (or one node), after both networks have computed it."""
        for group in computing_order(self.target):
            names = tuple(node.name for node in group)
            self.currents = {}
            if self._is_alone(group):
                self.currents[names[0]] = self._currents(names[0])
                wanted = self.currents[names[0]][0]
                self.wanted[names[0]] = acts(self.target, group[0], wanted)
            else:
                self.wanted.update(reference.group_spikes(self.target, group, self.wanted))
            self.recompute(names)
            yield names

    def recompute(self, names: Sequence[str]) -> None:
        """What the nodes of a group send in integers, as they are now."""
        group = tuple(self.integer.node(name) for name in names)
        if self.currents:
            self.found[names[0]] = acts(self.integer, group[0], self.currents[names[0]][1])
        else:
            self.found.update(reference.group_spikes(self.integer, group, self.found))

    def change(self, node: Node) -> None:
        """Puts `node`, with other biases or another neuron, into `ready` and into `integer`."""
        after, before = self.lowered(node)[0], self.integer.node(node.name)
        self.ready = with_node(self.ready, node)
        self.integer = with_node(self.integer, after)
        if node.name in self.currents:
            wanted, found = self.currents[node.name]
            self.currents[node.name] = wanted, found + self._more_bias(before, after)

    def lowered(self, node: Node) -> tuple[Node, Array]:
        """(`node` in integers, the real value of a unit of its current)."""
        known = {other.name: other for other in self.integer.nodes}
        return integer_node(self.integer, node, known, self.context)

    def both_currents(self, name: str) -> tuple[Array, Array]:
        """(wanted, found) currents of a node (frames, steps, *shape), real and in its units."""
        return self.currents[name] if name in self.currents else self._currents(name)

    def _currents(self, name: str) -> tuple[Array, Array]:
        return (
            _current(self.target, self.target.node(name), self.wanted),
            _current(self.integer, self.integer.node(name), self.found),
        )

    def _more_bias(self, before: Node, after: Node) -> Array:
        """What other biases add to the current of each neuron, (channels, ...) int64."""
        total = np.zeros((after.type.shape[0], *(1,) * (len(after.type.shape) - 1)), np.int64)
        for old, new in zip(before.synapses, after.synapses, strict=True):
            one, other = (getattr(synapse.op, "bias", None) for synapse in (old, new))
            if one is not None and other is not None:
                steps = self.integer.edge(new.source).steps if after.type.steps == 1 else 1
                total += ((other - one) * new.gain * steps).reshape(total.shape)
        return total

    def _is_alone(self, group: tuple[Node, ...]) -> bool:
        node = group[0]
        looped = len(group) > 1 or any(synapse.source == node.name for synapse in node.synapses)
        return not looped and not isinstance(node.neuron, Encode)


def acts(graph: Graph, node: Node, current: Array) -> Array:
    """What the neurons of `node` make of a current (frames, steps, *shape)."""
    reader = replace(node, synapses=(Synapse(Identity(), CURRENT),))
    return np.asarray(reference.group_spikes(graph, (reader,), {CURRENT: current})[node.name])


def started(graph: Graph, context: Context, why: str) -> Trial:
    """A trial before its first node. BadInput, which says `why`, without calibration frames."""
    if context.calibration is None:
        raise BadInput(
            f"{why}: found no calibration frames, accepted some to measure with; give "
            "--calibration, or leave the option out"
        )
    per_frame = sum(node.type.neurons * node.type.steps for node in graph.nodes)
    frames = min(context.config.calibration_frames, max(LEAST_FRAMES, MOST_VALUES // per_frame))
    integer = integer_graph(graph, context)
    real = [np.asarray(array[:frames], np.float64) for array in context.calibration]
    wanted = {
        source.name: reference.real_input(source, array)
        for source, array in zip(graph.inputs, real, strict=True)
    }
    found = {
        source.name: reference.encode_input(source, wanted[source.name])
        for source in integer.inputs
    }
    return Trial(graph, graph, integer, context, wanted, found, {})


def _current(graph: Graph, node: Node, values: dict[str, Array]) -> Array:
    """The sum over all synapses, also those of a loop, given what everybody sends."""
    type = node.type if node.type.bits == 0 else replace(node.type, bits=WIDE_BITS, signed=True)
    meter = replace(node, name=f"{node.name} current", neuron=Relay(), type=type)
    return np.asarray(reference.group_spikes(graph, (meter,), values)[meter.name])
