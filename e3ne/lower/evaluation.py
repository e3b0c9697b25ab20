"""What a choice of bits costs and loses: integer graphs measured on labelled frames, with a memory.

Choosing measures hundreds of graphs that differ in one node. What a node sends depends on itself
and on its sources only, so it is kept under the content of all of them, and of a changed graph only
the changed node and what comes behind it run again.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .. import reference
from ..ir import Array, Conv2d, Graph, Input, Linear, Node, Output, Readout
from ..ir.fan_out import fan_out
from ..ir.ranges import stored_bits
from .content_keys import content_keys

CACHE_BYTES = 1 << 30
CHUNK_VALUES = 1 << 22  # values of all edges of the frames that run at once

Run = Callable[[Graph, Sequence[Array]], Mapping[str, Array]]
"""What every node of an integer graph sends, by name, for integers of its inputs."""


def by_reference(graph: Graph, inputs: Sequence[Array]) -> Mapping[str, Array]:
    """`Run` by the integer reference."""
    return reference.run(graph, *inputs)


@dataclass(frozen=True)
class Measured:
    """One network on all frames.

    For each frame (frames,): `right` is the part of its labels that it gets right, 0 .. 1;
    `entropies` the cross entropy, in nats, of the softmax of its real scores against the labels;
    `divergences` the Kullback-Leibler divergence of that softmax from the float network's. By
    node: `synaptic_ops` of a frame (a weight added for a one among the bits of a value),
    `value_ops` (a weight used for a value that is not zero, `synaptic_ops_effective` of
    report.json), `memory_bits` of its weights. `spikes` of a frame are ones in unsigned trains.
    """

    right: Array
    entropies: Array
    divergences: Array
    synaptic_ops: Mapping[str, float]
    value_ops: Mapping[str, float]
    memory_bits: Mapping[str, int]
    spikes: float

    def accuracy(self, frames: slice = slice(None)) -> float:
        """Percent of the labels of these frames."""
        return 100.0 * float(self.right[frames].mean())

    def cross_entropy(self, frames: slice = slice(None)) -> float:
        """Mean over these frames."""
        return float(self.entropies[frames].mean())

    def divergence(self, frames: slice = slice(None)) -> float:
        """Mean over these frames."""
        return float(self.divergences[frames].mean())

    def cost(self, kind: str) -> float:
        """The sum over the nodes of `synaptic_ops`, `value_ops` or `memory_bits`."""
        return float(sum(getattr(self, kind).values()))


def half_width(percent: float, frames: int) -> float:
    """Half of the 95 % interval (Wilson, 1927) of an accuracy on so many frames, in points."""
    p, z = percent / 100, 1.96
    spread = z * math.sqrt(p * (1 - p) / frames + z * z / (4 * frames * frames))
    return 100 * spread / (1 + z * z / frames)


class Evaluator:
    """Measures integer graphs on real frames `x` (frames, steps, *shape) of each input.

    `y` are the labels, int64 (frames,) or (frames, rows, columns). `run` computes; `real` are the
    float network's scores (frames, classes), for the divergence (0 without them).
    """

    def __init__(
        self, x: Sequence[Array], y: Array, run: Run = by_reference, real: Array | None = None
    ) -> None:
        self.x, self.y, self.run, self.real = tuple(x), y, run, real
        self._sent: OrderedDict[str, Array] = OrderedDict()  # by content: what a node sends
        self._uses: dict[str, tuple[Array, Array]] = {}  # by content: ones and values, by neuron

    @property
    def frames(self) -> int:
        """How many frames it measures on."""
        return len(self.y)

    def measure(self, graph: Graph) -> Measured:
        """The integer `graph` on all frames."""
        keys = content_keys(graph)
        self._compute(graph, keys)
        output = graph.outputs[0]
        trains = self._sent[keys[output.source]].astype(np.int64)
        words, classes = reference.read_out(output, {output.source: trains})
        right = (classes == self.y).reshape(self.frames, -1).mean(axis=1)
        scores = np.asarray(words, np.float64) * score_scale(graph)
        entropies, divergences = self._losses(scores)
        synaptic, values = self._operations(graph, keys)
        return Measured(
            right,
            entropies,
            divergences,
            synaptic,
            values,
            {node.name: memory_bits(node) for node in graph.nodes},
            self._spikes(graph, keys),
        )

    def check(self, graph: Graph, frames: int = 8) -> None:
        """ValueError where `run` sends other integers than the reference for the first frames."""
        words = [
            reference.encode_input(source, array[:frames])
            for source, array in zip(graph.inputs, self.x, strict=True)
        ]
        wanted, found = reference.run(graph, *words), self.run(graph, words)
        for name in names(graph):
            if not np.array_equal(np.asarray(found[name]), wanted[name]):
                raise ValueError(f"{name}: found other integers than the reference's from `run`")

    def _compute(self, graph: Graph, keys: Mapping[str, str]) -> None:
        """Runs what is not known yet of the graph."""
        for source, array in zip(graph.inputs, self.x, strict=True):
            if keys[source.name] not in self._sent:
                self._keep(keys[source.name], reference.encode_input(source, array), source.name)
        missing = [node for node in graph.nodes if keys[node.name] not in self._sent]
        if missing:
            part = boundary_graph(graph, missing)
            known = [self._sent[keys[source.name]] for source in part.inputs]
            found: dict[str, list[Array]] = {node.name: [] for node in missing}
            for chunk in chunks(graph, self.frames):
                sent = self.run(part, [array[chunk] for array in known])
                for node in missing:
                    found[node.name].append(narrow(np.asarray(sent[node.name])))
            for node in missing:
                self._keep(keys[node.name], np.concatenate(found[node.name]), node.name)
        needed = {keys[name] for name in (*(s.name for s in graph.inputs), *names(graph))}
        self._forget(needed)

    def _keep(self, key: str, sent: Array, name: str) -> None:
        if len(sent) != self.frames:
            found = f"found {len(sent)} frames of {self.frames} from the evaluator"
            raise ValueError(f"{name}: {found}")
        sent = self._sent[key] = narrow(sent)
        ones = np.asarray(np.bitwise_count(sent))  # of magnitudes
        self._uses[key] = ones.sum(axis=0, dtype=np.int64), np.count_nonzero(sent, axis=0)

    def _forget(self, needed: set[str]) -> None:
        """Drops what was used longest ago, down to CACHE_BYTES; what is `needed` stays."""
        for key in needed:
            self._sent.move_to_end(key)
        held = sum(array.nbytes for array in self._sent.values())
        for key in [key for key in self._sent if key not in needed]:
            if held <= CACHE_BYTES:
                return
            held -= self._sent.pop(key).nbytes
            del self._uses[key]

    def _operations(
        self, graph: Graph, keys: Mapping[str, str]
    ) -> tuple[dict[str, float], dict[str, float]]:
        """By node: additions of weights, and weights used, of a frame."""
        counts: tuple[dict[str, float], dict[str, float]] = ({}, {})
        for node in graph.nodes:
            totals = [0, 0]
            for synapse in node.synapses:
                reach = fan_out(synapse.op, graph.edge(synapse.source).shape)
                if reach is None:
                    continue
                for place, uses in enumerate(self._uses[keys[synapse.source]]):
                    late = 0 if graph.streaming else synapse.delay
                    kept = uses[: max(0, len(uses) - late)]
                    totals[place] += int((kept * reach).sum())
            for count, total in zip(counts, totals, strict=True):
                count[node.name] = total / self.frames
        return counts

    def _spikes(self, graph: Graph, keys: Mapping[str, str]) -> float:
        """Ones in the unsigned trains of all nodes, of a frame."""
        total = sum(
            int(self._uses[keys[node.name]][0].sum())
            for node in graph.nodes
            if not node.type.signed
        )
        return total / self.frames

    def _losses(self, scores: Array) -> tuple[Array, Array]:
        """Cross entropies with the labels and divergences from the float scores, nats (frames,)."""
        labels = self.y.reshape(self.frames, 1, -1)
        logs = log_softmax(scores.reshape(self.frames, -1, labels.shape[-1]))
        entropies = -np.take_along_axis(logs, labels, axis=1)[:, 0].mean(axis=1)
        if self.real is None:
            return entropies, np.zeros(self.frames)
        wanted = log_softmax(self.real.reshape(logs.shape))
        return entropies, (np.exp(wanted) * (wanted - logs)).sum(axis=1).mean(axis=1)


def names(graph: Graph) -> list[str]:
    """The names of the nodes."""
    return [node.name for node in graph.nodes]


def score_scale(graph: Graph) -> float:
    """The real value of one unit of the words of the first output."""
    output = graph.outputs[0]
    steps = graph.edge(output.source).steps if output.readout is Readout.MEAN else 1
    return graph.scale(output.source) / steps


def log_softmax(scores: Array) -> Array:
    """Over axis 1, in float64."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    total: Array = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return total


