from __future__ import annotations

import numpy as np
import pytest

from e3ne.ir import (
    Array,
    Conv2d,
    Graph,
    Input,
    IntegrateFire,
    Linear,
    MaxPool2d,
    Node,
    Op,
    Output,
    Readout,
    Relay,
    Requantize,
    SpikeType,
    Stage,
    Synapse,
    frozen,
)
from e3ne.ir.fan_out import fan_out
from e3ne.reference import op_currents, run
from e3ne.report import Activity
from e3ne.report.activity import count_spikes, dense_operations


def ones(shape: tuple[int, ...]) -> Array:
    return frozen(np.ones(shape), np.int64)


@pytest.mark.parametrize(
    ("op", "source"),
    [
        (Linear(ones((5, 12))), (3, 2, 2)),
        (Conv2d(ones((4, 3, 3, 3))), (3, 5, 6)),
        (Conv2d(ones((4, 3, 3, 2)), stride=(2, 1), padding=(1, 1)), (3, 7, 6)),
        (Conv2d(ones((4, 1, 2, 3)), dilation=(2, 2), padding=(0, 2), groups=2), (2, 6, 5)),
    ],
)
def test_fan_out_equals_the_gradient_of_a_sum_of_ones(op: Op, source: tuple[int, ...]) -> None:
    reach = fan_out(op, source)
    assert reach is not None
    for index in np.ndindex(*source):
        impulse = np.zeros((1, 1, *source), np.int64)
        impulse[0, 0][index] = 1
        assert op_currents(op, impulse).sum() == reach[index]


def test_pooling_has_no_synaptic_operations() -> None:
    assert fan_out(MaxPool2d((2, 2), (2, 2)), (1, 4, 4)) is None


@pytest.mark.parametrize(
    ("type", "value", "spikes"),
    [
        (SpikeType((1,), 1, 4), 11, 3),
        (SpikeType((1,), 3, 1), 1, 1),
        (SpikeType((1,), 1, 5, True), -9, 1),
        (SpikeType((1,), 1, 4), 0, 0),
    ],
)
def test_spikes_are_the_ones_of_a_train(type: SpikeType, value: int, spikes: int) -> None:
    assert count_spikes(np.array([[[value]]]), type) == spikes


def network() -> Graph:
    fire = IntegrateFire(threshold=2, membrane_bits=8)
    return Graph(
        Stage.INTEGER,
        (Input("x", SpikeType((4,), 3, 1)),),
        (
            Node("hidden", (Synapse(Linear(ones((3, 4))), "x"),), fire, SpikeType((3,), 3, 1)),
            Node(
                "scores",
                (Synapse(Linear(ones((2, 3))), "hidden"),),
                Relay(),
                SpikeType((2,), 3, 4, True),
            ),
        ),
        (Output("scores", Readout.COUNT),),
    )


def test_counts_of_a_spiking_network() -> None:
    graph = network()
    x = np.zeros((2, 3, 4), np.int64)
    x[0, 0, :3] = 1  # three input spikes in one of two frames: 9 operations
    activity = Activity(graph)
    values = run(graph, x)
    activity.add(values)
    hidden = activity.summary()["hidden"]
    assert hidden["synaptic_ops_effective"] == 4.5
    assert hidden["synaptic_ops_dense"] == 3 * 4 * 3
    assert hidden["spikes_per_frame"] == values["hidden"].sum() / 2
    assert activity.summary()["scores"]["synaptic_ops_effective"] == values["hidden"].sum()
    assert activity.proxies()["synaptic_ops_dense"] == 36 + 18


def test_chunks_add_up() -> None:
    graph = network()
    x = np.random.default_rng(0).integers(0, 2, (10, 3, 4))
    whole, parts = Activity(graph), Activity(graph)
    whole.add(run(graph, x))
    parts.add(run(graph, x[:3]))
    parts.add(run(graph, x[3:]))
    assert whole.summary() == parts.summary()


def test_lenet5_has_the_operations_that_its_authors_count() -> None:
    """416,520 multiply-accumulates for 1x32x32: 6C5-P2-16C5-P2-120C5-84-10."""
    shapes: list[tuple[str, Op, tuple[int, ...]]] = [
        ("c1", Conv2d(ones((6, 1, 5, 5))), (6, 28, 28)),
        ("p1", MaxPool2d((2, 2), (2, 2)), (6, 14, 14)),
        ("c2", Conv2d(ones((16, 6, 5, 5))), (16, 10, 10)),
        ("p2", MaxPool2d((2, 2), (2, 2)), (16, 5, 5)),
        ("c3", Conv2d(ones((120, 16, 5, 5))), (120, 1, 1)),
        ("f1", Linear(ones((84, 120))), (84,)),
        ("f2", Linear(ones((10, 84))), (10,)),
    ]
    nodes, before = [], "x"
    for name, op, shape in shapes:
        neuron = Relay() if isinstance(op, MaxPool2d) else Requantize(1, 4)
        nodes.append(Node(name, (Synapse(op, before),), neuron, SpikeType(shape, 1, 4)))
        before = name
    graph = Graph(
        Stage.INTEGER,
        (Input("x", SpikeType((1, 32, 32), 1, 4)),),
        tuple(nodes),
        (Output("f2", Readout.LAST),),
    )
    assert sum(dense_operations(graph, node.name) for node in graph.nodes) == 416_520


def test_no_frames_is_an_error() -> None:
    with pytest.raises(ValueError, match="found no frames"):
        Activity(network()).summary()
