"""Feedback and delays through the passes: what may be merged, what must stay, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from e3ne import reference
from e3ne.ir import (
    Array,
    Flatten,
    Graph,
    Identity,
    Input,
    Integrate,
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
from e3ne.lower import lower, simplify
from e3ne.lower.context import Context
from e3ne.lower.distribute_sums import distribute_sums
from e3ne.lower.drop_unread import drop_unread
from e3ne.lower.fidelity import dequantized, quantized_state, spike_agreement
from e3ne.lower.fuse_nodes import fuse_nodes
from e3ne.lower.move_delays import move_delays
from tests.unit.lower_graphs import assert_same, linear, names, output, real

STEPS = 6
VECTOR = SpikeType((4,), STEPS)
LIF = IntegrateFire(0.4, 0.8)


def network(*nodes: Node, output: str, source: SpikeType = VECTOR) -> Graph:
    outputs = (Output(output, Readout.COUNT),)
    return verify(Graph(Stage.FLOAT, (Input("x", source),), nodes, outputs))


def samples(*shape: int) -> Array:
    return np.random.default_rng(3).integers(0, 2, (5, STEPS, *(shape or (4,)))).astype(float)


def without(op: Linear) -> Linear:
    return replace(op, bias=None)


# ------------------------------------------------------------------------ merging over delays


def behind(op: Linear, delay: int = 1) -> Graph:
    """x -> lif -> back (weights), read by the lif `delay` steps later."""
    lif = Node("lif", (Synapse(Identity(), "x"), Synapse(Identity(), "back", delay)), LIF, VECTOR)
    return network(lif, Node("back", (Synapse(op, "lif"),), Relay(), VECTOR), output="lif")


def test_weights_behind_the_spikes_become_a_recurrent_synapse() -> None:
    graph = behind(without(linear(4, 4)), delay=2)
    after = fuse_nodes(graph, Context())
    assert names(after) == ["back"]
    assert [(s.source, s.delay) for s in after.node("back").synapses] == [("x", 0), ("back", 2)]
    assert_same(graph, after, samples())


def test_a_bias_behind_a_delay_stays_where_it_is() -> None:
    """It is not there at the first step; as part of a delayed synapse it would be."""
    graph = behind(linear(4, 4))
    assert names(fuse_nodes(graph, Context())) == ["lif", "back"]
    lif, back = graph.nodes
    merged = replace(back.synapses[0], source="lif", delay=1)
    naive = graph.with_nodes([replace(lif, synapses=(lif.synapses[0], merged))])
    assert not np.array_equal(output(graph, samples()), output(naive, samples()))
    zero = replace(linear(4, 4), bias=frozen(np.zeros(4), np.float32))
    assert names(fuse_nodes(behind(zero), Context())) == ["back"]


def test_currents_of_two_delays_add_up() -> None:
    fc = Node("fc", (Synapse(without(linear(4, 4)), "x", 2),), Relay(), VECTOR)
    lif = Node("lif", (Synapse(Identity(), "fc", 1),), LIF, VECTOR)
    graph = network(fc, lif, output="lif")
    after = fuse_nodes(graph, Context())
    assert [s.delay for s in after.node("fc").synapses] == [3]
    assert_same(graph, after, samples())


def test_delays_do_not_move_where_steps_change() -> None:
    one = SpikeType((4,), 1)
    fc = Node("fc", (Synapse(without(linear(4, 4)), "x", 1),), Relay(), VECTOR)
    relu = Node("relu", (Synapse(Identity(), "fc"),), Rectify(), one)
    graph = network(fc, relu, output="relu")
    after = simplify(graph)
    assert names(after) == ["fc", "relu"]
    assert_same(graph, after, samples())


def test_sums_that_feed_each_other_keep_their_order() -> None:
    """a takes b of the step before, b takes a of this step; neither is the other's alone."""
    a = Node("a", (Synapse(linear(4, 4), "x"), Synapse(Identity(), "b", 1)), LIF, VECTOR)
    b = Node("b", (Synapse(linear(4, 4, 3), "a"), Synapse(Identity(), "late", 1)), LIF, VECTOR)
    late = Node("late", (Synapse(without(linear(4, 4, 5)), "b"),), Relay(), VECTOR)
    graph = network(a, b, late, output="b")
    after = simplify(graph)
    assert names(after) == ["a", "b"]
    assert {(s.source, s.delay) for s in after.node("b").synapses} == {("a", 0), ("b", 1)}
    assert_same(graph, after, samples())


