"""Random mapped networks whose nodes are on all engines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from e3ne.ir import (
    Conv2d,
    Engine,
    Graph,
    Linear,
    Mapping,
    Node,
    SynapseMapping,
    UnsupportedModel,
    verify,
)
from tests.strategies import divisors, draw_neuron_lanes, mapped_graphs


@st.composite
def engine_graphs(draw: Any, **options: Any) -> Graph:
    """As `mapped_graphs`; nodes on DENSE, EVENT and LOGIC, with planes of bits where they may."""
    graph = draw(mapped_graphs(**options))
    for name in [node.name for node in graph.nodes]:
        node = graph.node(name)
        if not all(isinstance(s.op, Linear | Conv2d) for s in node.synapses):
            continue
        engine = draw(st.sampled_from([Engine.DENSE, Engine.EVENT, Engine.EVENT, Engine.LOGIC]))
        if engine is Engine.DENSE:
            continue
        moved = replace(node, mapping=on_engine(draw, graph, node, engine))
        candidate = graph.with_nodes([moved if n.name == name else n for n in graph.nodes])
        try:
            graph = verify(candidate)
        except UnsupportedModel:
            continue
    return graph


def on_engine(draw: Any, graph: Graph, node: Node, engine: Engine) -> Mapping:
    """A random layout of the node on EVENT or LOGIC."""
    assert node.mapping is not None
    synapses = []
    for synapse, lanes in zip(node.synapses, node.mapping.synapses, strict=True):
        op, source = synapse.op, graph.edge(synapse.source)
        assert isinstance(op, Linear | Conv2d)
        elements = int(op.weight[0].size)
        bit_lanes = draw(st.sampled_from([None, *divisors(source.bits)]))
        if engine is Engine.LOGIC:
            found = SynapseMapping(elements, lanes.step_lanes, bit_lanes)
        elif isinstance(op, Linear) and elements > 1 and draw(st.booleans()):
            in_lanes = draw(st.integers(2, min(elements, 4)))
            found = SynapseMapping(in_lanes, lanes.step_lanes, lane_rows=True)
        else:
            within = int(op.weight.shape[1])
            in_lanes = draw(st.sampled_from(divisors(within)))
            found = SynapseMapping(in_lanes, lanes.step_lanes, bit_lanes)
        synapses.append(found)
    outputs = int(node.type.channels)
    out_lanes = outputs if engine is Engine.LOGIC else node.mapping.out_lanes
    queue = node.mapping.queue_words
    neurons = draw_neuron_lanes(draw, out_lanes)
    return Mapping(engine, out_lanes, 1, tuple(synapses), queue, neurons)
