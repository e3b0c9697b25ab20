"""The passes before the integer line: what they make of a graph, and that it says the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from e3ne.ir import (
    Conv2d,
    Flatten,
    Identity,
    IntegrateFire,
    Linear,
    MaxPool2d,
    Node,
    Output,
    Readout,
    Rectify,
    Relay,
    SpikeType,
    Synapse,
)
from e3ne.lower import STRUCTURE, simplify
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