# ------------------------------------------------------------------------------- move_delays


def test_a_delayed_wire_gives_its_delay_to_its_readers() -> None:
    wire = Node("wire", (Synapse(Identity(), "x", 2),), Relay(), VECTOR)
    fc = Node("fc", (Synapse(linear(4, 4), "wire", 1),), Relay(), VECTOR)
    graph = network(wire, fc, output="fc")
    moved = move_delays(graph, Context())
    assert moved.node("fc").synapses[0].delay == 3
    assert names(simplify(graph)) == ["fc"]
    assert_same(graph, moved, samples())
    assert_same(graph, simplify(graph), samples())


def test_a_wire_from_a_later_node_stands_behind_it_then() -> None:
    image = SpikeType((1, 2, 2), STEPS)
    flat = Node("flat", (Synapse(Flatten(), "lif", 1),), Relay(), VECTOR)
    fc = Node("fc", (Synapse(linear(4, 4), "flat"),), Relay(), VECTOR)
    pool = Synapse(MaxPool2d((1, 1), (1, 1)), "x")
    lif = Node("lif", (pool,), LIF, image)
    end = Node("end", (Synapse(Identity(), "fc"), Synapse(linear(4, 4), "lif")), LIF, VECTOR)
    graph = network(flat, fc, lif, end, output="end", source=image)
    moved = move_delays(graph, Context())
    assert names(moved) == ["fc", "lif", "flat", "end"]
    assert_same(graph, moved, samples(1, 2, 2))
    assert_same(graph, simplify(graph), samples(1, 2, 2))


def test_a_delayed_wire_that_leaves_the_network_stays() -> None:
    wire = Node("wire", (Synapse(Identity(), "x", 2),), Relay(), VECTOR)
    graph = network(wire, output="wire")
    assert names(simplify(graph)) == ["wire"]
    assert_same(graph, simplify(graph), samples())


# --------------------------------------------------------------------------- distribute_sums


def container(kept: bool = False) -> Graph:
    """fc(x + y_before), then neurons: y; with `kept` the x is a sum of weights itself."""
    first = Synapse(linear(4, 4, 7) if kept else Identity(), "x")
    total = Node("sum", (first, Synapse(Identity(), "lif", 1)), Relay(), VECTOR)
    fc = Node("fc", (Synapse(linear(4, 4), "sum"),), Relay(), VECTOR)
    lif = Node("lif", (Synapse(Identity(), "fc"),), LIF, VECTOR)
    return network(total, fc, lif, output="lif")


def test_a_recurrent_sum_in_front_of_weights_becomes_two_synapses() -> None:
    graph = container()
    after = simplify(graph)
    assert names(after) == ["fc"]
    first, second = after.node("fc").synapses
    assert [(s.source, s.delay) for s in (first, second)] == [("x", 0), ("fc", 1)]
    assert first.op.weight is second.op.weight  # type: ignore[union-attr]
    assert (first.op.bias is None, second.op.bias is None) == (False, True)  # type: ignore[union-attr]
    assert_same(graph, after, samples())


def test_a_sum_that_is_read_late_gives_its_readers_both_delays() -> None:
    graph = container()
    fc = graph.node("fc")
    late = replace(fc, synapses=(replace(fc.synapses[0], delay=2),))
    graph = verify(graph.with_nodes([late if node.name == "fc" else node for node in graph.nodes]))
    after = simplify(graph)
    assert [s.delay for s in after.node("fc").synapses] == [2, 3]
    assert_same(graph, after, samples())


