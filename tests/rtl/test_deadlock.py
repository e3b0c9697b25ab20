"""No stall pattern can deadlock forks that join again; without their queues one does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from e3ne.gateware import core
from e3ne.ir import (
    ONE,
    Conv2d,
    Graph,
    Identity,
    Input,
    IntegrateFire,
    Linear,
    Mapping,
    MaxPool2d,
    Node,
    Op,
    Output,
    Readout,
    Requantize,
    SpikeType,
    Stage,
    SumPool2d,
    Synapse,
    SynapseMapping,
    frozen,
    op_shape,
    verify,
)
from tests.strategies import draw_frames, draw_layout, finished, weights

from .bench import always
from .core_runs import check_core

LIMIT_CYCLES = 12_000
Awake = Callable[[int], bool]

# ----------------------------------------------------------------------------------- networks


def add(draw: Any, graph: Graph, name: str, ops: list[tuple[Op, str]], gain: int = 1) -> Graph:
    """One more population of small spikes; all `ops` lead to the same shape."""
    source = graph.edge(ops[0][1])
    type = SpikeType(op_shape(ops[0][0], source.shape), source.steps, 1)
    synapses = tuple(Synapse(op, name_of, 0, gain) for op, name_of in ops)
    neuron = Requantize(1, 2) if type.steps == 1 else IntegrateFire(3, ONE, ONE, membrane_bits=12)
    node = Node(name, synapses, neuron, type)
    graph = graph.with_nodes([*graph.nodes, node])
    if isinstance(neuron, Requantize):
        node = replace(finished(draw, graph, node), type=replace(type, bits=2))
    return graph.with_nodes([*graph.nodes[:-1], node])


def conv(draw: Any, graph: Graph, source: str, kernel: int = 3, stride: int = 1) -> Op:
    """A convolution that keeps the channels; with stride 1 it keeps the image as well."""
    channels = graph.edge(source).channels
    weight = weights(draw, (channels, channels, kernel, kernel))
    return Conv2d(weight, None, (stride, stride), (kernel // 2, kernel // 2))


def branch(draw: Any, graph: Graph, name: str, source: str, depth: int) -> tuple[Graph, str]:
    """Some populations from `source` to one of the same shape: convolutions or a block again."""
    for index in range(draw(st.integers(1, 2))):
        if depth and draw(st.booleans()):
            graph, source = block(draw, graph, f"{name}.{index}", source, depth - 1)
        else:
            op = conv(draw, graph, source, draw(st.sampled_from([1, 3])))
            graph = add(draw, graph, f"{name}.{index}", [(op, source)])
            source = f"{name}.{index}"
    return graph, source


def block(draw: Any, graph: Graph, name: str, source: str, depth: int) -> tuple[Graph, str]:
    """Branches that leave `source` and join in one population, which reads `source` itself too."""
    ops: list[tuple[Op, str]] = [(Identity(), source)]
    for index in range(draw(st.integers(1, 2))):
        graph, end = branch(draw, graph, f"{name}.branch{index}", source, depth)
        last = Identity() if draw(st.booleans()) else conv(draw, graph, end)
        ops.append((last, end))
    if draw(st.booleans()):
        ops.append((conv(draw, graph, source, 1), source))  # reads `source` twice
    return add(draw, graph, f"{name}.join", draw(st.permutations(ops))), f"{name}.join"


def reduction(draw: Any, graph: Graph, name: str, source: str) -> tuple[Graph, str]:
    """A strided convolution beside a pooling of stride 2."""
    op = conv(draw, graph, source, draw(st.sampled_from([1, 3])), 2)
    graph = add(draw, graph, f"{name}.conv", [(op, source)])
    pool = draw(st.sampled_from([MaxPool2d, SumPool2d]))
    direct = (pool((3, 3), (2, 2), (1, 1)), source)
    return add(draw, graph, f"{name}.join", [(Identity(), f"{name}.conv"), direct]), f"{name}.join"


@st.composite
def residual_graphs(draw: Any) -> Graph:
    """Nested residual blocks of random lanes and windows, perhaps with a strided one between."""
    shape = draw(st.sampled_from([(1, 4, 4), (2, 3, 3), (2, 4, 2)]))
    type = SpikeType(shape, draw(st.sampled_from([1, 2, 4])), draw(st.sampled_from([1, 2])))
    graph = Graph(Stage.INTEGER, (Input("input", type),), (), ())
    graph, last = block(draw, graph, "block0", "input", 1)
    if draw(st.booleans()):
        graph, last = reduction(draw, graph, "reduction", last)
    end = Linear(weights(draw, (3, graph.edge(last).neurons)))
    graph = add(draw, graph, "end", [(end, last)])
    graph = replace(graph, outputs=(Output("end", Readout.COUNT),))
    verify(graph)
    return draw_layout(draw, graph, loops=False)


# ------------------------------------------------------------------------------------- stalls


def asleep_until(start: int) -> Awake:
    return lambda cycle: cycle >= start


def bursts(period: int, phase: int) -> Awake:
    """Awake for `period` cycles, then asleep for as many."""
    return lambda cycle: (cycle // period + phase) % 2 == 0


def one_in(period: int) -> Awake:
    return lambda cycle: cycle % period == 0


STALLS: list[tuple[Awake, Awake]] = [
    (always, always),
    (always, asleep_until(800)),  # everything fills up first
    (asleep_until(300), always),
    (always, one_in(17)),
    (one_in(13), always),
    *(
        (bursts(period, 0), bursts(period, phase))  # side by side, and in turn
        for period in (5, 40, 200)
        for phase in (0, 1)
    ),
]


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate,),
)
@given(st.data())
def test_no_stall_pattern_deadlocks_branches_that_join(data):
    graph = data.draw(residual_graphs())
    x = draw_frames(data.draw, graph, 2)
    awake = data.draw(st.sampled_from(STALLS))
    pauses = data.draw(st.sampled_from([(0.0, 0.0), (0.0, 0.8), (0.8, 0.0)]))
    seed = data.draw(st.integers(0, 1000))
    check_core(graph, x, pauses, seed, awake=awake, limit_cycles=LIMIT_CYCLES)


# ---------------------------------------------------------------------------- the broken twin


def residual(steps: int, window: int, kernel: int) -> Graph:
    """The smallest residual network: a convolution and its input join."""
    type = SpikeType((2, 6, 6), steps, 1)
    weight = frozen(np.ones((2, 2, kernel, kernel)), np.int64)
    op = Conv2d(weight, None, (1, 1), (kernel // 2, kernel // 2))
    fires = IntegrateFire(3, ONE, ONE, membrane_bits=12)
    one = (SynapseMapping(2, 1),)
    nodes = (
        Node("conv", (Synapse(op, "x"),), fires, type, Mapping(out_lanes=2, synapses=one)),
        Node(
            "join",
            (Synapse(Identity(), "conv"), Synapse(Identity(), "x")),
            fires,
            type,
            Mapping(out_lanes=2, synapses=one * 2),
        ),
        Node(
            "end",
            (Synapse(Linear(frozen(np.ones((1, 72)), np.int64)), "join"),),
            fires,
            SpikeType((1,), steps, 1),
            Mapping(synapses=one),
        ),
    )
    source = Input("x", type, lanes=2)
    return verify(Graph(Stage.MAPPED, (source,), nodes, (Output("end", Readout.COUNT),), window))


def run_residual(graph: Graph, limit_cycles: int = 4_000) -> None:
    type = graph.inputs[0].type
    x = np.random.default_rng(0).integers(0, 2, (2, type.steps, *type.shape))
    check_core(graph, x, limit_cycles=limit_cycles)


@pytest.mark.parametrize(("steps", "window", "kernel"), [(1, 1, 3), (2, 1, 5), (2, 2, 3)])
@pytest.mark.parametrize("share", [0, 8], ids=["no_queue", "an_eighth"])
def test_without_its_queue_a_join_deadlocks(monkeypatch, share, steps, window, kernel):
    """The property notices queues that are missing or too short."""
    graph = residual(steps, window, kernel)
    run_residual(graph)
    right = core.edge_queue_words
    monkeypatch.setattr(
        core, "edge_queue_words", lambda *found: right(*found) // share if share else 0
    )
    with pytest.raises(AssertionError, match="not finished after 4000 cycles"):
        run_residual(graph)


def test_a_queue_stands_before_every_join_and_nowhere_else():
    graph = residual(2, 1, 3)
    depth = {
        (node.name, index): core.edge_queue_words(graph, node, index, 2)
        for node in graph.nodes
        for index in range(len(node.synapses))
    }
    assert depth == {("conv", 0): 0, ("join", 0): 36, ("join", 1): 36, ("end", 0): 0}
