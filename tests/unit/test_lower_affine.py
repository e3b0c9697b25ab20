"""Factors of channels: the value of a graded spike, elementwise recurrence, scaled membranes."""

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
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    Upsample2d,
    frozen,
    verify,
)
from e3ne.lower import lower, simplify
from e3ne.lower.context import Context
from e3ne.lower.fidelity import dequantized, spike_agreement
from e3ne.lower.fold_batchnorm import fold_batchnorm
from tests.unit.lower_graphs import (
    add,
    assert_same,
    average_pool,
    chain,
    conv,
    linear,
    max_pool,
    names,
    norm,
)

STEPS = 5
LIF = IntegrateFire(0.4, 0.8)
SPIKES = np.random.default_rng(0).integers(0, 2, (4, STEPS, 2, 4, 4)).astype(float)
FLAT = np.random.default_rng(0).integers(0, 2, (4, STEPS, 6)).astype(float)


def worth(*values: float) -> ChannelAffine:
    """What the spikes of each channel are worth."""
    return ChannelAffine(frozen(values, np.float32), frozen(np.zeros(len(values)), np.float32))


def image_chain(**layers: Any) -> Graph:
    return chain((2, 4, 4), layers, STEPS, STEPS)


READ = {
    "weights": {"conv": conv(3, 2, padding=(1, 1))},
    "pooled weights": {"pool": average_pool(), "conv": conv(3, 2, 1)},
    "the largest": {"pool": max_pool(), "flat": Flatten(), "fc": linear(3, 8)},
    "upsampled": {"up": Upsample2d((2, 2), "zero"), "conv": conv(3, 2)},
    "neurons": {"lif": LIF, "conv": conv(3, 2)},
    "integrators": {"flat": Flatten(), "li": Integrate(0.5, synaptic_decay=0.5)},
}


@pytest.mark.parametrize("layers", READ.values(), ids=list(READ))
@pytest.mark.parametrize("factor", [worth(0.5, 3.0), worth(2.5)])
def test_the_value_of_a_spike_goes_to_who_reads_it(layers: dict, factor: ChannelAffine) -> None:
    graph = image_chain(first=LIF, value=factor, **layers)
    after = fold_batchnorm(graph, Context())
    assert not any(isinstance(s.op, ChannelAffine) for n in after.nodes for s in n.synapses)
    assert names(after) == [name for name in names(graph) if name != "value"]
    assert_same(graph, after, SPIKES, 1e-6)


def test_a_delayed_reader_takes_a_factor_but_no_offset() -> None:
    for op, folded in ((worth(0.5, 3.0), True), (norm(2), False)):
        graph = image_chain(first=LIF, value=op)
        late = Synapse(linear(3, 32), "value", delay=2)
        fc = Node("fc", (late,), Relay(), SpikeType((3,), STEPS))
        graph = Graph(graph.stage, graph.inputs, (*graph.nodes, fc), (Output("fc", Readout.LAST),))
        after = fold_batchnorm(verify(graph), Context())
        assert ("value" not in names(after)) == folded
        assert_same(graph, after, SPIKES, 1e-6)


def test_neurons_with_a_synaptic_current_take_no_offset() -> None:
    for decay, folded in ((None, True), (0.5, False)):
        neuron = replace(LIF, synaptic_decay=decay)
        graph = image_chain(first=LIF, value=norm(2), second=neuron)
        after = fold_batchnorm(graph, Context())
        assert ("value" not in names(after)) == folded
        assert_same(graph, after, SPIKES, 1e-6)


@pytest.mark.parametrize(("fill", "folded"), [("repeat", True), ("zero", False)])
def test_zeros_between_the_pixels_take_no_offset(fill: Any, folded: bool) -> None:
    graph = image_chain(first=LIF, value=norm(2), up=Upsample2d((2, 2), fill), conv=conv(3, 2))
    after = fold_batchnorm(graph, Context())
    assert ("value" not in names(after)) == folded
    assert_same(graph, after, SPIKES, 1e-6)


def recurrent(op: ChannelAffine, shape: tuple[int, ...]) -> Graph:
    """Neurons that read their own spikes of the step before, channel by channel."""
    type = SpikeType(shape, STEPS)
    synapses = (Synapse(Identity(), "x"), Synapse(op, "lif", delay=1))
    nodes = (Node("lif", synapses, LIF, type),)
    outputs = (Output("lif", Readout.COUNT),)
    return verify(Graph(Stage.FLOAT, (Input("x", type),), nodes, outputs))


@pytest.mark.parametrize(
    ("op", "shape", "kind"),
    [
        (norm(6), (6,), Linear),
        (norm(2), (2, 4, 4), Conv2d),
        (worth(*[0.3] * 6), (6,), ChannelAffine),
        (worth(-0.3), (6,), Linear),
    ],
)
def test_an_elementwise_recurrence(op: ChannelAffine, shape: tuple[int, ...], kind: type) -> None:
    graph, x = recurrent(op, shape), FLAT if len(shape) == 1 else SPIKES
    after = simplify(graph)
    assert isinstance(after.node("lif").synapses[1].op, kind)
    assert_same(graph, after, x, 1e-6)
    integer = lower(graph, x)
    assert not isinstance(integer.node("lif").synapses[1].op, ChannelAffine)
    found = spike_agreement(dequantized(simplify(graph), integer), integer, x)
    assert found["lif"].fraction >= 0.99


def test_a_diagonal_is_exact_where_each_channel_has_its_scale() -> None:
    graph = recurrent(worth(*[-0.3] * 6), (6,))
    op = lower(graph, FLAT).node("lif").synapses[1].op
    assert isinstance(op, Linear)
    np.testing.assert_array_equal(op.weight, -np.eye(6))


def test_one_factor_of_a_membrane_that_leaves_is_part_of_its_scale() -> None:
    graph = image_chain(li=Integrate(0.875), value=worth(0.3, 0.3))
    integer = lower(graph, SPIKES)
    assert isinstance(integer.node("value").synapses[0].op, Identity)
    assert integer.scale("value") == pytest.approx(0.3 * integer.scale("li"))
    sent = reference.run(integer, SPIKES.astype(np.int64))["value"] * integer.scale("value")
    wanted = reference.run(graph, SPIKES)["value"]
    np.testing.assert_allclose(sent, wanted, atol=0.001)


def test_spikes_of_another_value_in_a_residual_sum() -> None:
    graph = image_chain(first=LIF, value=worth(0.3, 0.3), second=LIF)
    graph = add(graph, "sum", "value", "second")
    integer = lower(graph, SPIKES)
    node = integer.node("sum")
    assert node.scale * node.synapses[1].gain == pytest.approx(1.0, rel=2.0**-8)
    assert not any(isinstance(s.op, ChannelAffine) for n in integer.nodes for s in n.synapses)
    sent = reference.run(integer, SPIKES.astype(np.int64))["sum"] * node.scale
    np.testing.assert_allclose(sent, reference.run(graph, SPIKES)["sum"], rtol=0.01, atol=0.01)
