"""Bits of the edges that ReLUs send over: in the configuration, and in the graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from ..config import Config
from ..ir import BadInput, Graph, Node, Rectify, verify
from ..lower.factors import scale_of_kind
from .grids import with_nodes


def check_bits(
    asked: Mapping[str, int | float],
    nodes: Mapping[str, object],
    kind: str,
    accepted: Collection[int | float],
) -> None:
    """BadInput where `asked` names something else than `nodes`, or bits that are not `accepted`."""
    problems = [
        f"{name}: found no {kind}, accepted {', '.join(nodes)}"
        for name in asked
        if name not in nodes
    ]
    problems += [
        f"{name}: found {bits} bits, accepted {', '.join(map(str, accepted))}"
        for name, bits in asked.items()
        if bits not in accepted
    ]
    if problems:
        raise BadInput(problems)


def with_bits_of(graph: Graph, config: Config) -> Config:
    """The configuration with the bits that ReLUs of the graph have already."""
    nodes = dict(config.nodes)
    for node in graph.nodes:
        if isinstance(node.neuron, Rectify) and node.neuron.bits is not None:
            nodes[node.name] = replace(config.node(node.name), edge_bits=node.neuron.bits)
    return with_nodes(config, nodes)


def with_bits(graph: Graph, config: Config) -> Graph:
    """The graph with the configuration's bits in its ReLUs, and bounds as lowering takes them."""
    return verify(
        graph.with_nodes(
            [
                replace(node, neuron=_with_bits(node, node.neuron, config))
                if isinstance(node.neuron, Rectify)
                else node
                for node in graph.nodes
            ]
        )
    )


def _with_bits(node: Node, neuron: Rectify, config: Config) -> Rectify:
    if neuron.bound is None:
        raise BadInput(
            f"{node.name}: found a ReLU without a bound, accepted a graph of lower.prepared; "
            "give it calibration frames"
        )
    bits = config.node(node.name).edge_bits
    if neuron.bits is not None or config.scale == "integer":
        return replace(neuron, bits=bits)
    levels = (1 << bits) - 1
    return Rectify(float(scale_of_kind(neuron.bound / levels, config.scale)) * levels, bits)
