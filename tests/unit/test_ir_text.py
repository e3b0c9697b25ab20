"""The text form is stable, and says every number that matters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from e3ne.ir import (
    ONE,
    Conv2d,
    Dyadic,
    Graph,
    Identity,
    Input,
    IntegrateFire,
    Linear,
    Mapping,
    MaxPool2d,
    Node,
    Output,
    Readout,
    Relay,
    Requantize,
    SpikeType,
    Stage,
    Synapse,
    SynapseMapping,
    fingerprint,
    frozen,
    text,
)


def network() -> Graph:
    """Every part of the text once: residual sums, recurrence, factors, per-channel arrays."""
    kernel = frozen(np.arange(-9, 9).reshape(2, 1, 3, 3), np.int64)
    matrix = frozen(np.arange(-4, 4).reshape(2, 4) % 5, np.int64)
    nodes = (
        Node(
            "conv",
            (Synapse(Conv2d(kernel, frozen([7, -7], np.int64), padding=(1, 1)), "x"),),
            Requantize(frozen([3, 5], np.int64), 6),
            SpikeType((2, 4, 4), 1, 4),
            scale=1 / 3,
        ),
        Node(
            "add",
            (
                Synapse(Identity(), "conv", gain=3),
                Synapse(MaxPool2d((1, 1), (1, 1)), "conv"),
            ),
            Relay(),
            SpikeType((2, 4, 4), 1, 6),
        ),
        Node(
            "fc.lif",
            (
                Synapse(Linear(frozen(np.ones((2, 32)), np.int64)), "add"),
                Synapse(Linear(matrix[:, :2]), "fc.lif", delay=1),
            ),
            IntegrateFire(9, Dyadic(7, 3), ONE, fire_on=">=", floor=-4, membrane_bits=12),
            SpikeType((2,), 5, 1),
        ),
    )
    source = Input("x", SpikeType((1, 4, 4), 1, 8, signed=True), 0.125)
    return Graph(Stage.INTEGER, (source,), nodes, (Output("fc.lif", Readout.COUNT),))


def test_golden_text(golden: Callable[[str, str], None]) -> None:
    golden("graph.txt", text(network()))


def test_golden_text_of_a_mapped_graph(golden: Callable[[str, str], None]) -> None:
    graph = network()
    nodes = [
        replace(
            node,
            mapping=Mapping(
                out_lanes=2, synapses=(SynapseMapping(3, 1),) * len(node.synapses), queue_words=4
            ),
        )
        for node in graph.nodes
    ]
    mapped = replace(graph, stage=Stage.MAPPED, steps_in_window=5, nodes=tuple(nodes))
    golden("graph_mapped.txt", text(mapped))


def test_one_weight_more_or_less_changes_the_text() -> None:
    graph = network()
    weight = np.ones((2, 32))
    weight[1, 7] = 2
    node = graph.node("fc.lif")
    synapses = (Synapse(Linear(frozen(weight, np.int64)), "add"), *node.synapses[1:])
    changed = graph.with_nodes([*graph.nodes[:2], replace(node, synapses=synapses)])
    assert text(changed) != text(graph)
    assert text(network()) == text(graph)


def test_fingerprints_see_shape_dtype_and_contents() -> None:
    values = np.arange(6)
    others = [values.reshape(2, 3), values.astype(np.int32), values + 1]
    assert len({fingerprint(values), *map(fingerprint, others)}) == 4
    assert fingerprint(values) == fingerprint(np.arange(12)[::2] // 2)
