"""The passes before the integer line: what they make of a graph, and that it says the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from e3ne.ir import (
    Conv2d,
    Flatten,
    Graph,
    Identity,
    Input,
    IntegrateFire,
    Linear,
    MaxPool2d,
    Node,
    Output,
    Readout,
    Rectify,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    UnsupportedModel,
    frozen,
    verify,
)
from e3ne.lower import STRUCTURE, simplify
from e3ne.lower.absorb_flatten import absorb_flatten
from e3ne.lower.context import Context
from e3ne.lower.fuse_nodes import fuse, fuse_nodes
from e3ne.lower.move_rectify import move_rectify
from tests.unit.lower_graphs import (
    add,
    assert_same,
    average_pool,
    chain,
    conv,
    frames,
    linear,
    max_pool,
    names,
    norm,
    real,
    then,
)

FOLD_TOLERANCE = 2e-6  # folded weights are float32


# ---------------------------------------------------------------------------- absorb_flatten


def test_a_linear_reads_the_image() -> None:
    graph = chain((2, 6, 6), {"r": Rectify(), "flat": Flatten(), "fc": linear(5, 72)})
    after = absorb_flatten(graph, Context())
    assert names(after) == ["r", "fc"]
    assert after.node("fc").synapses[0].source == "r"
    assert_same(graph, after, frames(3, 2, 6, 6))


def test_neurons_behind_a_flatten_get_the_shape_of_the_image() -> None:
    theta = frozen(np.repeat([0.4, 0.8], 9), np.float32)
    layers = {
        "c": conv(2, 2, 4),
        "flat": Flatten(),
        "lif": IntegrateFire(theta, 0.5),
        "again": Flatten(),
        "fc": linear(5, 18),
    }
    graph = chain((2, 6, 6), layers, steps=6)
    after = absorb_flatten(graph, Context())
    assert names(after) == ["c", "lif", "fc"]
    assert after.node("lif").type == SpikeType((2, 3, 3), 6)
    assert after.node("lif").neuron.threshold.shape == (2,)  # type: ignore[union-attr]
    assert_same(graph, after, frames(3, 2, 6, 6))


def test_one_pixel_keeps_a_flatten_of_wires() -> None:
    graph = chain((4, 2, 2), {"p": average_pool(), "flat": Flatten(), "fc": linear(4, 4)})
    graph = add(graph, "sum", "flat", "fc")
    after = absorb_flatten(graph, Context())
    assert isinstance(after.node("sum").synapses[0].op, Flatten)
    assert after.node("sum").synapses[0].source == "p"
    assert_same(graph, after, frames(3, 4, 2, 2))


def test_one_pixel_may_leave_the_network_flat() -> None:
    graph = chain((4, 2, 2), {"p": average_pool(), "flat": Flatten()})
    after = absorb_flatten(graph, Context())
    assert names(after) == ["p", "flat"]
    assert_same(graph, after, frames(3, 4, 2, 2))


def test_neurons_behind_one_pixel_stay_flat() -> None:
    graph = chain((4, 2, 2), {"p": average_pool(), "flat": Flatten(), "r": Rectify(0.4)})
    after = absorb_flatten(graph, Context())
    assert after.node("r").type.shape == (4,)
    assert isinstance(after.node("r").synapses[0].op, Flatten)
    assert_same(graph, after, frames(3, 4, 2, 2))


def test_parameters_a_feature_become_one_a_neuron_of_the_image() -> None:
    theta = frozen(np.linspace(0.1, 0.9, 8), np.float32)
    layers = {"r": Rectify(), "flat": Flatten(), "lif": IntegrateFire(theta, 0.5)}
    graph = chain((2, 2, 2), {**layers, "fc": linear(3, 8)}, steps=3)
    after = absorb_flatten(graph, Context())
    assert after.node("lif").neuron.threshold.shape == (2, 2, 2)  # type: ignore[union-attr]
    assert_same(graph, after, frames(3, 2, 2, 2))


def test_a_flat_output_becomes_an_image_of_the_same_words() -> None:
    layers = {"r": Rectify(), "flat": Flatten(), "lif": IntegrateFire(0.3)}
    graph = chain((2, 2, 2), layers, steps=3)
    after = absorb_flatten(graph, Context())
    assert after.edge(after.outputs[0].source).shape == (2, 2, 2)
    assert_same(graph, after, frames(3, 2, 2, 2))


def test_an_image_beside_a_vector_is_reordered_by_weights() -> None:
    graph = chain((2, 2, 2), {"flat": Flatten(), "fc": linear(8, 8)})
    graph = add(graph, "sum", "flat", "fc")
    after = absorb_flatten(graph, Context())
    assert isinstance(after.node("sum").synapses[0].op, Linear)
    assert_same(graph, after, frames(3, 2, 2, 2))


def test_images_too_large_to_reorder() -> None:
    graph = chain((1, 33, 32), {"flat": Flatten(), "fc": linear(1056, 1056)})
    with pytest.raises(UnsupportedModel, match=r"sum: found Identity on a flattened image of sh"):
        absorb_flatten(add(graph, "sum", "flat", "fc"), Context())


def flat_loop(read: str) -> Graph:
    """Neurons of an image whose flattened spikes come back, through a later flatten."""
    shape = SpikeType((2, 2, 2), 4)
    lif = Node("lif", (Synapse(Identity(), "x"),), IntegrateFire(0.4, 0.8), shape)
    flat = Node("flat", (Synapse(Flatten(), read),), Relay(), SpikeType((8,), 4))
    late = Node("late", (Synapse(linear(8, 8), "flat", delay=1), Synapse(linear(8, 8), "x")),
                IntegrateFire(0.4, 0.8), SpikeType((8,), 4))  # fmt: skip
    source = Input("x", shape)
    nodes = (lif, late, flat) if read == "lif" else (lif, flat, late)
    return verify(Graph(Stage.FLOAT, (source,), nodes, (Output("late", Readout.LAST),)))


def test_a_flatten_that_stands_behind_its_reader() -> None:
    graph = flat_loop("lif")
    after = absorb_flatten(graph, Context())
    assert names(after) == ["lif", "late"]
    assert after.node("late").synapses[0].source == "lif"
    assert_same(graph, after, frames(3, 4, 2, 2, 2))


def test_neurons_that_read_themselves_behind_a_flatten() -> None:
    graph = chain((2, 2, 2), {"flat": Flatten()}, input_steps=4)
    synapses = (Synapse(Identity(), "flat"), Synapse(Identity(), "lif", delay=1))
    lif = Node("lif", synapses, IntegrateFire(0.4, 0.8), SpikeType((8,), 4))
    graph = then(
        then(graph, lif), Node("fc", (Synapse(linear(3, 8), "lif"),), Relay(), SpikeType((3,), 4))
    )
    after = absorb_flatten(graph, Context())
    assert after.node("lif").type.shape == (2, 2, 2)
    assert_same(graph, after, frames(3, 4, 2, 2, 2))


# ------------------------------------------------------------------------------ move_rectify


def test_a_relu_moves_in_front_of_the_max_pooling() -> None:
    layers = {"0": conv(3, 2), "1": max_pool(), "2": Rectify(), "3": conv(2, 3, 1)}
    graph = chain((2, 6, 6), layers)
    after = move_rectify(graph, Context())
    assert [(node.name, node.synapses[0].source) for node in after.nodes] == [
        ("0", "x"),
        ("2", "0"),
        ("1", "2"),
        ("3", "1"),
    ]
    assert_same(graph, after, frames(3, 2, 6, 6))
    assert names(simplify(graph)) == ["0", "1", "3"]


@pytest.mark.parametrize("bound", [None, 0.3])
def test_a_moved_relu_may_be_the_output(bound: float | None) -> None:
    graph = chain((2, 6, 6), {"0": conv(3, 2), "1": max_pool(), "2": Rectify(bound)})
    after = move_rectify(graph, Context())
    assert after.outputs == (Output("1", Readout.LAST),)
    assert_same(graph, after, frames(3, 2, 6, 6))


def test_a_relu_stays_behind_an_average_and_behind_shared_currents() -> None:
    graph = chain((2, 6, 6), {"0": conv(3, 2), "1": average_pool(), "2": Rectify()})
    assert move_rectify(graph, Context()).nodes == graph.nodes
    graph = chain((2, 6, 6), {"0": conv(3, 2), "1": max_pool(), "2": Rectify()})
    graph = add(graph, "sum", "2", "1")
    assert move_rectify(graph, Context()).nodes == graph.nodes
    graph = chain((2, 6, 6), {"0": Rectify(), "1": max_pool(), "2": Rectify(0.5)})
    assert move_rectify(graph, Context()).nodes == graph.nodes


# -------------------------------------------------------------------------------- fuse_nodes


def test_weights_and_neurons_become_one_node_of_the_weights_name() -> None:
    layers = {
        "0": conv(3, 2),
        "1": Rectify(),
        "2": max_pool(),
        "3": linear(5, 12),
        "lif": IntegrateFire(0.5, 0.9),
    }
    graph = chain((2, 6, 6), layers, steps=4)
    after = fuse_nodes(graph, Context())
    assert names(after) == ["0", "2", "3"]
    assert after.node("3").type == SpikeType((5,), 4)
    assert after.outputs == (Output("3", Readout.LAST),)
    assert_same(graph, after, frames(3, 2, 6, 6))


def test_a_residual_sum_becomes_one_node_of_several_synapses() -> None:
    graph = chain((2, 4, 4), {"c1": conv(2, 2, padding=(1, 1)), "r1": Rectify()})
    same = Node("c2", (Synapse(conv(2, 2, padding=(1, 1)), "r1"),), Relay(), graph.edge("r1"))
    graph = add(then(graph, same), "add", "c2", "r1")
    graph = then(graph, Node("r2", (Synapse(Identity(), "add"),), Rectify(), graph.edge("add")))
    after = fuse_nodes(graph, Context())
    assert names(after) == ["c1", "c2"]  # one synapse of c2 has weights, the other is a wire
    assert [type(s.op) for s in after.node("c2").synapses] == [Conv2d, Identity]
    assert_same(graph, after, frames(3, 2, 4, 4))


def test_two_weighted_synapses_take_the_name_of_the_neuron() -> None:
    graph = chain((2, 4, 4), {"start": Rectify(), "c1": conv(2, 2, 1)})
    other = Conv2d(real(2, 2, 1, 1, seed=5))
    side = Node("c2", (Synapse(other, "start"),), Relay(), graph.edge("c1"))
    graph = add(then(graph, side), "add", "c1", "c2")
    graph = then(graph, Node("relu", (Synapse(Identity(), "add"),), Rectify(), graph.edge("add")))
    fused = fuse(graph)
    assert names(fused.graph) == ["start", "relu"]
    assert fused.origins == {"start": (None,), "relu": ("c1", "c2")}
    assert fused.part_of == {"add": "relu", "c1": "relu", "c2": "relu"}
    assert_same(graph, fused.graph, frames(3, 2, 4, 4))


def test_recurrence_follows_the_new_name() -> None:
    graph = chain((6,), {"fc": linear(4, 6)}, input_steps=5)
    back = Synapse(Linear(real(4, 4)), "lif", delay=1)
    lif = Node("lif", (Synapse(Identity(), "fc"), back), IntegrateFire(0.3), SpikeType((4,), 5))
    graph = then(graph, lif)
    after = fuse_nodes(graph, Context())
    assert names(after) == ["lif"]
    assert_same(graph, after, frames(3, 5, 6))
    wire = replace(back, op=Identity())
    graph = graph.with_nodes([graph.nodes[0], replace(lif, synapses=(lif.synapses[0], wire))])
    after = fuse_nodes(graph, Context())
    assert [synapse.source for synapse in after.node("fc").synapses] == ["x", "fc"]
    assert_same(graph, after, frames(3, 5, 6))


def test_currents_of_several_readers_and_of_the_output_stay() -> None:
    graph = chain((6,), {"fc": linear(4, 6), "a": Rectify()})
    graph = add(graph, "sum", "a", "fc")
    after = fuse_nodes(graph, Context())
    assert names(after) == ["fc", "a", "sum"]
    assert_same(graph, after, frames(3, 6))


def test_plain_wires_disappear() -> None:
    layers = {"a": Relay(), "fc": linear(4, 6), "r": Rectify(), "b": Relay(), "c": Relay()}
    graph = chain((6,), layers)
    after = fuse_nodes(graph, Context())
    assert names(after) == ["fc"]
    assert_same(graph, after, frames(3, 6))


def test_a_change_of_steps_is_not_merged_into_a_sum() -> None:
    """currents of one step (direct coding) beside a train of 5 steps."""
    graph = chain((4,), {"fc": linear(4, 4), "wide": Relay()})
    nodes = [graph.nodes[0], replace(graph.nodes[1], type=SpikeType((4,), 5))]
    graph = graph.with_nodes(nodes)
    spikes = Node("s", (Synapse(Identity(), "x"),), IntegrateFire(0.4), SpikeType((4,), 5))
    graph = add(then(graph, spikes), "sum", "wide", "s")
    after = fuse_nodes(graph, Context())
    assert names(after) == ["fc", "s", "sum"]
    assert after.node("fc").type.steps == 5
    assert_same(graph, after, frames(3, 4))


# ------------------------------------------------------------------------------ all together

NETWORKS = {
    "convolutions": {
        "0": conv(4, 2, padding=(1, 1)),
        "1": norm(4),
        "2": max_pool(),
        "3": Rectify(),
        "4": conv(4, 4),
        "5": average_pool(),
        "6": norm(4, seed=2),
        "7": Rectify(1.5),
        "8": Flatten(),
        "9": linear(3, 4),
    },
    "spiking": {
        "conv": conv(4, 2),
        "pool": max_pool(),
        "lif1": IntegrateFire(0.5, 0.8),
        "flat": Flatten(),
        "bn": norm(36),
        "fc": linear(3, 36),
        "lif2": IntegrateFire(0.5, 0.8, reset_step="same"),
    },
}


@pytest.mark.parametrize("layers", NETWORKS.values(), ids=list(NETWORKS))
def test_simplify_keeps_the_numbers_and_runs_every_pass(layers: dict) -> None:
    graph = chain((2, 8, 8), layers, steps=6)
    after = simplify(graph)
    assert_same(graph, after, frames(4, 2, 8, 8), 1e-5)
    for step in STRUCTURE:
        assert step(after, Context()).nodes == after.nodes, f"{step.__name__} found more to do"


def test_names_of_the_networks() -> None:
    assert names(simplify(chain((2, 8, 8), NETWORKS["convolutions"]))) == ["0", "2", "4", "7", "9"]
    spiking = simplify(chain((2, 8, 8), NETWORKS["spiking"], steps=6))
    assert names(spiking) == ["conv", "lif1", "fc"]
    assert isinstance(spiking.node("lif1").synapses[0].op, MaxPool2d)
