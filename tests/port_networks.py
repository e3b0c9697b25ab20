"""Small mapped networks with other ports: loaded weights, few pins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from e3ne.ir import Conv2d, Graph, Linear, OutputWords, Storage, verify


def with_loaded_weights(
    graph: Graph, names: Sequence[str] | None = None, port_bits: int = 8
) -> Graph:
    """The same network, the weights of these nodes (all that have some) through the weight port."""
    nodes = []
    for node in graph.nodes:
        assert node.mapping is not None
        chosen = names is None or node.name in names
        synapses = tuple(
            replace(lanes, storage=Storage.LOADED)
            if chosen and isinstance(synapse.op, Linear | Conv2d)
            else lanes
            for synapse, lanes in zip(node.synapses, node.mapping.synapses, strict=True)
        )
        nodes.append(replace(node, mapping=replace(node.mapping, synapses=synapses)))
    return verify(replace(graph.with_nodes(nodes), weight_port_bits=port_bits))


def few_pins(graph: Graph, words: OutputWords = OutputWords.ALL, bits: int = 8) -> Graph:
    """The same network with packed beats in, and narrow beats or the class alone out."""
    inputs = tuple(replace(source, packed=not source.events) for source in graph.inputs)
    outputs = tuple(replace(output, words=words, bits=bits) for output in graph.outputs)
    return verify(replace(graph, inputs=inputs, outputs=outputs))
