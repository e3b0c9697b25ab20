"""Which layouts each engine has, beyond the lanes that must divide (`verify_mapping`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from .geometry import whole_elements
from .graph import Engine, Graph, Mapping, Storage, Synapse, SynapseMapping
from .matrix_rules import matrix_problems
from .ops import Conv2d, Linear


def engine_problems(
    graph: Graph, synapse: Synapse, mapping: Mapping, lanes: SynapseMapping
) -> Iterator[str]:
    """Every rule that the layout of a Linear or Conv2d breaks, as text."""
    if lanes.lane_rows:
        yield from _lane_rows(graph, synapse, mapping, lanes)
    match mapping.engine:
        case Engine.DENSE:
            yield from _dense(graph, synapse, mapping, lanes)
        case Engine.EVENT:
            yield from _event(graph, synapse, mapping, lanes)
        case Engine.LOGIC:
            yield from _logic(graph, synapse, mapping, lanes)
        case _:
            assert_never(mapping.engine)


def _dense(
    graph: Graph, synapse: Synapse, mapping: Mapping, lanes: SynapseMapping
) -> Iterator[str]:
    yield from matrix_problems(graph, synapse, mapping, lanes, skips_slices=False)


def _event(
    graph: Graph, synapse: Synapse, mapping: Mapping, lanes: SynapseMapping
) -> Iterator[str]:
    yield from matrix_problems(graph, synapse, mapping, lanes, skips_slices=True)
    op = synapse.op
    if mapping.pixel_lanes != 1:
        yield f"found pixel_lanes={mapping.pixel_lanes} on engine event, accepted 1"
    if lanes.in_columns != 1:
        yield f"found in_columns={lanes.in_columns} on engine event, accepted 1"
    if isinstance(op, Conv2d) and int(op.weight.shape[1]) % lanes.in_lanes:
        yield (
            f"found in_lanes={lanes.in_lanes} on engine event, accepted a divisor of the "
            f"{int(op.weight.shape[1])} channels of a group"
        )


def _lane_rows(
    graph: Graph, synapse: Synapse, mapping: Mapping, lanes: SynapseMapping
) -> Iterator[str]:
    if mapping.engine is not Engine.EVENT or not isinstance(synapse.op, Linear):
        yield (
            f"found lane_rows with {type(synapse.op).__name__} on engine {mapping.engine.value}, "
            "accepted with Linear on event"
        )
        return
    source = graph.edge(synapse.source)
    if not 2 <= lanes.in_lanes <= source.neurons:
        yield f"found in_lanes={lanes.in_lanes} with lane_rows, accepted 2 .. {source.neurons}"
    if lanes.bit_lanes not in (None, source.bits):
        yield (
            f"found bit_lanes={lanes.bit_lanes} with lane_rows, accepted {source.bits}: the lanes' "
            "events go together, and need all planes of bits"
        )
    if lanes.storage is Storage.LOADED:
        yield "found storage loaded with lane_rows, accepted auto, block or lut"
    if lanes.buffer_storage is not Storage.AUTO:
        yield f"found buffer_storage {lanes.buffer_storage.value} with lane_rows, accepted auto"


def _logic(
    graph: Graph, synapse: Synapse, mapping: Mapping, lanes: SynapseMapping
) -> Iterator[str]:
    op, type = synapse.op, graph.edge(synapse.source)
    assert isinstance(op, Linear | Conv2d)
    outputs, elements = int(op.weight.shape[0]), whole_elements(op)
    if mapping.out_lanes != outputs:
        yield f"found out_lanes={mapping.out_lanes} on engine logic, accepted {outputs}"
    if lanes.in_lanes != elements:
        yield f"found in_lanes={lanes.in_lanes} on engine logic, accepted {elements}"
    if lanes.bit_lanes is not None and (lanes.bit_lanes < 1 or type.bits % lanes.bit_lanes):
        yield f"found bit_lanes={lanes.bit_lanes}, accepted a divisor of {type.bits}"
    if lanes.dsps:
        yield f"found dsps={lanes.dsps} on engine logic, accepted 0"
    if lanes.storage is not Storage.AUTO:
        yield f"found storage {lanes.storage.value} on engine logic, accepted auto"
