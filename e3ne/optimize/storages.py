"""Where the memories of a node may lie, beside where the synthesizer would put them."""

from __future__ import annotations

from dataclasses import replace

from ..boards import Board
from ..config import MappingConfig
from ..ir import Conv2d, Graph, Linear, Mapping, Node, Storage
from ..ir.engine_rules import engine_problems

Kinds = tuple[Storage, ...]


def storage_options(
    node: Node, fixed: MappingConfig | None, board: Board, loads: bool
) -> tuple[Kinds, Kinds]:
    """(for the weights, for what is kept of the source) of a node what the user has not fixed.

    With `loads` weights may lie in large RAM, where the board has it: the user fills it then.
    """
    if not any(isinstance(synapse.op, Linear | Conv2d) for synapse in node.synapses):
        return (), ()
    kinds = (Storage.BLOCK, Storage.LUT)
    large = (Storage.LOADED,) if loads and board.resources.spram_bits else ()
    return (
        () if fixed and fixed.storage else (*kinds, *large),
        () if fixed and fixed.buffer_storage else kinds,
    )


def with_storages(graph: Graph, node: Node, weights: Storage, buffers: Storage) -> Mapping | None:
    """The layout of a mapped node with its memories elsewhere; None where no engine has that.

    AUTO leaves a memory where it is.
    """
    mapping = node.mapping
    assert mapping is not None
    synapses = tuple(
        replace(
            lanes,
            storage=lanes.storage if weights is Storage.AUTO else weights,
            buffer_storage=lanes.buffer_storage if buffers is Storage.AUTO else buffers,
        )
        if isinstance(synapse.op, Linear | Conv2d)
        else lanes
        for synapse, lanes in zip(node.synapses, mapping.synapses, strict=True)
    )
    legal = all(
        not any(engine_problems(graph, synapse, mapping, lanes))
        for synapse, lanes in zip(node.synapses, synapses, strict=True)
        if isinstance(synapse.op, Linear | Conv2d)
    )
    return replace(mapping, synapses=synapses) if legal else None
