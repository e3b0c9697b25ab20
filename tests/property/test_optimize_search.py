"""The search against every layout there is; more budget, more lanes: never worse."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from benchmarks.lut_cases import LEAKY, integers
from e3ne.boards import load_board
from e3ne.config import Config, MappingConfig
from e3ne.cost import Prediction, node_cycles, predict
from e3ne.ir import (
    Conv2d,
    DoesNotFit,
    Engine,
    Graph,
    Input,
    Linear,
    MaxPool2d,
    Node,
    Output,
    Readout,
    Relay,
    Requantize,
    SpikeType,
    Stage,
    Synapse,
    verify,
)
from e3ne.optimize import choose_mapping
from e3ne.optimize.choose_mapping import laid_out
from e3ne.optimize.lanes import node_mappings
from e3ne.optimize.pareto import thinned, undominated
from e3ne.optimize.size_queues import size_queues
from tests.strategies import mapped_graphs

QUICK = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
BOARD = load_board("ulx3s-25f")


def network(steps: int, *nodes: Node, source: SpikeType) -> Graph:
    output = Output(nodes[-1].name, Readout.COUNT if steps > 1 else Readout.LAST)
    return verify(Graph(Stage.INTEGER, (Input("input", source),), nodes, (output,)))


def spiking() -> Graph:
    """Two layers of neurons with two steps."""
    hidden, last = SpikeType((4,), 2, 1), SpikeType((3,), 2, 1)
    return network(
        2,
        Node("first", (Synapse(Linear(integers((4, 6), 4)), "input"),), LEAKY, hidden),
        Node("last", (Synapse(Linear(integers((3, 4), 4)), "first"),), LEAKY, last),
        source=SpikeType((6,), 2, 1),
    )


def convolving() -> Graph:
    """A convolution, a pooling and the classes."""
    image, pooled = SpikeType((2, 2, 4), 1, 3), SpikeType((2, 1, 2), 1, 3)
    first = Conv2d(integers((2, 1, 1, 3), 3), padding=(0, 1))
    return network(
        1,
        Node("conv", (Synapse(first, "input"),), Requantize(1, 3), image),
        Node("pool", (Synapse(MaxPool2d((2, 2), (2, 2)), "conv"),), Relay(), pooled),
        Node("fc", (Synapse(Linear(integers((3, 4), 3)), "pool"),), Relay(),
             SpikeType((3,), 1, 12, True)),
        source=SpikeType((1, 2, 4), 1, 3),
    )  # fmt: skip


def every_layout(graph: Graph, config: Config) -> list[Prediction]:
    """What every legal layout with memories where the synthesizer puts them costs."""
    found = []
    for laid in laid_out(graph, config):
        assert laid.steps_in_window is not None
        options = [
            list(
                node_mappings(
                    laid, node, laid.steps_in_window, config.mapping.get(node.name), BOARD
                )
            )
            for node in laid.nodes
        ]
        for mappings in product(*options):
            nodes = [replace(n, mapping=m) for n, m in zip(laid.nodes, mappings, strict=True)]
            mapped = size_queues(laid.with_nodes(nodes))
            found.append(predict(mapped, BOARD.family, exact=False))
    return found


@pytest.mark.parametrize("build", [spiking, convolving])
def test_search_is_near_the_best_of_all_layouts(build):
    """For every target, with few LUTs and with many."""
    graph = build()
    fixed = {node.name: MappingConfig(dsps=0) for node in graph.nodes}
    window = 2 if graph.inputs[0].type.steps > 1 else None
    config = Config(window=window, input_lanes=1, mapping=fixed)
    every = every_layout(graph, config)
    for target, share in product(("latency", "throughput", "area"), (0.02, 0.035, 0.6)):
        check_near_best(graph, config, every, target, share)


def check_near_best(graph, config, every, target, share):
    """What is chosen with a share of the board's LUTs is within 2 % of the best of `every`."""
    luts = int(share * BOARD.resources.luts)
    fitting = [found for found in every if found.luts <= luts]
    try:
        chosen = choose_mapping(graph, BOARD, replace(config, target=target, budget={"luts": luts}))
    except DoesNotFit:
        assert not fitting
        return
    found = predict(chosen, BOARD.family, exact=False)
    have = BOARD.resources

    def figure(item: Prediction) -> float:
        shares = item.luts / have.luts + item.brams / have.brams + item.dsps / have.dsps
        return {"latency": item.latency_cycles, "throughput": item.interval_cycles}.get(
            target, shares
        )

    assert found.luts <= luts
    if not fitting:  # nor does any layout without shared neurons and other memories
        return
    assert figure(found) <= 1.02 * min(map(figure, fitting)), (target, share)


