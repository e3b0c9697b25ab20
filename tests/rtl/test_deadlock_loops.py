"""No stall pattern deadlocks feedback and delayed branches; with less room one does."""

from __future__ import annotations

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
    Node,
    Op,
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    SynapseMapping,
    frozen,
    verify,
)
from tests.strategies import draw_frames, draw_layout, weights, with_feedback

from .core_runs import check_core
from .mutations import Mutation, mutated
from .test_deadlock import STALLS

FIRE = IntegrateFire(3, ONE, ONE, reset_step="same", membrane_bits=12)


@st.composite
def looped_graphs(draw: Any) -> Graph:
    """Images through convolutions, delayed branches and one to three loops; windows of a step.

    Some read one image for all steps, which is replayed for each of them.
    """
    shape = draw(st.sampled_from([(1, 4, 4), (2, 4, 3), (1, 5, 4)]))
    type = SpikeType(shape, draw(st.sampled_from([2, 3])), 1)
    graph = Graph(Stage.INTEGER, (Input("input", type),), (), ())
    names = ["input"]
    for index in range(draw(st.integers(2, 4))):
        synapses = [Synapse(conv(draw, shape[0]), names[-1], draw(st.sampled_from([0, 0, 1])))]
        for _ in range(draw(st.integers(0, 2))):
            op: Op = Identity() if draw(st.booleans()) else conv(draw, shape[0])
            delay = draw(st.sampled_from([0, 1, 1, 2, 4]))
            synapses.append(Synapse(op, draw(st.sampled_from(names)), delay))
        node = Node(f"n{index}", tuple(draw(st.permutations(synapses))), FIRE, type)
        names.append(node.name)
        graph = graph.with_nodes([*graph.nodes, node])
    end = Synapse(Linear(weights(draw, (3, type.neurons))), names[-1])
    last = Node("end", (end,), FIRE, SpikeType((3,), type.steps, 1))
    graph = graph.with_nodes([*graph.nodes, last])
    graph = replace(graph, outputs=(Output("end", Readout.COUNT),))
    graph = with_feedback(draw, graph)
    if draw(st.booleans()):
        graph = with_one_image(graph, conv(draw, shape[0]) if draw(st.booleans()) else Identity())
    return draw_layout(draw, verify(graph), loops=True)


def with_one_image(graph: Graph, op: Op) -> Graph:
    """The same network, whose input is one image: the node "again" sends it in every step."""
    (entry,) = graph.inputs
    nodes = [
        replace(
            node,
            synapses=tuple(
                replace(synapse, source="again") if synapse.source == entry.name else synapse
                for synapse in node.synapses
            ),
        )
        for node in graph.nodes
    ]
    again = Node("again", (Synapse(op, entry.name),), FIRE, entry.type)
    graph = graph.with_nodes([again, *nodes])
    return replace(graph, inputs=(replace(entry, type=replace(entry.type, steps=1)),))


def conv(draw: Any, channels: int) -> Conv2d:
    size = draw(st.sampled_from([1, 3, 5]))
    return Conv2d(
        weights(draw, (channels, channels, size, size)), None, (1, 1), (size // 2, size // 2)
    )


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate,),
)
@given(st.data())
def test_no_stall_pattern_deadlocks_feedback(data):
    graph = data.draw(looped_graphs())
    x = draw_frames(data.draw, graph, 2)
    awake = data.draw(st.sampled_from(STALLS))
    pauses = data.draw(st.sampled_from([(0.0, 0.0), (0.0, 0.8), (0.8, 0.0)]))
    seed = data.draw(st.integers(0, 1000))
    check_core(graph, x, pauses, seed, awake=awake, limit_cycles=20_000)


# --------------------------------------------------------------------------- the broken twins

STEPS = 4
IMAGE = SpikeType((2, 6, 6), STEPS, 1)


def network(*nodes: Node) -> Graph:
    """The nodes, of any layout, and a small readout behind the last one."""
    end = Synapse(Linear(frozen(np.ones((1, 72)), np.int64)), nodes[-1].name)
    last = Node("end", (end,), FIRE, SpikeType((1,), STEPS, 1))
    laid = [
        replace(
            node,
            mapping=Mapping(
                out_lanes=min(2, node.type.channels),
                synapses=tuple(
                    SynapseMapping(in_lanes(synapse.op), 1) for synapse in node.synapses
                ),
            ),
        )
        for node in (*nodes, last)
    ]
    source = Input("x", IMAGE, lanes=2)
    return verify(Graph(Stage.MAPPED, (source,), tuple(laid), (Output("end", Readout.COUNT),), 1))


