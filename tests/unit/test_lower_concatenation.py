"""Concatenations and slices: folded into the weights that read them, or left as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from e3ne import reference
from e3ne.ir import (
    ChannelAffine,
    Conv2d,
    Flatten,
    Graph,
    Identity,
    Input,
    Integrate,
    IntegrateFire,
    Linear,
    Node,
    Op,
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    Upsample2d,
    frozen,
    op_shape,
    verify,
)
from e3ne.lower import lower, simplify
from e3ne.lower.compose_selections import compose_selections
from e3ne.lower.context import Context
from e3ne.lower.fold_concatenation import fold_concatenation
from tests.unit.lower_graphs import (
    add,
    assert_same,
    conv,
    linear,
    max_pool,
    names,
    norm,
    real,
    then,
)

STEPS = 5
A, B = (2, 4, 4), (3, 4, 4)
SPIKES = [np.random.default_rng(k).integers(0, 2, (3, STEPS, *s)) for k, s in enumerate((A, B))]


def picks(outs: int, channels: dict[int, int], ins: int, image: bool = True) -> Linear | Conv2d:
    """Output channel -> channel of the source; the others get nothing."""
    weight = np.zeros((outs, ins), np.float32)
    for out, source in channels.items():
        weight[out, source] = 1
    matrix = weight[:, :, None, None] if image else weight
    return Conv2d(frozen(matrix, np.float32)) if image else Linear(frozen(matrix, np.float32))


def joined(*layers: Op | IntegrateFire | Integrate, delays: tuple[int, int] = (0, 0)) -> Graph:
    """cat([a, b], channels), then layer after layer."""
    parts = (
        Synapse(picks(5, {0: 0, 1: 1}, 2), "a", delays[0]),
        Synapse(picks(5, {2: 0, 3: 1, 4: 2}, 3), "b", delays[1]),
    )
    inputs = (Input("a", SpikeType(A, STEPS)), Input("b", SpikeType(B, STEPS)))
    nodes = [Node("cat", parts, Relay(), SpikeType((5, 4, 4), STEPS))]
    for number, layer in enumerate(layers):
        before = nodes[-1]
        op: Op = Identity() if isinstance(layer, IntegrateFire | Integrate) else layer
        neuron = layer if isinstance(layer, IntegrateFire | Integrate) else Relay()
        shape = op_shape(op, before.type.shape)
        type = SpikeType(shape, STEPS)
        nodes.append(Node(f"{number}", (Synapse(op, before.name),), neuron, type))
    outputs = (Output(nodes[-1].name, Readout.LAST),)
    return verify(Graph(Stage.FLOAT, inputs, tuple(nodes), outputs))


def same(before: Graph, after: Graph) -> None:
    """The same trains leave both networks, for the spikes of both inputs."""
    verify(after)
    wanted = reference.run(before, *map(np.float64, SPIKES))[before.outputs[0].source]
    found = reference.run(after, *map(np.float64, SPIKES))[after.outputs[0].source]
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert np.abs(wanted).max() > 0, "the case compares nothing but silence"


THETA = IntegrateFire(frozen(np.linspace(0.3, 0.9, 5), np.float32), 0.5)
FOLDED: dict[str, tuple[list[Any], list[str]]] = {
    "conv": ([conv(4, 5, padding=(1, 1))], ["0"]),
    "two outputs a group": ([Conv2d(real(10, 1, 3, 3), groups=5), conv(2, 10, 1)], []),
    "depthwise, then conv": (
        [Conv2d(real(5, 1, 3, 3), real(5), groups=5), conv(2, 5, 1)],
        ["0.0", "0.1", "1"],
    ),
    "linear through flatten": ([Flatten(), linear(3, 80)], ["0.0", "0.1", "1"]),
    "pool, upsample, conv": (
        [max_pool(), Upsample2d((2, 2)), conv(4, 5)],
        ["0.0", "0.1", "1.0", "1.1", "2"],
    ),
    "neurons a channel": ([THETA, conv(4, 5)], ["0.0", "0.1", "1"]),
    "batch norm": ([norm(5), conv(4, 5)], ["0.0", "0.1", "1"]),
    "twice": ([picks(6, {k: 4 - k for k in range(5)}, 5), conv(4, 6)], ["1"]),
}


@pytest.mark.parametrize("name", FOLDED)
@pytest.mark.parametrize("delays", [(0, 0), (1, 0), (2, 1)])
def test_a_concatenation_disappears_in_the_weights(name: str, delays: tuple[int, int]) -> None:
    layers, wanted = FOLDED[name]
    graph = joined(*layers, delays=delays)
    after = fold_concatenation(graph, Context())
    assert names(after) == (wanted or names(graph))
    same(graph, after)
    same(graph, simplify(graph))


def test_a_late_reader_hears_each_part_late() -> None:
    graph = joined(conv(4, 5), delays=(0, 1))
    first = graph.node("0")
    late = replace(first, synapses=(replace(first.synapses[0], delay=2),))
    graph = verify(graph.with_nodes([graph.node("cat"), late]))
    after = fold_concatenation(graph, Context())
    assert [synapse.delay for synapse in after.node("0").synapses] == [2, 3]
    same(graph, after)


def test_a_concatenation_that_leaves_the_network_stays() -> None:
    graph = joined(conv(4, 5))
    graph = replace(graph, outputs=(Output("cat", Readout.COUNT), *graph.outputs))
    assert fold_concatenation(graph, Context()).nodes == graph.nodes
    same(graph, simplify(graph))


def test_groups_are_made_dense() -> None:
    layers = [Conv2d(real(2, 2, 3, 3), real(2), groups=2)]
    graph = joined(picks(4, {0: 4, 1: 0, 2: 2, 3: 1}, 5), *layers)
    after = fold_concatenation(graph, Context())
    assert names(after) == ["1"]
    assert [s.op.groups for s in after.node("1").synapses] == [1, 1]  # type: ignore[union-attr]
    same(graph, after)


def test_the_bias_counts_once() -> None:
    after = fold_concatenation(joined(conv(4, 5)), Context())
    ops = [synapse.op for synapse in after.node("0").synapses]
    assert [op.bias is None for op in ops] == [False, True]  # type: ignore[union-attr]


def test_parameters_go_with_their_channels() -> None:
    after = fold_concatenation(joined(THETA, conv(4, 5)), Context())
    thresholds = [after.node(f"0.{k}").neuron.threshold.tolist() for k in (0, 1)]  # type: ignore[union-attr]
    assert thresholds[0] + thresholds[1] == THETA.threshold.tolist()  # type: ignore[union-attr]


def test_a_slice_becomes_columns_of_zeros() -> None:
    graph = joined(picks(2, {0: 1, 1: 4}, 5), conv(3, 2))
    after = fold_concatenation(graph, Context())
    assert names(after) == ["1"]
    first = after.node("1").synapses[0].op
    assert isinstance(first, Conv2d)
    assert not first.weight[:, 0].any()
    same(graph, after)


def test_readers_without_weights_keep_the_concatenation() -> None:
    leaves = joined(max_pool())
    summed = joined(conv(5, 5, 1))
    summed = add(summed, "sum", "0", "cat")
    recurrent = joined()
    type = recurrent.edge("cat")
    back = (Synapse(Identity(), "cat"), Synapse(Identity(), "lif", delay=1))
    recurrent = then(recurrent, Node("lif", back, IntegrateFire(0.4), type))
    recurrent = then(
        recurrent, Node("fc", (Synapse(linear(2, 80), "lif"),), Relay(), SpikeType((2,), STEPS))
    )
    for graph in (joined(), leaves, summed, recurrent):
        assert fold_concatenation(graph, Context()).nodes == graph.nodes
        same(graph, simplify(graph))


def test_what_stays_is_exact_and_one_bit_wide_enough() -> None:
    graph = joined()
    integer = lower(graph, [array.astype(float) for array in SPIKES])
    node = integer.node("cat")
    assert not node.type.signed
    assert node.scale == 1.0
    assert all(synapse.gain == 1 for synapse in node.synapses)
    sent = reference.run(integer, *SPIKES)["cat"]
    wanted = reference.run(graph, *map(np.float64, SPIKES))["cat"]
    np.testing.assert_array_equal(sent, wanted)


def test_a_vector_joined_with_its_own_spikes_of_before() -> None:
    """The recurrent container of a library: fc(cat([x, y_before])), then neurons."""
    x, y = SpikeType((3,), STEPS), SpikeType((2,), STEPS)
    parts = (
        Synapse(picks(5, {0: 0, 1: 1, 2: 2}, 3, image=False), "x"),
        Synapse(picks(5, {3: 0, 4: 1}, 2, image=False), "lif", delay=1),
    )
    cat = Node("cat", parts, Relay(), SpikeType((5,), STEPS))
    fc = Node("fc", (Synapse(linear(2, 5), "cat"),), Relay(), y)
    lif = Node("lif", (Synapse(Identity(), "fc"),), IntegrateFire(0.2, 0.9), y)
    outputs = (Output("lif", Readout.COUNT),)
    graph = verify(Graph(Stage.FLOAT, (Input("x", x),), (cat, fc, lif), outputs))
    after = simplify(graph)
    assert names(after) == ["fc"]
    assert [(s.source, s.delay) for s in after.node("fc").synapses] == [("x", 0), ("fc", 1)]
    assert_same(graph, after, np.random.default_rng(1).random((4, STEPS, 3)))


def test_a_shift_register_of_channels_is_left_alone() -> None:
    one, three = SpikeType((1,), STEPS), SpikeType((3,), STEPS)
    parts = (
        Synapse(picks(3, {0: 0}, 1, image=False), "x"),
        Synapse(picks(3, {1: 0, 2: 1}, 3, image=False), "line", delay=1),
    )
    nodes = (
        Node("line", parts, Relay(), three),
        Node("fc", (Synapse(linear(2, 3), "line"),), Relay(), SpikeType((2,), STEPS)),
    )
    outputs = (Output("fc", Readout.LAST),)
    graph = verify(Graph(Stage.FLOAT, (Input("x", one),), nodes, outputs))
    after = fold_concatenation(graph, Context())
    assert after.nodes == graph.nodes
    assert_same(graph, simplify(graph), np.random.default_rng(1).random((4, STEPS, 1)))


def test_an_affine_map_of_one_gain_passes() -> None:
    factor = ChannelAffine(frozen([0.5], np.float32), frozen([0.25], np.float32))
    graph = joined(factor, conv(2, 5))
    assert names(fold_concatenation(graph, Context())) == ["0.0", "0.1", "1"]
    assert names(simplify(graph)) == ["1"]
    same(graph, simplify(graph))


# ------------------------------------------------------------------------ compose_selections


def joined_currents(first: Op, second: Op, delay: int = 0) -> Graph:
    """lif(cat([first(a), second(b)])), which is the output."""
    inputs = (Input("a", SpikeType(A, STEPS)), Input("b", SpikeType(B, STEPS)))
    shapes = [op_shape(first, A), op_shape(second, B)]
    outs = shapes[0][0] + shapes[1][0]
    whole = SpikeType((outs, *shapes[0][1:]), STEPS)
    image = len(whole.shape) == 3
    places = (
        {k: k for k in range(shapes[0][0])},
        {shapes[0][0] + k: k for k in range(shapes[1][0])},
    )
    parts = (
        Synapse(picks(outs, places[0], shapes[0][0], image), "first", delay),
        Synapse(picks(outs, places[1], shapes[1][0], image), "second"),
    )
    nodes = (
        Node("first", (Synapse(first, "a"),), Relay(), SpikeType(shapes[0], STEPS)),
        Node("second", (Synapse(second, "b"),), Relay(), SpikeType(shapes[1], STEPS)),
        Node("cat", parts, Relay(), whole),
        Node("lif", (Synapse(Identity(), "cat"),), IntegrateFire(0.5, 0.9), whole),
    )
    return verify(Graph(Stage.FLOAT, inputs, nodes, (Output("lif", Readout.COUNT),)))


def test_joined_currents_are_one_population() -> None:
    graph = joined_currents(conv(3, 2, 1), conv(2, 3, 1))
    after = simplify(graph)
    assert names(after) == ["cat"]
    first, second = (synapse.op for synapse in after.node("cat").synapses)
    assert isinstance(first, Conv2d)
    assert isinstance(second, Conv2d)
    assert not first.weight[3:].any()
    assert not second.weight[:3].any()
    assert first.bias is not None
    assert not first.bias[3:].any()
    same(graph, after)


def test_zeros_that_cost_more_than_the_selection_are_not_made() -> None:
    graph = joined_currents(conv(1, 2, 3), conv(2, 3, 3))
    after = compose_selections(graph, Context())
    assert names(after) == names(graph)
    same(graph, simplify(graph))


def test_a_bias_in_front_of_a_delay_stays_where_it_is() -> None:
    graph = joined_currents(conv(3, 2, 1), conv(2, 3, 1), delay=1)
    after = compose_selections(graph, Context())
    assert names(after) == ["first", "cat", "lif"]
    same(graph, after)
    silent = joined_currents(Conv2d(real(3, 2, 1, 1)), conv(2, 3, 1), delay=1)
    after = compose_selections(silent, Context())
    assert names(after) == ["cat", "lif"]
    assert [s.delay for s in after.node("cat").synapses] == [1, 0]
    same(silent, after)


def test_currents_that_others_read_are_not_composed() -> None:
    graph = joined_currents(conv(3, 2, 1), conv(2, 3, 1))
    reader = Node("other", (Synapse(linear(2, 48), "first"),), Relay(), SpikeType((2,), STEPS))
    outputs = (*graph.outputs, Output("other", Readout.LAST))
    graph = Graph(graph.stage, graph.inputs, (*graph.nodes, reader), outputs)
    assert "first" in names(compose_selections(verify(graph), Context()))
    same(graph, simplify(graph))
