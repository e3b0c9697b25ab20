"""The verifier: each rule has a legal twin that passes and a graph that breaks it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from e3ne.ir import (
    ONE,
    ChannelAffine,
    Conv2d,
    Graph,
    Identity,
    Input,
    Integrate,
    IntegrateFire,
    Linear,
    MaxPool2d,
    Neuron,
    Node,
    Op,
    Output,
    Readout,
    Rectify,
    Relay,
    Requantize,
    SpikeType,
    Stage,
    SumPool2d,
    Synapse,
    UnsupportedModel,
    Upsample2d,
    frozen,
    verify,
)

IMAGE = SpikeType((2, 4, 4), 3, 2)
FLAT = SpikeType((4,), 3, 2)
WEIGHT = frozen([[1, 0, -1, 2]] * 4, np.int64)
FIRE = IntegrateFire(5, ONE, ONE, membrane_bits=8)
WATCHED = replace(FIRE, sends="membrane")


def lone(
    op: Op, neuron: Neuron, source: SpikeType, type: SpikeType, stage: Stage = Stage.INTEGER
) -> Graph:
    node = Node("n", (Synapse(op, "x"),), neuron, type)
    return Graph(stage, (Input("x", source),), (node,), (Output("n", Readout.LAST),))


def legal() -> Graph:
    """A recurrent spiking layer and a readout."""
    nodes = (
        Node(
            "fc1",
            (Synapse(Linear(WEIGHT), "x"), Synapse(Linear(WEIGHT), "fc1", delay=1)),
            FIRE,
            SpikeType((4,), 3, 1),
        ),
        Node("fc2", (Synapse(Linear(WEIGHT), "fc1"),), Relay(), SpikeType((4,), 3, 4, True)),
    )
    return Graph(Stage.INTEGER, (Input("x", FLAT),), nodes, (Output("fc2", Readout.COUNT),))


def problems(graph: Graph) -> tuple[str, ...]:
    with pytest.raises(UnsupportedModel) as found:
        verify(graph)
    return found.value.problems


def test_a_legal_graph_comes_back() -> None:
    graph = legal()
    assert verify(graph) is graph


def test_every_problem_is_listed_at_once() -> None:
    graph = legal()
    first, second = graph.nodes
    broken = graph.with_nodes(
        [
            replace(first, neuron=replace(FIRE, membrane_bits=1)),
            replace(second, type=SpikeType((3,), 3, 5, True)),
        ]
    )
    found = problems(broken)
    assert len(found) == 2
    assert found[0].startswith("fc1: found membrane_bits=1")
    assert found[1].startswith("fc2: Linear from fc1: found currents of shape (4,)")


def with_node(index: int, **changes: Any) -> Graph:
    graph = legal()
    nodes = list(graph.nodes)
    nodes[index] = replace(nodes[index], **changes)
    return graph.with_nodes(nodes)


STRUCTURES = [
    (with_node(1, name="fc1"), "fc1: found two nodes or inputs of this name"),
    (replace(legal(), outputs=()), "graph: found no inputs, nodes or outputs"),
    (
        with_node(0, synapses=(Synapse(Linear(WEIGHT), "fc1", delay=1),)),
        "fc1: found no synapse from another population",
    ),
    (
        with_node(0, synapses=(Synapse(Linear(WEIGHT), "x"), Synapse(Linear(WEIGHT), "fc1"))),
        "fc1: found fc1 as source without delay, accepted delay >= 1",
    ),
    (
        with_node(0, synapses=(Synapse(Linear(WEIGHT), "fc2"),)),
        "fc1: found fc2 as source without delay, accepted delay >= 1",
    ),
    (with_node(0, synapses=(Synapse(Linear(WEIGHT), "fc9"),)), "fc1: found source fc9"),
    (with_node(1, synapses=(Synapse(Linear(WEIGHT), "fc1", delay=-1),)), "fc2: found delay -1"),
    (
        replace(legal(), outputs=(Output("fc9", Readout.LAST),)),
        "output fc9: found no such node",
    ),
]


@pytest.mark.parametrize(("graph", "words"), STRUCTURES, ids=[words for _, words in STRUCTURES])
def test_structure(graph: Graph, words: str) -> None:
    assert any(problem.startswith(words) for problem in problems(graph))


SIGNED = SpikeType((2, 4, 4), 3, 3, True)
POOLED = SpikeType((2, 3, 3), 3, 3, True)
REAL = SpikeType((4,), 1)
REAL_WEIGHT = frozen(WEIGHT, np.float32)

NODES = [
    (lone(Linear(WEIGHT), FIRE, SpikeType((5,), 3, 1), FLAT), "Linear from x: found a source"),
    (
        lone(MaxPool2d((2, 2), (2, 2), (1, 1)), Relay(), SIGNED, POOLED),
        "found max pooling with padding over signed values",
    ),
    (
        lone(SumPool2d((2, 2), (2, 2), (2, 2)), Relay(), IMAGE, SpikeType((2, 4, 4), 3, 4)),
        "found pool padding (2, 2), accepted at most half of the kernel (2, 2)",
    ),
    (
        lone(Conv2d(frozen(np.ones((2, 2, 5, 5)), np.int64)), FIRE, IMAGE, SpikeType((2, 1, 1))),
        "Conv2d from x: found a source of shape (2, 4, 4), smaller than the kernel",
    ),
    (lone(Identity(), FIRE, FLAT, SpikeType((4,), 2, 1)), "found 3 input steps and 2 output"),
    (lone(Identity(), Requantize(1, 0), FLAT, FLAT), "found Requantize with 3 steps, accepted 1"),
    (
        lone(Identity(), Relay(), FLAT, SpikeType((4,), 3, 1)),
        "found sums 0 .. 3 on an edge of 0 .. 1, accepted an edge wide enough",
    ),
    (lone(Linear(REAL_WEIGHT), FIRE, FLAT, FLAT), "Linear.weight: found dtype float32 in stage"),
    (lone(Linear(np.array(WEIGHT)), FIRE, FLAT, FLAT), "Linear.weight: found a writeable array"),
    (
        lone(
            Linear(frozen(np.where(WEIGHT == 2, np.nan, WEIGHT), np.float32)),
            Relay(),
            REAL,
            REAL,
            Stage.FLOAT,
        ),
        "Linear.weight: found NaN or infinite values, accepted finite ones; check training",
    ),
    (
        lone(Identity(), IntegrateFire(float("inf")), REAL, REAL, Stage.FLOAT),
        "IntegrateFire.threshold: found NaN or infinite values",
    ),
    (
        lone(Identity(), replace(FIRE, threshold=frozen([5, 6], np.int64)), FLAT, FLAT),
        "IntegrateFire.threshold: found shape (2,), accepted a scalar, one value a channel (4,) "
        "or one a neuron (4,)",
    ),
    (lone(Identity(), Rectify(), FLAT, FLAT), "found Rectify, which has no meaning in stage int"),
    (
        lone(Identity(), Requantize(1, 0), REAL, REAL, Stage.FLOAT),
        "found Requantize, which has no meaning in stage float",
    ),
    (lone(Identity(), FIRE, FLAT, SpikeType((4,), 3)), "found bits=0 in stage integer"),
    (lone(Identity(), FIRE, FLAT, FLAT, Stage.FLOAT), "found bits=2 in stage float"),
    (
        lone(ChannelAffine(frozen([1], np.int64), frozen([0], np.int64)), FIRE, FLAT, FLAT),
        "found ChannelAffine of reals after the integer line",
    ),
    (
        lone(SumPool2d((2, 2), (2, 2), divisor=4), Relay(), IMAGE, SpikeType((2, 2, 2), 3, 4)),
        "found SumPool2d of reals after the integer line",
    ),
    (lone(Identity(), replace(FIRE, threshold=0), FLAT, FLAT), "found a threshold <= 0"),
    (lone(Identity(), replace(FIRE, max_spikes=0), FLAT, FLAT), "found max_spikes=0, accepted 1"),
    (
        lone(Identity(), replace(FIRE, reset_step="both", reset="none"), FLAT, FLAT),
        "found reset_step 'both' with another reset than subtract",
    ),
    (
        lone(Identity(), replace(FIRE, max_spikes=4), FLAT, FLAT),
        "found max_spikes=4 on an edge of at most 3",
    ),
    (
        lone(Identity(), replace(FIRE, threshold=128), FLAT, FLAT),
        "found a threshold 128 that no membrane of 8 bits reaches",
    ),
    (
        lone(Identity(), replace(FIRE, reset="to_value", reset_value=-129), FLAT, FLAT),
        "found reset_value=-129 outside of the membrane (-128, 127)",
    ),
    (lone(Identity(), replace(FIRE, floor=1), FLAT, FLAT), "found floor=1, accepted -128 .. 0"),
    (
        lone(Identity(), Integrate(ONE, ONE, membrane_bits=8), FLAT, SpikeType((4,), 3, 7, True)),
        "narrower than the membrane of 8 bits",
    ),
    (
        lone(Identity(), WATCHED, FLAT, SpikeType((4,), 3, 8)),
        "narrower than the membrane of 8 bits",
    ),
    (
        lone(Identity(), WATCHED, FLAT, SpikeType((4,), 3, 7, True)),
        "narrower than the membrane of 8 bits",
    ),
    (
        lone(Identity(), replace(FIRE, max_spikes=None), FLAT, FLAT),
        "found no limit of spikes after the integer line, accepted max_spikes >= 1",
    ),
    (
        lone(Upsample2d((2, 2), crop=(0, 2)), Relay(), IMAGE, SpikeType((2, 8, 6), 3, 2)),
        "found crop (0, 2), accepted 0 or more, below the factor (2, 2)",
    ),
    (
        lone(Upsample2d((2, 2)), Relay(), FLAT, SpikeType((4,), 3, 2)),
        "Upsample2d from x: found a source of shape (4,), accepted (channels, rows, columns)",
    ),
]


@pytest.mark.parametrize(("graph", "words"), NODES, ids=[words for _, words in NODES])
def test_nodes(graph: Graph, words: str) -> None:
    found = problems(graph)
    assert any(words in problem for problem in found), found
    assert all(problem.startswith("n: ") for problem in found)


def test_sources_of_unequal_steps() -> None:
    graph = lone(Identity(), FIRE, FLAT, FLAT)
    inputs = (*graph.inputs, Input("y", SpikeType((4,), 1, 1)))
    node = graph.nodes[0]
    node = replace(node, synapses=(*node.synapses, Synapse(Identity(), "y")))
    found = problems(replace(graph, inputs=inputs, nodes=(node,)))
    assert found == ("n: found sources of [1, 3] steps, accepted equal steps on every synapse",)


def test_a_delay_where_steps_change_has_no_meaning() -> None:
    graph = lone(Identity(), Relay(), FLAT, SpikeType((4,), 1, 6))
    node = graph.nodes[0]
    delayed = replace(node, synapses=(Synapse(Identity(), "x", delay=1),))
    assert problems(graph.with_nodes([delayed])) == (
        "n: found a delayed synapse on a node that changes steps, accepted equal steps",
    )


LEGAL = [
    lone(Identity(), WATCHED, FLAT, SpikeType((4,), 3, 8, True)),
    lone(Upsample2d((2, 2), crop=(0, 1)), Relay(), IMAGE, SpikeType((2, 8, 7), 3, 2)),
    lone(Identity(), IntegrateFire(1.0, max_spikes=None), REAL, REAL, Stage.FLOAT),
    lone(Identity(), replace(FIRE, threshold=frozen([5, 6], np.int64)), IMAGE, IMAGE),
    lone(
        Identity(), replace(FIRE, threshold=frozen(np.full((2, 4, 4), 5), np.int64)), IMAGE, IMAGE
    ),
]


@pytest.mark.parametrize("graph", LEGAL, ids=[str(g.nodes[0].neuron)[:40] for g in LEGAL])
def test_legal_nodes(graph: Graph) -> None:
    assert verify(graph) is graph


def loop(*steps: int) -> Graph:
    """x -> a -> b -> ..., and the last one back to `a`: trains of the given steps."""
    names = [f"n{index}" for index in range(len(steps))]
    nodes = []
    for name, before, count in zip(names, [names[-1], *names], steps, strict=False):
        synapses = [Synapse(Linear(WEIGHT), before, delay=int(name == names[0]))]
        if name == names[0]:
            synapses.append(Synapse(Identity(), "x"))
        nodes.append(Node(name, tuple(synapses), FIRE, SpikeType((4,), count, 1)))
    source = Input("x", SpikeType((4,), steps[0], 2))
    return Graph(Stage.INTEGER, (source,), tuple(nodes), (Output(names[-1], Readout.LAST),))


def test_feedback_over_several_nodes_is_legal() -> None:
    for count in (1, 2, 3):
        assert verify(loop(*(5,) * count))


def test_the_steps_of_a_loop_are_equal() -> None:
    # From 5 steps to 1 and back: each node of it would be legal.
    assert problems(loop(5, 1, 5)) == (
        "n0: found a loop over n0, n1, n2 of [1, 5] steps, accepted equal steps all around it",
    )


def test_a_relay_cannot_feed_itself() -> None:
    """Its sums would grow at every step: no edge is wide enough."""
    graph = lone(Identity(), Relay(), FLAT, SpikeType((4,), 3, 6))
    node = graph.nodes[0]
    fed = replace(node, synapses=(*node.synapses, Synapse(Identity(), "n", delay=1)))
    assert problems(graph.with_nodes([fed])) == (
        "n: found sums 0 .. 66 on an edge of 0 .. 63, accepted an edge wide enough for every sum",
    )
