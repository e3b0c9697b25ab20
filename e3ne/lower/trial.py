"""A float network and its integers side by side on the calibration frames, node by node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .. import reference
from ..ir import Array, BadInput, Graph, Node, Relay
from ..ir.loops import computing_order
from .context import Context
from .quantize import integer_graph, integer_node
from .rewiring import with_node

MOST_VALUES = 1 << 25  # of all edges of all frames: 0.5 GB in both networks
LEAST_FRAMES = 8
WIDE_BITS = 60  # of an edge that clips no current


@dataclass
class Trial:
    """What both networks send, node by node in computing order.

    `target` is the FLOAT graph whose answers are wanted, `ready` the one that is changed on the
    way, `integer` the integers of `ready` as far as the walk has come. The values are
    (frames, steps, *shape) of every input and node so far.
    """

    target: Graph
    ready: Graph
    integer: Graph
    context: Context
    wanted: dict[str, Array]
    found: dict[str, Array]

    def groups(self) -> Iterator[tuple[str, ...]]:
        """The names of each loop (or one node), after both networks have computed it."""
        for group in computing_order(self.target):
            names = tuple(node.name for node in group)
            self.wanted.update(reference.group_spikes(self.target, group, self.wanted))
            self.recompute(names)
            yield names

    def recompute(self, names: Sequence[str]) -> None:
        """What the nodes of a group send in integers, as they are now."""
        group = tuple(self.integer.node(name) for name in names)
        self.found.update(reference.group_spikes(self.integer, group, self.found))

    def change(self, node: Node) -> None:
        """Puts `node` into `ready`, and its integers into `integer`."""
        self.ready = with_node(self.ready, node)
        self.integer = with_node(self.integer, self.lowered(node)[0])

    def lowered(self, node: Node) -> tuple[Node, Array]:
        """(`node` in integers, the real value of a unit of its current)."""
        known = {other.name: other for other in self.integer.nodes}
        return integer_node(self.integer, node, known, self.context)

    def wanted_current(self, name: str) -> Array:
        """The real current of a node in the target (frames, steps, *shape)."""
        return _current(self.target, self.target.node(name), self.wanted)

    def found_current(self, name: str) -> Array:
        """The integer current of a node (frames, steps, *shape), in its units."""
        return _current(self.integer, self.integer.node(name), self.found)


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
    return Trial(graph, graph, integer, context, wanted, found)


def _current(graph: Graph, node: Node, values: dict[str, Array]) -> Array:
    """The sum over all synapses, also those of a loop, given what everybody sends."""
    type = node.type if node.type.bits == 0 else replace(node.type, bits=WIDE_BITS, signed=True)
    meter = replace(node, name=f"{node.name} current", neuron=Relay(), type=type)
    return np.asarray(reference.group_spikes(graph, (meter,), values)[meter.name])
