"""The products of a mapped synapse: how its matrix unit is laid out."""

from __future__ import annotations

from functools import lru_cache

from .frames import window_steps
from .graph import Engine, Graph, Node
from .ops import Conv2d, Linear
from .products import Products
from .ranges import is_binary, stored_bits


@lru_cache(maxsize=4096)
def stored_kind(op: Linear | Conv2d) -> tuple[int, bool]:
    """(bits of a weight in its ROM, whether all are -1 or +1)."""
    return stored_bits(op.weight), is_binary(op.weight)


def uses_multipliers(graph: Graph) -> bool:
    """Does any synapse of a mapped graph have products in multipliers of the part?"""
    mappings = (node.mapping for node in graph.nodes if node.mapping is not None)
    return any(lanes.dsps for mapping in mappings for lanes in mapping.synapses)


def synapse_products(graph: Graph, node: Node, index: int) -> Products:
    """The products of synapse `index`, a Linear or Conv2d, of a node on DENSE or EVENT."""
    assert node.mapping is not None
    mapping, lanes = node.mapping, node.mapping.synapses[index]
    op, source = node.synapses[index].op, graph.edge(node.synapses[index].source)
    assert isinstance(op, Linear | Conv2d)
    weight_bits, binary = stored_kind(op)
    element_bits = lanes.bit_lanes or source.bits
    return Products(
        weight_bits,
        binary,
        element_bits,
        source.signed,
        lanes.in_lanes,
        mapping.out_lanes,
        planes=source.bits // element_bits,
        chunks=window_steps(graph, source.steps) // lanes.step_lanes,
        dsps=lanes.dsps // (mapping.pixel_lanes * lanes.step_lanes),
        products_per_dsp=lanes.products_per_dsp,
        is_addressed=mapping.engine is Engine.EVENT,
    )
