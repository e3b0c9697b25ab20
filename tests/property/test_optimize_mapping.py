"""Mappings of random networks: legal, within their budget, no slower on a larger board."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from e3ne.boards import load_board
from e3ne.config import Config, MappingConfig
from e3ne.cost import predict
from e3ne.ir import Conv2d, DoesNotFit, Graph, Linear, Stage, verify
from e3ne.optimize import choose_mapping
from tests.strategies import mapped_graphs

QUICK = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def unmapped(graph: Graph) -> Graph:
    """The same network before mapping."""
    return replace(
        graph,
        stage=Stage.INTEGER,
        steps_in_window=None,
        nodes=tuple(replace(node, mapping=None) for node in graph.nodes),
        inputs=tuple(replace(source, lanes=1) for source in graph.inputs),
    )


networks = mapped_graphs().map(unmapped)


@QUICK
@given(networks)
def test_every_mapping_verifies_and_keeps_the_network(graph):
    mapped = choose_mapping(graph, load_board("ulx3s-85f"), Config())
    assert verify(mapped).stage is Stage.MAPPED
    for before, after in zip(graph.nodes, mapped.nodes, strict=True):
        assert replace(after, mapping=None) == before
    assert mapped.outputs == graph.outputs


@QUICK
@given(networks, st.floats(0.02, 0.9), st.floats(0.02, 0.9))
def test_a_larger_budget_is_never_slower(graph, one, other):
    small, large = sorted((one, other))
    board = load_board("ulx3s-25f")
    try:
        first = predict(choose_mapping(graph, board, Config(utilisation=small)))
    except DoesNotFit:
        assume(False)
    second = predict(choose_mapping(graph, board, Config(utilisation=large)))
    assert second.interval_cycles <= first.interval_cycles
    assert first.luts <= small * board.resources.luts


@QUICK
@given(networks)
def test_a_larger_board_of_a_family_is_never_slower(graph):
    intervals = [
        predict(choose_mapping(graph, load_board(name), Config(utilisation=0.05))).interval_cycles
        for name in ("ulx3s-45f", "ulx3s-85f")
    ]
    assert intervals == sorted(intervals, reverse=True)


@QUICK
@given(networks, st.data())
def test_fixed_lanes_are_kept(graph, data):
    free = choose_mapping(graph, load_board("ulx3s-85f"), Config(utilisation=0.2))
    node = data.draw(st.sampled_from(free.nodes))
    assert node.mapping is not None
    matrix = isinstance(node.synapses[0].op, Linear | Conv2d)
    fixed = MappingConfig(
        in_lanes=node.mapping.synapses[0].in_lanes if matrix and len(node.synapses) == 1 else None,
        out_lanes=node.mapping.out_lanes,
    )
    config = Config(utilisation=0.9, mapping={node.name: fixed})
    kept = choose_mapping(graph, load_board("ulx3s-85f"), config).node(node.name).mapping
    assert kept is not None
    assert kept.out_lanes == fixed.out_lanes
    assert fixed.in_lanes in (None, kept.synapses[0].in_lanes)


@QUICK
@given(networks)
def test_a_fixed_window_is_kept(graph):
    free = choose_mapping(graph, load_board("ulx3s-85f"), Config())
    kept = choose_mapping(graph, load_board("ulx3s-85f"), Config(window=free.steps_in_window))
    assert kept == free
