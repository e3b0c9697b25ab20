"""The layouts that a node can have: the legal combinations of lanes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from ..boards import Board
from ..config import MappingConfig
from ..ir import (
    Conv2d,
    Engine,
    Graph,
    IntegrateFire,
    Linear,
    Mapping,
    MaxPool2d,
    Node,
    Op,
    SpikeType,
    Storage,
    SumPool2d,
    Synapse,
    SynapseMapping,
    Upsample2d,
)
from ..ir.engine_rules import engine_problems
from ..ir.geometry import in_column_choices, op_window, whole_elements
from ..ir.products import MULTIPLIERS, dsp_choices, packings
from ..ir.synapse_products import stored_kind
from ..ir.verify_mapping import patch_elements

MOST_LANES = 2048  # products a cycle of one node with weights from a memory
MOST_LOGIC_WEIGHTS = 12_000  # that are not zero, of all pixel lanes of a node on LOGIC
LANE_ROWS = (2, 3, 4, 6, 8)  # input lanes that follow their own events
LEAST_NEURONS = 4  # that are not worth sharing
WEIGHTS_PER_LUT = 0.25  # constant weights that are not zero, of a node that may become logic


def node_mappings(
    graph: Graph,
    node: Node,
    window: int,
    fixed: MappingConfig | None,
    board: Board,
    skips_zeros: bool = True,
) -> Iterator[Mapping]:
    """Legal mappings of `node` in windows of `window` steps; what is `fixed` is kept.

    Unless `skips_zeros`, nothing is known to be zero: then EVENT is only larger than DENSE.
    """
    fixed = fixed or MappingConfig()
    matrix = any(isinstance(synapse.op, Linear | Conv2d) for synapse in node.synapses)
    engines = [Engine.DENSE]
    if matrix:
        wanted = fixed.engine is not None or skips_zeros
        engines = [engine for engine in Engine if wanted or engine is not Engine.EVENT]
    for engine in _chosen(engines, _engine(fixed, matrix)):
        lane_choices = [node.type.channels] if engine is Engine.LOGIC else out_lane_choices(node)
        for out_lanes in _chosen(lane_choices, fixed.out_lanes):
            for pixel_lanes in _chosen(pixel_lane_choices(node, out_lanes), fixed.pixel_lanes):
                mapping = Mapping(engine, out_lanes, pixel_lanes)
                if fixed.neuron_lanes is not None:
                    if out_lanes % fixed.neuron_lanes:
                        continue
                    mapping = replace(mapping, neuron_lanes=fixed.neuron_lanes)
                options = [
                    _synapse_mappings(graph, node, index, window, fixed, mapping, board)
                    for index in range(len(node.synapses))
                ]
                if all(options):
                    for synapses in _aligned(options):
                        yield replace(mapping, synapses=tuple(synapses))


def _engine(fixed: MappingConfig, matrix: bool) -> Engine | None:
    return None if fixed.engine is None or not matrix else Engine(fixed.engine)


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
    """Several output columns at once where all channels are; no upsampling."""
    single = any(isinstance(synapse.op, Upsample2d) for synapse in node.synapses)
    if out_lanes != node.type.channels or len(node.type.shape) == 1 or single:
        return [1]
    return [lanes for lanes in divisors(node.type.shape[2]) if lanes <= 8]


def fewer_neurons(node: Node) -> Iterator[Mapping]:
    """The layout of a mapped node with half of its neurons, a quarter, and so on.

    Only of neurons that cost much: those with membranes that fire, behind products. Nothing of a
    layout that shares neurons already.
    """
    mapping = node.mapping
    assert mapping is not None
    products = any(isinstance(synapse.op, Linear | Conv2d) for synapse in node.synapses)
    costly = products and isinstance(node.neuron, IntegrateFire)
    if mapping.neuron_lanes is not None or not costly:
        return
    lanes = mapping.out_lanes
    while lanes > LEAST_NEURONS and lanes % 2 == 0:
        lanes //= 2
        yield replace(mapping, neuron_lanes=lanes)


def _synapse_mappings(
    graph: Graph,
    node: Node,
    index: int,
    window: int,
    fixed: MappingConfig,
    mapping: Mapping,
    board: Board,
) -> list[SynapseMapping]:
    """What the rules allow for one synapse of a node of this engine and these lanes."""
    synapse = node.synapses[index]
    source = graph.edge(synapse.source)
    steps = min(window, source.steps)
    columns = _chosen(column_choices(synapse.op, source, mapping.pixel_lanes), fixed.in_columns)
    if not isinstance(synapse.op, Linear | Conv2d):
        return [SynapseMapping(1, steps, in_columns=count) for count in columns]
    elements = source.neurons if isinstance(synapse.op, Linear) else patch_elements(synapse.op)
    is_logic = mapping.engine is Engine.LOGIC
    in_lanes = [whole_elements(synapse.op)] if is_logic else divisors(elements)
    if mapping.engine is Engine.LOGIC and too_much_logic(synapse.op, mapping, board):
        return []
    found: list[SynapseMapping] = []
    if mapping.engine is Engine.EVENT and fixed.lane_rows is not False:
        found += _lane_rows(graph, synapse, steps, fixed, mapping)
    if fixed.lane_rows:
        return found
    bits = _bit_lanes(source.bits, mapping.engine, fixed.bit_lanes)
    for lanes, step_lanes in product(
        _chosen(in_lanes, fixed.in_lanes), _chosen(divisors(steps), fixed.step_lanes)
    ):
        products = mapping.current_lanes * lanes * step_lanes
        if mapping.engine is not Engine.LOGIC and products > MOST_LANES:
            continue
        sums = mapping.pixel_lanes * step_lanes
        for bit_lanes, count in product(bits, columns):
            kinds = (stored_kind(synapse.op)[0], bit_lanes or source.bits)
            for dsps, each in _multipliers(
                kinds, sums, lanes, mapping.out_lanes, board, fixed.dsps
            ):
                option = SynapseMapping(
                    lanes, step_lanes, bit_lanes, count, *_fixed_storage(fixed), dsps, each
                )
                if not any(engine_problems(graph, synapse, mapping, option)):
                    found.append(option)
    return found


def _bit_lanes(bits: int, engine: Engine, fixed: int | None) -> list[int | None]:
    """All bits at once (None) or one by one; or what the user fixed, which the rules judge."""
    if fixed is not None:
        return [None if fixed == bits else fixed]
    return [None, 1] if bits > 1 or engine is Engine.EVENT else [None]


def _lane_rows(
    graph: Graph, synapse: Synapse, steps: int, fixed: MappingConfig, mapping: Mapping
) -> list[SynapseMapping]:
    """Layouts on EVENT whose lanes follow their own events; lanes need not divide anything."""
    choices = LANE_ROWS if fixed.in_lanes is None else (fixed.in_lanes,)
    options = (
        SynapseMapping(
            *(lanes, step_lanes, fixed.bit_lanes, 1, *_fixed_storage(fixed), fixed.dsps or 0),
            lane_rows=True,
        )
        for lanes, step_lanes in product(choices, _chosen(divisors(steps), fixed.step_lanes))
        if lanes * step_lanes * mapping.current_lanes <= MOST_LANES
    )
    return [
        option for option in options if not any(engine_problems(graph, synapse, mapping, option))
    ]


def column_choices(op: Op, source: SpikeType, pixel_lanes: int) -> list[int]:
    """Columns of the source in one word of a sliding window."""
    if isinstance(op, Conv2d | MaxPool2d | SumPool2d):
        return in_column_choices(op_window(op, source.shape), pixel_lanes)
    return [1]


def too_much_logic(op: Linear | Conv2d, mapping: Mapping, board: Board) -> bool:
    """Whether the adders of all constant weights are sure to be more than the board has.

    Or more than a search can sketch in a second.
    """
    weights = int(np.count_nonzero(op.weight)) * mapping.pixel_lanes
    return weights > min(WEIGHTS_PER_LUT * board.resources.luts, MOST_LOGIC_WEIGHTS)


def _fixed_storage(fixed: MappingConfig) -> tuple[Storage, Storage]:
    """(of the weights, of what is kept of the source)."""
    return Storage(fixed.storage or "auto"), Storage(fixed.buffer_storage or "auto")


def _multipliers(
    bits: tuple[int, int], sums: int, in_lanes: int, out_lanes: int, board: Board, fixed: int | None
) -> list[tuple[int, int]]:
    """(multipliers of the part, products of each); with a `fixed` number every packing.

    None where the part's multipliers have no room for a product, or it is of bits (gates).
    """
    if fixed is None:
        return dsp_choices(bits, sums, in_lanes, out_lanes, board.family, board.resources.dsps)
    if not fixed:
        return [(0, 1)]
    return [(fixed, each) for each in reversed([*packings(*bits, MULTIPLIERS[board.family])])]


def _chosen(choices: list[Any], fixed: Any) -> list[Any]:
    """All choices, or the one that the user fixed, where it is one of them."""
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
