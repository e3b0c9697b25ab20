"""How much happens in a network: spikes and synaptic operations, counted on reference trains."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..ir import Array, Graph, SpikeType
from ..ir.fan_out import fan_out


@dataclass
class Activity:
    """Counts over any number of chunks of frames.

    A spike is a one among the bits of an unsigned train: a binary spike of a rate train, or one
    binary step of a radix value. On signed edges it is a value that is not zero. A synaptic
    operation is one weight times one value of one time step; it is effective where the value is
    not zero. Pooling and sums have no weights and so no synaptic operations. A delayed synapse uses
    the steps of a frame that come out within it, in a streaming network all of them.
    """

    graph: Graph
    frames: int = 0
    spikes: dict[str, int] = field(default_factory=dict)
    effective: dict[str, int] = field(default_factory=dict)

    def add(self, values: dict[str, Array]) -> None:
        """Counts one chunk: what every input and node sends, (frames, steps, *shape) each."""
        for node in self.graph.nodes:
            self._count(self.spikes, node.name, count_spikes(values[node.name], node.type))
            operations = 0
            for synapse in node.synapses:
                trains = values[synapse.source]
                kept = trains.shape[1] - (0 if self.graph.streaming else synapse.delay)
                reach = fan_out(synapse.op, self.graph.edge(synapse.source).shape)
                if reach is not None and kept > 0:
                    uses = np.count_nonzero(trains[:, :kept], axis=(0, 1))
                    operations += int((uses * reach).sum())
            self._count(self.effective, node.name, operations)
        self.frames += len(values[self.graph.inputs[0].name])

    def summary(self) -> dict[str, dict[str, float]]:
        """By node: spikes and operations of a frame, means over the frames."""
        if self.frames == 0:
            raise ValueError("activity: found no frames, accepted at least one")
        return {
            node.name: {
                "spikes_per_frame": round(self.spikes[node.name] / self.frames, 3),
                "synaptic_ops_effective": round(self.effective[node.name] / self.frames, 3),
                "synaptic_ops_dense": dense_operations(self.graph, node.name),
            }
            for node in self.graph.nodes
        }

    def proxies(self) -> dict[str, Any]:
        """Exact counts that stand for energy, sums over the nodes, for one frame."""
        rows = self.summary().values()
        return {
            "synaptic_ops_effective": round(sum(r["synaptic_ops_effective"] for r in rows), 3),
            "synaptic_ops_dense": int(sum(r["synaptic_ops_dense"] for r in rows)),
            "spikes": round(sum(r["spikes_per_frame"] for r in rows), 3),
        }

    @staticmethod
    def _count(totals: dict[str, int], name: str, amount: int) -> None:
        totals[name] = totals.get(name, 0) + amount


def count_spikes(trains: Array, type: SpikeType) -> int:
    """Ones among the bits of an unsigned train, or values that are not zero where signed."""
    if type.signed or type.bits == 1:
        return int(np.count_nonzero(trains))
    return int(np.bitwise_count(trains.astype(np.uint64)).sum())


def dense_operations(graph: Graph, name: str) -> int:
    """Synaptic operations of the node `name` in a frame in which no value is zero."""
    total = 0
    for synapse in graph.node(name).synapses:
        source = graph.edge(synapse.source)
        reach = fan_out(synapse.op, source.shape)
        if reach is not None:
            late = 0 if graph.streaming else synapse.delay
            total += int(reach.sum()) * max(0, source.steps - late)
    return total
