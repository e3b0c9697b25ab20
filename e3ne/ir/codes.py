"""How the trains of an edge are to be read: the name of its code, from who sends and who reads."""

from __future__ import annotations

from .graph import Graph
from .neurons import Encode
from .spikes import Encoding

_OF_ENCODERS = {
    "radix": Encoding.RADIX,
    "regular": Encoding.RATE,
    "bernoulli": Encoding.RATE,
    "latency": Encoding.LATENCY,
    "delta": Encoding.DELTA,
}


def edge_encoding(graph: Graph, name: str) -> Encoding:
    """The code of what the input or node called `name` sends (docs/codes.md).

    As `Encoding.of` its type, but where more is known: trains of an encoder have the name of what
    it makes; an input that an encoder reads is analog, and one of one step that drives nodes of
    several is direct.
    """
    type = graph.edge(name)
    readers = [node for node, _ in graph.consumers(name)]
    if any(source.name == name for source in graph.inputs):
        if any(isinstance(node.neuron, Encode) for node in readers):
            return Encoding.ANALOG
        if type.steps == 1 and any(node.type.steps > 1 for node in readers):
            return Encoding.DIRECT
        return Encoding.of(type)
    neuron = graph.node(name).neuron
    return _OF_ENCODERS[neuron.kind] if isinstance(neuron, Encode) else Encoding.of(type)