def memory_bits(node: Node) -> int:
    """Bits of the weight ROMs of an integer node."""
    return sum(
        stored_bits(synapse.op.weight) * synapse.op.weight.size
        for synapse in node.synapses
        if isinstance(synapse.op, Linear | Conv2d)
    )


def boundary_graph(graph: Graph, missing: Sequence[Node]) -> Graph:
    """The nodes `missing` alone; what they read from others comes in through inputs."""
    inside = {node.name for node in missing}
    read = {synapse.source for node in missing for synapse in node.synapses} - inside
    own = [source for source in graph.inputs if source.name in read]
    others = [Input(node.name, node.type, node.scale) for node in graph.nodes if node.name in read]
    outputs = (Output(missing[-1].name, Readout.LAST),)
    return replace(graph, inputs=(*own, *others), nodes=tuple(missing), outputs=outputs)


def chunks(graph: Graph, frames: int) -> Iterator[slice]:
    """Ranges of frames that run at once; all of them, where a stream goes through them."""
    edges = [source.type for source in graph.inputs] + [node.type for node in graph.nodes]
    size = max(1, CHUNK_VALUES // sum(type.neurons * type.steps for type in edges))
    if graph.streaming:
        size = frames
    for start in range(0, frames, size):
        yield slice(start, min(start + size, frames))


def narrow(sent: Array) -> Array:
    """The same integers in the narrowest dtype that holds them."""
    low, high = (int(sent.min()), int(sent.max())) if sent.size else (0, 0)
    dtype = np.result_type(np.min_scalar_type(low), np.min_scalar_type(high))
    return sent.astype(dtype if dtype.kind in "iu" else np.int64)
