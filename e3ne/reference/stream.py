"""What a streaming network remembers from frame to frame."""

from __future__ import annotations

import numpy as np

from ..ir import Array, Graph, Node
from .neurons import Population


class Stream:
    """The state between two calls of `run` over consecutive pieces of one stream.

    A new one is the state after reset: everything zero. Give the same one to every call, piece
    after piece; a graph that is not `streaming` ignores it. It holds the populations (membranes,
    synaptic currents, spikes of the step before), the levels of delta encoders, and of each source
    the last steps that delayed synapses will read. It belongs to one graph.
    """

    def __init__(self) -> None:
        self._populations: dict[str, Population] = {}
        self._past: dict[str, Array] = {}
        self._levels: dict[str, Array | None] = {}

    def population(self, node: Node) -> Population:
        """The neurons of `node` as the last call left them; arrays (1, *shape)."""
        return self._populations.setdefault(node.name, Population(node, 1))

    def level(self, node: Node) -> Array | None:
        """What the spikes of a delta encoder have told, int64 (*shape); None before a sample."""
        return self._levels.get(node.name)

    def keep_level(self, node: Node, level: Array | None) -> None:
        """The same after a call."""
        self._levels[node.name] = level

    def past(self, graph: Graph, name: str) -> Array:
        """(steps, *shape): what `name` sent before this call, the last step last.

        As many steps as its longest delay; silence from before the reset.
        """
        if name not in self._past:
            type = graph.edge(name)
            dtype = np.float64 if type.bits == 0 else np.int64
            self._past[name] = np.zeros((longest_delay(graph, name), *type.shape), dtype)
        return self._past[name]

    def advance(self, graph: Graph, values: dict[str, Array]) -> None:
        """After a call: what every input and node has sent, (frames, steps, *shape) each."""
        for name in {synapse.source for node in graph.nodes for synapse in node.synapses}:
            kept = longest_delay(graph, name)
            if kept:
                sent = values[name].reshape(-1, *values[name].shape[2:])
                self._past[name] = np.concatenate([self.past(graph, name), sent])[-kept:]


def longest_delay(graph: Graph, name: str) -> int:
    """The largest delay of any synapse that reads `name`, in steps."""
    return max((node.synapses[k].delay for node, k in graph.consumers(name)), default=0)
