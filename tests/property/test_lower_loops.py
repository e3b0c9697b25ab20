"""Lowering of networks with feedback, concatenations, residual sums and delays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e3ne import reference
from e3ne.ir import (
    Array,
    Graph,
    Identity,
    Input,
    IntegrateFire,
    Linear,
    Node,
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    frozen,
    text,
    verify,
)
from e3ne.lower import STRUCTURE, lower, simplify
from e3ne.lower.context import Context
from e3ne.lower.fidelity import Agreement, dequantized, spike_agreement
from e3ne.lower.fuse_nodes import fuse
from tests.property.loop_networks import loop_networks, trains

QUICK = settings(max_examples=150, deadline=None)
SEEDS = st.integers(0, 2**16)


def assert_same_numbers(before: Graph, after: Graph, owners: dict[str, str], x: list[Array]) -> int:
    """Every node of `after` that `before` has sends the same; how many there are.

    `owners` names, for each node of `after`, the node of `before` whose neurons it has.
    """
    wanted, found = reference.run(before, *x), reference.run(after, *x)
    compared = 0
    for name, owner in owners.items():
        if owner in wanted and found[name].size == wanted[owner].size:
            same = found[name].reshape(wanted[owner].shape)
            np.testing.assert_allclose(same, wanted[owner], rtol=1e-9, atol=1e-9, err_msg=name)
            compared += 1
    for old, new in zip(before.outputs, after.outputs, strict=True):
        words, _ = reference.read_out(old, wanted)
        np.testing.assert_allclose(reference.read_out(new, found)[0], words, rtol=1e-9, atol=1e-9)
    return compared


@QUICK
@given(loop_networks(), SEEDS)
def test_simplify_keeps_every_number(graph: Graph, seed: int) -> None:
    x = trains(graph, 3, seed)
    before = graph
    for step in STRUCTURE[:-1]:
        after = verify(step(before, Context()))
        owners = {
            node.name: node.name for node in after.nodes if not isinstance(node.neuron, Relay)
        }
        assert_same_numbers(before, after, owners, x)
        before = after
    fused = fuse(before)
    verify(fused.graph)
    assert assert_same_numbers(before, fused.graph, fused.neurons, x) == len(fused.graph.nodes)
    assert text(simplify(graph)) == text(fused.graph)


@QUICK
@given(loop_networks(), SEEDS)
def test_the_integers_are_legal_and_near(graph: Graph, seed: int) -> None:
    x = trains(graph, 6, seed)
    integer = verify(lower(graph, x))
    words = [reference.encode_input(source, a) for source, a in zip(integer.inputs, x, strict=True)]
    for name, values in reference.run(integer, *words).items():
        assert values.dtype == np.int64
        assert values.min() >= integer.edge(name).low
        assert values.max() <= integer.edge(name).high
    found = spike_agreement(dequantized(simplify(graph), integer), integer, x)
    assert sum(found.values(), Agreement(0, 0)).fraction >= 0.97, found


def delayed_loop(bias: float, delay: int) -> Graph:
    """Spikes that come back through weights behind them, `delay` steps later."""
    one = SpikeType((1,), 5)
    weight = Linear(frozen([[0.75]], np.float32), frozen([bias], np.float32))
    synapses = (Synapse(Identity(), "x"), Synapse(Identity(), "back", delay))
    lif = Node("lif", synapses, IntegrateFire(0.875, 0.5), one)
    back = Node("back", (Synapse(weight, "lif"),), Relay(), one)
    outputs = (Output("lif", Readout.COUNT),)
    return verify(Graph(Stage.FLOAT, (Input("x", one),), (lif, back), outputs))


def test_the_comparison_finds_a_delay_and_a_bias_that_moved() -> None:
    x = [np.random.default_rng(0).random((9, 5, 1))]
    graph = delayed_loop(0.5, 1)
    assert_same_numbers(graph, graph, {"back": "back"}, x)
    for twin in (delayed_loop(0.5, 2), delayed_loop(0.25, 1)):
        with pytest.raises(AssertionError, match="back"):
            assert_same_numbers(graph, twin, {"back": "back"}, x)


def test_the_agreement_finds_a_wrong_synapse_in_a_loop() -> None:
    graph, x = delayed_loop(0.0, 1), [np.random.default_rng(0).random((40, 5, 1))]
    integer = lower(graph, x)
    right = spike_agreement(dequantized(simplify(graph), integer), integer, x)
    wrong = lower(delayed_loop(0.0, 2), x)
    found = spike_agreement(dequantized(simplify(graph), integer), wrong, x)
    assert right["back"].fraction >= 0.99
    assert found["back"].fraction < 0.99