def test_what_does_not_come_back_stays_a_sum() -> None:
    graph = container(kept=True)
    after = distribute_sums(graph, Context())
    assert len(after.node("sum").synapses) == 1
    assert len(after.node("fc").synapses) == 2
    assert_same(graph, after, samples())
    assert_same(graph, simplify(graph), samples())


def test_a_sum_outside_of_loops_is_left_alone() -> None:
    total = Node("sum", (Synapse(Identity(), "x"), Synapse(Identity(), "x", 1)), Relay(), VECTOR)
    fc = Node("fc", (Synapse(linear(4, 4), "sum"),), Relay(), VECTOR)
    graph = network(total, fc, output="fc")
    assert distribute_sums(graph, Context()).nodes == graph.nodes


def test_shared_weights_are_one_tensor_of_the_model() -> None:
    graph, x = container(), samples()
    integer = lower(graph, x)
    state = quantized_state(graph, simplify(graph), integer)
    assert list(state) == ["fc"]
    assert state["fc"][1] is not None
    found = spike_agreement(dequantized(simplify(graph), integer), integer, x)
    assert found["fc"].fraction == 1.0


def test_what_no_output_reads_is_dropped() -> None:
    graph = container()
    dead = Node("dead", (Synapse(linear(3, 4), "lif"),), Relay(), SpikeType((3,), STEPS))
    with_dead = graph.with_nodes([*graph.nodes, dead])
    assert names(drop_unread(with_dead, Context())) == names(graph)
    assert_same(with_dead, simplify(with_dead), samples())


# ---------------------------------------------------------------------------------- quantize


def test_a_sum_in_a_loop_gets_its_type_from_the_spikes() -> None:
    """`back` stays (it has a bias), stands behind its reader, and is read before it is written."""
    graph, x = behind(linear(4, 4)), samples()
    integer = lower(graph, x)
    assert names(integer) == ["lif", "back"]
    assert integer.node("back").type.signed
    assert integer.node("lif").synapses[1].gain == 1
    found = spike_agreement(dequantized(simplify(graph), integer), integer, x)
    assert found["lif"].fraction == 1.0
    assert integer.scale("back") == pytest.approx(np.abs(linear(4, 4).weight).max() / 127)


def test_loops_without_spikes_are_refused_by_name() -> None:
    membrane = replace(LIF, sends="membrane")
    li = Node(
        "li", (Synapse(Identity(), "x"), Synapse(real_linear(), "li", 1)), Integrate(), VECTOR
    )
    lif = Node(
        "lif", (Synapse(Identity(), "li"), Synapse(real_linear(), "lif", 2)), membrane, VECTOR
    )
    a = Node("a", (Synapse(Identity(), "lif"), Synapse(real_linear(), "b", 1)), Relay(), VECTOR)
    b = Node("b", (Synapse(real_linear(), "a"),), Integrate(0.5), VECTOR)
    with pytest.raises(UnsupportedModel) as found:
        lower(network(li, lif, a, b, output="b"), samples())
    first, second, third = found.value.problems
    assert first.startswith("li: found an integrator that feeds its membrane to itself, accepted")
    assert second.startswith("lif: found an integrator that feeds its membrane to itself")
    assert third.startswith("a, b: found a feedback loop of sums and membranes, accepted loops in")


def real_linear() -> Linear:
    return Linear(real(4, 4))


def test_a_delayed_source_of_the_hardware_sends_zeros_first() -> None:
    """The integers of a loop equal those of a step-by-step run by hand."""
    weight = Linear(frozen([[1.0]], np.float32))
    one = SpikeType((1,), 4)
    neuron = IntegrateFire(0.75, 1.0, fire_on=">=", reset_step="same")
    lif = Node("lif", (Synapse(Identity(), "x"), Synapse(weight, "lif", 2)), neuron, one)
    graph = network(lif, output="lif", source=one)
    integer = lower(graph, np.array([[[1.0], [0.0], [0.0], [0.0]]]))
    sent = reference.run(integer, np.array([[[1], [0], [0], [0]]]))["lif"]
    assert sent.reshape(-1).tolist() == [1, 0, 1, 0]
