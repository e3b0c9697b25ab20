"""Fewer neurons than output lanes: the same integers, cycles as predicted, on every engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from e3ne.config import parse_config
from e3ne.cost import neuron_cycles, predict
from e3ne.ir import (
    ONE,
    Conv2d,
    Dyadic,
    Engine,
    Graph,
    Identity,
    Input,
    IntegrateFire,
    Linear,
    Mapping,
    Node,
    Output,
    Readout,
    SpikeType,
    Stage,
    Synapse,
    SynapseMapping,
    UnsupportedModel,
    frozen,
    verify,
)
from e3ne.ir.text import text
from tests.random_frames import sparse_frames_of
from tests.small_networks import weights

from .core_runs import check_core
from .mutations import Mutation, label, survives
from .test_exact_cycles import check_exact

STEPS = 6


def fires(channels: int) -> IntegrateFire:
    """Neurons of different thresholds, so that none may take the place of another."""
    return IntegrateFire(
        frozen(1 + np.arange(channels) % 5, np.int64), Dyadic(7, 3), ONE, membrane_bits=12
    )


def vectors(engine: Engine, window: int, neurons: int | None, joined: bool = False) -> Graph:
    """12 elements, 8 neurons, 4 neurons; `joined`: the first population also reads itself."""
    out = 8 if engine is Engine.LOGIC else 4
    layout = SynapseMapping(12 if engine is Engine.LOGIC else 4, 1)
    synapses, layouts = [Synapse(Linear(weights(8, 12, seed=1)), "x")], [layout]
    if joined:
        synapses.append(Synapse(Linear(weights(8, 8, seed=2)), "hidden", 1, gain=2))
        layouts.append(SynapseMapping(8 if engine is Engine.LOGIC else 2, 1))
    type = SpikeType((8,), STEPS, 1)
    mapping = Mapping(engine, out, 1, tuple(layouts), neuron_lanes=neurons)
    hidden = Node("hidden", tuple(synapses), fires(8), type, mapping)
    last = Mapping(Engine.EVENT, 4, 1, (SynapseMapping(2, 1),), neuron_lanes=2)
    read = Synapse(Linear(weights(4, 8, seed=3)), "hidden")
    end = Node("end", (read,), fires(4), SpikeType((4,), STEPS, 1), last)
    source = Input("x", SpikeType((12,), STEPS, 1), lanes=6)
    outputs = (Output("end", Readout.COUNT),)
    return verify(Graph(Stage.MAPPED, (source,), (hidden, end), outputs, window))


def images(pixel_lanes: int, neurons: int) -> Graph:
    """A convolution of four channels in one window."""
    op = Conv2d(weights(4, 1, 3, 3, seed=4), padding=(1, 1))
    mapping = Mapping(Engine.LOGIC, 4, pixel_lanes, (SynapseMapping(9, 3),), 0, neurons)
    node = Node("conv", (Synapse(op, "x"),), fires(4), SpikeType((4, 4, 4), 3, 1), mapping)
    source = Input("x", SpikeType((1, 4, 4), 3, 2), lanes=2)
    return verify(Graph(Stage.MAPPED, (source,), (node,), (Output("conv", Readout.COUNT),), 3))


def frames(graph: Graph, count: int = 4):
    return sparse_frames_of(graph, count, 0.5)


@pytest.mark.parametrize("neurons", [1, 2])
@pytest.mark.parametrize("window", [1, 3, STEPS])
@pytest.mark.parametrize("engine", Engine)
def test_integers_and_cycles(engine, window, neurons):
    graph = vectors(engine, window, neurons)
    check_core(graph, frames(graph), (0.3, 0.3))
    check_exact(graph, frames(graph))


@pytest.mark.parametrize("engine", Engine)
def test_a_sum_comes_before_the_neurons(engine):
    graph = vectors(engine, 1, 2, joined=True)
    check_core(graph, frames(graph), (0.3, 0.3))
    check_exact(graph, frames(graph))


@pytest.mark.parametrize(("pixel_lanes", "neurons"), [(1, 1), (1, 2), (2, 2), (4, 1)])
def test_images(pixel_lanes, neurons):
    graph = images(pixel_lanes, neurons)
    check_core(graph, frames(graph), (0.3, 0.3))
    check_exact(graph, frames(graph))


def test_bare_edges_keep_their_lanes():
    """An edge without weights takes words as wide as the currents."""
    graph = vectors(Engine.DENSE, 1, None)
    mapping = Mapping(out_lanes=4, synapses=(SynapseMapping(),), neuron_lanes=2)
    watcher = Node(
        "w", (Synapse(Identity(), "hidden"),), fires(8), SpikeType((8,), STEPS, 1), mapping
    )
    graph = verify(replace(graph, nodes=(*graph.nodes, watcher)))
    check_core(graph, frames(graph), (0.3, 0.3))
    check_exact(graph, frames(graph))


def test_fewer_neurons_are_smaller_and_slower():
    many, few = vectors(Engine.LOGIC, 1, None), vectors(Engine.LOGIC, 1, 1)
    assert predict(few).luts < predict(many).luts
    assert neuron_cycles(few, few.node("hidden")) == 8 * neuron_cycles(many, many.node("hidden"))
    assert " out=8 pixels=1 neurons=1\n" in text(few)
    assert "neurons=" not in text(many).split("\n")[2]


def test_lanes_that_do_not_divide_are_refused():
    with pytest.raises(UnsupportedModel, match="neuron_lanes=3, accepted a divisor of out_lanes=8"):
        vectors(Engine.LOGIC, 1, 3)


def test_users_fix_them():
    assert parse_config({"mapping": {"fc": {"neuron_lanes": 16}}}).mapping["fc"].neuron_lanes == 16


def checks() -> None:
    for graph in (vectors(Engine.EVENT, 3, 2), vectors(Engine.DENSE, 1, 2, joined=True)):
        check_core(graph, frames(graph), (0.3, 0.3), limit_cycles=6_000)


MUTATIONS = [
    Mutation("plumbing", "held.eq(held >> self.out.value_bits)", "held.eq(held)"),
    Mutation(
        "plumbing", "self.o.payload.last.eq(last & (left == 1))", "self.o.payload.last.eq(last)"
    ),
    Mutation("plumbing", "left.eq(self.parts),", "left.eq(self.parts - 1),"),
    Mutation(
        "node_unit",
        "words_per_window=node.type.neurons // node.mapping.lanes",
        "words_per_window=node.type.neurons // node.mapping.current_lanes",
    ),
]


def test_the_checks_accept_the_original():
    checks()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=label)
def test_mutations_are_killed(mutation):
    assert not survives(mutation, (checks,))
