"""Rules of `Encode`: where an encoder may stand, and which numbers fit together."""

from __future__ import annotations

from collections.abc import Iterator

from .graph import Graph, Node, Stage
from .neurons import Encode
from .ops import Identity
from .random_bits import MOST_SEED

MOST_BITS = 16


def encoder_problems(graph: Graph, node: Node, neuron: Encode) -> Iterator[str]:
    """What is wrong with a node of an encoder, as text."""
    yield from _numbers(node, neuron)
    inputs = {source.name: source for source in graph.inputs}
    synapse = node.synapses[0]
    plain = isinstance(synapse.op, Identity) and not synapse.delay and synapse.gain == 1
    if len(node.synapses) > 1 or synapse.source not in inputs or not plain:
        yield (
            f"found an encoder that reads {_sources(node)}, accepted an input of the network and "
            "nothing between; encode the samples first, shape and scale the trains behind"
        )
        return
    source = inputs[synapse.source].type
    wanted = node.type.steps if neuron.kind == "delta" else 1
    if source.steps != wanted:
        yield (
            f"found a {neuron.kind} encoder of an input of {source.steps} steps, accepted {wanted}"
            + ("; only delta encoders read samples that change" if wanted == 1 else "")
        )
    if graph.stage is Stage.FLOAT:
        return
    if (source.bits, source.signed) != (neuron.bits, neuron.signed):
        yield (
            f"found samples of {_width(source.bits, source.signed)}, accepted "
            f"{_width(neuron.bits, neuron.signed)}, those of the encoder"
        )
    sent = (2, True) if neuron.kind == "delta" else (1, False)
    if (node.type.bits, node.type.signed) != sent:
        yield (
            f"found trains of {_width(node.type.bits, node.type.signed)}, accepted {_width(*sent)} "
            f"from a {neuron.kind} encoder"
        )


def _numbers(node: Node, neuron: Encode) -> Iterator[str]:
    """The encoder's own parameters."""
    if not 1 + neuron.signed <= neuron.bits <= MOST_BITS:
        yield f"found an encoder of {neuron.bits} bits, accepted {1 + neuron.signed} .. {MOST_BITS}"
    if not 0 < neuron.unit < float("inf"):
        yield f"found an encoder's unit {neuron.unit}, accepted a finite number > 0"
    if neuron.kind == "radix" and node.type.steps != neuron.bits:
        yield (
            f"found a radix encoder of {neuron.bits} bits with {node.type.steps} steps, accepted "
            "as many steps as bits: one bit plane a step"
        )
    if neuron.kind == "bernoulli" and not 1 <= neuron.seed <= MOST_SEED:
        yield f"found seed {neuron.seed}, accepted 1 .. {MOST_SEED}"
    if neuron.kind == "delta" and neuron.threshold < 1:
        yield (
            f"found threshold {neuron.threshold} of a delta encoder, accepted 1 or more units of a "
            "sample; raise the threshold or the bits"
        )
    if neuron.signed and neuron.kind != "delta":
        yield (
            f"found signed samples for a {neuron.kind} encoder, accepted unsigned ones; shift them "
            "to 0 .. 1, or take delta"
        )


def _sources(node: Node) -> str:
    named = [f"{type(synapse.op).__name__} of {synapse.source}" for synapse in node.synapses]
    return " and ".join(named)


def _width(bits: int, signed: bool) -> str:
    return f"{bits} bits{' with a sign' if signed else ''}"
