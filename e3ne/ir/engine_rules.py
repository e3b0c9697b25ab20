"""Which layouts each engine has, beyond the lanes that must divide (`verify_mapping`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from .graph import Engine, Graph, Mapping, Storage, Synapse, SynapseMapping


def engine_problems(
    graph: Graph, synapse: Synapse, mapping: Mapping, lanes: SynapseMapping
) -> Iterator[str]:
    """Every rule that the layout of a Linear or Conv2d breaks, as text."""
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
    if lanes.bit_lanes is not None:
        yield f"found bit_lanes={lanes.bit_lanes}, accepted none so far"
    if lanes.dsps:
        yield f"found dsps={lanes.dsps}, accepted 0 so far"
    if lanes.storage is not Storage.AUTO:
        yield "found a storage, accepted auto so far"


def _event(
    graph: Graph, synapse: Synapse, mapping: Mapping, lanes: SynapseMapping
) -> Iterator[str]:
    yield "found engine event, accepted dense so far"


def _logic(
    graph: Graph, synapse: Synapse, mapping: Mapping, lanes: SynapseMapping
) -> Iterator[str]:
    yield "found engine logic, accepted dense so far"
