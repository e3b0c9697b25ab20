"""Layouts by a rule, without a search: for tests that need a mapping, whichever it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from e3ne.boards import Board
from e3ne.config import Config
from e3ne.ir import (
    Conv2d,
    Engine,
    Graph,
    Linear,
    Mapping,
    Node,
    Stage,
    Synapse,
    SynapseMapping,
    UnsupportedModel,
    verify,
)
from e3ne.ir.verify_mapping import patch_elements
from e3ne.optimize.input_lanes import input_lane_choices
from e3ne.optimize.lanes import out_lane_choices
from e3ne.optimize.ports import with_ports
from e3ne.optimize.size_queues import size_queues
from e3ne.optimize.windows import allowed_windows


def few_lanes(graph: Graph, config: Config | None = None, engine: Engine = Engine.DENSE) -> Graph:
    """A graph of stage INTEGER with two lanes wherever there can be two, and queues.

    Nodes that `engine` cannot have are on DENSE.
    """
    config = config or Config()
    graph = with_ports(graph, config)
    windows = allowed_windows(graph, config.window)
    window = windows[len(windows) // 2]
    inputs = tuple(
        replace(source, lanes=config.input_lanes or _few(input_lane_choices(source, window)))
        for source in graph.inputs
    )
    laid = replace(graph, stage=Stage.MAPPED, inputs=inputs, steps_in_window=window)
    laid = laid.with_nodes([_with_lanes(laid, node, Engine.DENSE) for node in laid.nodes])
    for node in laid.nodes if engine is not Engine.DENSE else ():
        moved = _with_lanes(laid, node, engine)
        candidate = laid.with_nodes([moved if n is node else n for n in laid.nodes])
        try:
            laid = verify(candidate)
        except UnsupportedModel:
            continue
    return verify(size_queues(laid))


@contextmanager
def no_search(engine: Engine = Engine.DENSE) -> Iterator[None]:
    """Within it, what is compiled gets `few_lanes` instead of the best layout for its board."""

    def choose(graph: Graph, board: Board, config: Config, trains: Any = None) -> Graph:
        return few_lanes(graph, config, engine)

    with mock.patch("e3ne.optimize.choose_mapping", choose):
        yield


def _with_lanes(graph: Graph, node: Node, engine: Engine) -> Node:
    matrix = all(isinstance(synapse.op, Linear | Conv2d) for synapse in node.synapses)
    engine = engine if matrix else Engine.DENSE
    out_lanes = node.type.channels if engine is Engine.LOGIC else _few(out_lane_choices(node))
    synapses = tuple(_synapse_lanes(graph, synapse, engine) for synapse in node.synapses)
    return replace(node, mapping=Mapping(engine, out_lanes, 1, synapses))


def _synapse_lanes(graph: Graph, synapse: Synapse, engine: Engine) -> SynapseMapping:
    op, source = synapse.op, graph.edge(synapse.source)
    steps = min(graph.steps_in_window, source.steps)
    if not isinstance(op, Linear | Conv2d):
        return SynapseMapping(1, steps)
    elements = source.neurons if isinstance(op, Linear) else patch_elements(op)
    step_lanes = _few([count for count in range(1, steps + 1) if steps % count == 0])
    if engine is Engine.LOGIC:
        return SynapseMapping(elements, step_lanes)
    within = int(op.weight.shape[1]) if engine is Engine.EVENT else elements
    return SynapseMapping(
        _few([count for count in range(1, within + 1) if within % count == 0]), step_lanes
    )


def _few(choices: list[int]) -> int:
    """The second of ascending lanes, or the only one."""
    return choices[min(1, len(choices) - 1)]