def in_lanes(op: Op) -> int:
    """A whole patch at once, so that a step takes few cycles."""
    return op.weight[0].size if isinstance(op, Conv2d) else 2


def same(kernel: int) -> Conv2d:
    weight = frozen(np.ones((2, 2, kernel, kernel)), np.int64)
    return Conv2d(weight, None, (1, 1), (kernel // 2, kernel // 2))


def delayed_branch() -> Graph:
    """A join waits for a convolution that needs rows of this step; a branch brings the last one."""
    return network(
        Node("conv", (Synapse(same(5), "x"),), FIRE, IMAGE),
        Node("join", (Synapse(Identity(), "conv"), Synapse(Identity(), "x", 1)), FIRE, IMAGE),
    )


def loop_of_two() -> Graph:
    """`a` reads `b` of the step before; `b` reads `a` through a convolution."""
    return network(
        Node("a", (Synapse(Identity(), "x"), Synapse(same(3), "b", 1)), FIRE, IMAGE),
        Node("b", (Synapse(same(5), "a"), Synapse(Identity(), "a")), FIRE, IMAGE),
    )


def loop_through_a_relay() -> Graph:
    """The relay of the step before stands first; `a` reads it as well as its convolution."""
    back = Synapse(Identity(), "b", 1)
    return network(
        Node("relay", (back,), Relay(), IMAGE),
        Node("a", (Synapse(same(5), "relay"), Synapse(Identity(), "relay")), FIRE, IMAGE),
        Node("b", (Synapse(Identity(), "a"), Synapse(same(3), "x")), FIRE, IMAGE),
    )


NETWORKS = [delayed_branch, loop_of_two, loop_through_a_relay]


def run(graph: Graph, limit_cycles: int = 4_000) -> None:
    x = np.random.default_rng(0).integers(0, 2, (2, STEPS, *IMAGE.shape))
    check_core(graph, x, limit_cycles=limit_cycles)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_networks_run(network):
    run(network())


@pytest.mark.parametrize("held", ["delay_steps", "1"])
def test_a_delay_that_holds_no_step_more_deadlocks(held):
    """The property notices a Delay whose queue is one step short."""
    shorter = Mutation("delays", "words_per_step * (delay_steps + 1)", f"words_per_step * {held}")
    with mutated(shorter), pytest.raises(AssertionError, match="not finished after 4000 cycles"):
        run(delayed_branch())


@pytest.mark.parametrize("network", [loop_of_two, loop_through_a_relay])
@pytest.mark.parametrize("share", [0, 8], ids=["no_queue", "an_eighth"])
def test_without_its_queue_a_join_in_a_loop_deadlocks(monkeypatch, network, share):
    right = core.edge_queue_words
    monkeypatch.setattr(
        core, "edge_queue_words", lambda *found: right(*found) // share if share else 0
    )
    with pytest.raises(AssertionError, match="not finished after 4000 cycles"):
        run(network())


def test_silence_that_waits_for_its_train_deadlocks_a_loop():
    """A Delay that sends nothing before it gets something is no start for a loop."""
    late = Mutation("delays", "(silent | queue.o.valid)", "(silent & self.i.valid | queue.o.valid)")
    with mutated(late), pytest.raises(AssertionError, match="not finished after 4000 cycles"):
        run(loop_of_two())


@pytest.mark.parametrize("delay", [1, STEPS, STEPS + 3])
def test_a_delayed_population_sends_no_frame_that_never_came(delay):
    """Nothing but delays before it, even ones of whole frames: as many frames as the input has."""
    graph = network(
        Node("a", (Synapse(Identity(), "x", delay),), FIRE, IMAGE),
        Node("b", (Synapse(Identity(), "a", STEPS),), FIRE, IMAGE),
    )
    run(graph)
    ungated = Mutation("delays", "~first | (pending != 0)", "1")
    with mutated(ungated), pytest.raises(AssertionError, match="a word too many"):
        run(graph)


def test_a_loop_that_no_input_reaches_keeps_step_with_the_frames():
    biased = Conv2d(same(3).weight, frozen([2, 3], np.int64), (1, 1), (1, 1))
    run(
        network(
            Node("a", (Synapse(biased, "b", 1),), FIRE, IMAGE),
            Node("b", (Synapse(Identity(), "a"),), FIRE, IMAGE),
            Node("join", (Synapse(Identity(), "x"), Synapse(Identity(), "b")), FIRE, IMAGE),
        )
    )
