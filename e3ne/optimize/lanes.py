"""The layouts that a node can have: the legal combinations of lanes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from ..config import MappingConfig
from ..ir import (
    Conv2d,
    Graph,
    Linear,
    Mapping,
    MaxPool2d,
    Node,
    SumPool2d,
    SynapseMapping,
    Upsample2d,
)

MOST_LANES = 2048  # products a cycle of one node


def node_mappings(
    graph: Graph, node: Node, window: int, fixed: MappingConfig | None
) -> Iterator[Mapping]:
    """Legal mappings of `node` in windows of `window` steps; `fixed` lanes are kept."""
    fixed = fixed or MappingConfig()
    for out_lanes in _chosen(out_lane_choices(node), fixed.out_lanes):
        for pixel_lanes in _chosen(pixel_lane_choices(node, out_lanes), fixed.pixel_lanes):
            options = [
                list(_synapse_mappings(graph, node, index, window, fixed))
                for index in range(len(node.synapses))
            ]
            for synapses in _aligned(options):
                lanes = out_lanes * pixel_lanes
                if all(lanes * s.in_lanes * s.step_lanes <= MOST_LANES for s in synapses) or (
                    lanes == 1
                ):
                    yield Mapping(
                        out_lanes=out_lanes, pixel_lanes=pixel_lanes, synapses=tuple(synapses)
                    )


def divisors(number: int) -> list[int]:
    """All divisors, ascending."""
    return [d for d in range(1, number + 1) if number % d == 0]


def out_lane_choices(node: Node) -> list[int]:
    """Divisors of the channels, within a channel group of every convolution."""
    choices = divisors(node.type.channels)
    for synapse in node.synapses:
        if isinstance(synapse.op, Conv2d):
            inside = int(synapse.op.weight.shape[0]) // synapse.op.groups
            choices = [lanes for lanes in choices if inside % lanes == 0]
    return choices


def pixel_lane_choices(node: Node, out_lanes: int) -> list[int]:
    """Several output columns at once where all channels are; no pooling, no upsampling."""
    single = MaxPool2d | SumPool2d | Upsample2d
    pools = any(isinstance(synapse.op, single) for synapse in node.synapses)
    if out_lanes != node.type.channels or len(node.type.shape) == 1 or pools:
        return [1]
    return [lanes for lanes in divisors(node.type.shape[2]) if lanes <= 8]


def _synapse_mappings(
    graph: Graph, node: Node, index: int, window: int, fixed: MappingConfig
) -> Iterator[SynapseMapping]:
    op = node.synapses[index].op
    source = graph.edge(node.synapses[index].source)
    steps = min(window, source.steps)
    if not isinstance(op, Linear | Conv2d):
        yield SynapseMapping(1, steps)
        return
    if isinstance(op, Linear):
        elements = source.neurons
    else:
        elements = op.kernel[0] * op.kernel[1] * int(op.weight.shape[1])
    for in_lanes, step_lanes in product(
        _chosen(divisors(elements), fixed.in_lanes), _chosen(divisors(steps), fixed.step_lanes)
    ):
        yield SynapseMapping(in_lanes, step_lanes)


def _chosen(choices: list[int], fixed: int | None) -> list[int]:
    if fixed is None:
        return choices
    return [fixed] if fixed in choices else []


def _aligned(options: list[list[SynapseMapping]]) -> Iterator[list[SynapseMapping]]:
    """For several synapses the combinations in which all are unrolled about as far.

    The k-th of n choices of one goes with the choice at the same fraction of each other one, so
    the number of combinations stays that of the longest list.
    """
    longest = max(len(choices) for choices in options)
    for position in range(longest):
        yield [choices[position * len(choices) // longest] for choices in options]