def unmapped(graph: Graph) -> Graph:
    """The same network before mapping."""
    return replace(
        graph,
        stage=Stage.INTEGER,
        steps_in_window=None,
        nodes=tuple(replace(node, mapping=None) for node in graph.nodes),
        inputs=tuple(replace(source, lanes=1) for source in graph.inputs),
    )


def outcome(graph: Graph, config: Config) -> tuple[float, ...] | None:
    """What the chosen design is judged by; None where none fits."""
    try:
        found = predict(choose_mapping(graph, BOARD, config), BOARD.family, exact=False)
    except DoesNotFit:
        return None
    if config.target == "latency":
        return found.latency_cycles, found.interval_cycles
    if config.target == "throughput":
        return (found.interval_cycles,)
    have = BOARD.resources
    return (found.luts / have.luts + found.brams / have.brams + found.dsps / have.dsps,)


@QUICK
@given(
    mapped_graphs().map(unmapped),
    st.sampled_from(["latency", "throughput", "area"]),
    st.floats(0.02, 0.5),
    st.floats(1.0, 3.0),
    st.sampled_from(["luts", "brams", "latency_cycles"]),
)
def test_more_budget_is_never_worse(graph, target, share, more, resource):
    least = {
        "luts": share * BOARD.resources.luts,
        "brams": 8 * share,
        "latency_cycles": 4000 * share,
    }
    amount = int(least[resource])
    assume(amount)
    config = Config(target=target, input_lanes=1)
    small = outcome(graph, replace(config, budget={resource: amount}))
    large = outcome(graph, replace(config, budget={resource: int(more * amount)}))
    assume(small is not None)
    assert large is not None
    assert large[0] <= small[0] + 1e-9


@pytest.mark.parametrize("engine", list(Engine))
@pytest.mark.parametrize("build", [spiking, convolving])
def test_larger_lanes_never_cost_more_cycles(build, engine):
    """Of layouts that differ in one number of lanes the larger one takes no longer."""
    for laid in laid_out(build(), Config()):
        for node in laid.nodes:
            for key, pair in neighbours(laid, node, engine):
                small, large = (node_cycles(laid, replace(node, mapping=m)) for m in pair)
                assert large <= small, (node.name, key, pair)


def neighbours(laid: Graph, node: Node, engine: Engine):
    """(which lanes, (layout, the same with more of these lanes)) of a node."""
    window = laid.steps_in_window
    assert window is not None
    every = [m for m in node_mappings(laid, node, window, None, BOARD) if m.engine is engine]
    plain = [m for m in every if not m.synapses[0].dsps]
    for small in plain:
        for large in plain:
            if small.synapses[0].lane_rows != large.synapses[0].lane_rows:
                continue
            one, two = described(small), described(large)
            changed = [key for key in one if one[key] != two[key]]
            if len(changed) == 1 and two[changed[0]] % one[changed[0]] == 0:
                yield changed[0], (small, large)


def described(mapping) -> dict[str, int]:
    lanes = mapping.synapses[0]
    return {
        "out_lanes": mapping.out_lanes,
        "pixel_lanes": mapping.pixel_lanes,
        "in_lanes": lanes.in_lanes,
        "step_lanes": lanes.step_lanes,
        "bit_lanes": lanes.bit_lanes or 1 << 20,
        "in_columns": lanes.in_columns,
    }


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 4))
def test_undominated_rows_are_those_that_no_other_beats(seed, rows, columns):
    found = np.random.default_rng(seed).integers(0, 6, (rows, columns))
    kept = undominated(found)
    best = found[kept]
    assert len(np.unique(best, axis=0)) == len(best)
    for row in found:
        assert (best <= row).all(axis=1).any()
    for row in best:
        assert not ((best <= row).all(axis=1) & (best < row).any(axis=1)).any()


@given(st.integers(0, 2**32 - 1), st.integers(4, 40))
def test_thinned_rows_are_few_and_hold_the_lowest(seed, most):
    random = np.random.default_rng(seed)
    rows, value = random.integers(1, 5000, (300, 2)), random.integers(1, 500, 300)
    kept = thinned(rows, value, most)
    assert len(kept) <= most + 2
    assert value[kept].min() == value.min()
    assert (rows[kept].min(axis=0) <= 2 * rows.min(axis=0) + 300).all()
