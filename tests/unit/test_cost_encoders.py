"""Encoders in the cost model and in the choice of windows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from e3ne.boards import load_board
from e3ne.config import parse_config
from e3ne.cost import node_cycles, node_resources
from e3ne.cost.counts import Features
from e3ne.cost.encoder_features import encoder_features
from e3ne.ir import (
    ONE,
    BadInput,
    Encode,
    Graph,
    Identity,
    Input,
    IntegrateFire,
    Mapping,
    Node,
    Output,
    Readout,
    SpikeType,
    Stage,
    Synapse,
    SynapseMapping,
    verify,
)
from e3ne.optimize import choose_mapping
from e3ne.optimize.windows import allowed_windows

FIRES = IntegrateFire(3, ONE, ONE, membrane_bits=10)


def encoded(kind: str, bits: int, steps: int, *more: Synapse) -> Graph:
    """64 samples, their encoder, and neurons behind it, perhaps with `more` synapses."""
    delta = kind == "delta"
    neuron = Encode(kind, bits, threshold=20 * delta)  # type: ignore[arg-type]
    source = Input("x", SpikeType((64,), steps if delta else 1, bits))
    sent = SpikeType((64,), steps, 2 if delta else 1, delta)
    nodes = (
        Node("e", (Synapse(Identity(), "x"),), neuron, sent),
        Node("n", (Synapse(Identity(), "e"), *more), FIRES, SpikeType((64,), steps, 1)),
    )
    return verify(Graph(Stage.INTEGER, (source,), nodes, (Output("n", Readout.COUNT),)))


def mapped(kind: str, bits: int, steps: int, lanes: int, window: int) -> tuple[Graph, Node]:
    """The same with these lanes everywhere, and its encoder."""
    graph = encoded(kind, bits, steps)
    mapping = Mapping(out_lanes=lanes, synapses=(SynapseMapping(),))
    inputs = (replace(graph.inputs[0], lanes=lanes),)
    laid = replace(graph, stage=Stage.MAPPED, inputs=inputs, steps_in_window=window)
    laid = laid.with_nodes([replace(node, mapping=mapping) for node in graph.nodes])
    return verify(laid), laid.node("e")


def test_levels_of_a_stream_are_kept_in_a_memory() -> None:
    """One window a frame needs none, unless the next frame goes on; other encoders do not."""
    for kind, bits in (("delta", [4 * 8 + 1]), ("regular", [])):
        graph, node = mapped(kind, 8, 5, 4, 5)
        for streaming, wanted in ((False, []), (True, bits)):
            found = Features()
            neuron = node.neuron
            assert isinstance(neuron, Encode)
            encoder_features(found, replace(graph, streaming=streaming), node, neuron)
            assert [(memory.width_bits, memory.depth) for memory in found.memories] == [
                (width, 16) for width in wanted
            ]


# LUTs and flip-flops that Yosys found for the unit of the node (ECP5)
SYNTHESIZED = [
    ("radix", 8, 8, 4, 8, 1, 34),
    ("regular", 8, 25, 4, 25, 96, 312),
    ("bernoulli", 8, 25, 1, 25, 1016, 809),
    ("bernoulli", 8, 10, 8, 10, 1366, 396),
    ("latency", 8, 25, 4, 25, 296, 128),
    ("delta", 8, 25, 4, 25, 870, 1281),
]


@pytest.mark.parametrize(("kind", "bits", "steps", "lanes", "window", "luts", "ffs"), SYNTHESIZED)
def test_resources_are_near_those_of_yosys(
    kind: str, bits: int, steps: int, lanes: int, window: int, luts: int, ffs: int
) -> None:
    graph, node = mapped(kind, bits, steps, lanes, window)
    found = node_resources(graph, node, "ecp5")
    assert abs(found.luts - luts) <= 20 + 0.3 * luts
    assert abs(found.ffs - ffs) <= 15 + 0.15 * ffs


@pytest.mark.parametrize(
    ("kind", "kept"), [("regular", True), ("delta", True), ("latency", False), ("bernoulli", False)]
)
def test_several_windows_keep_what_a_step_leaves(kind: str, kept: bool) -> None:
    """In a memory; encoders of whole words have nothing to keep."""
    for window in (24, 6):
        graph, node = mapped(kind, 8, 24, 4, window)
        found = Features()
        assert isinstance(node.neuron, Encode)
        encoder_features(found, graph, node, node.neuron)
        assert bool(found.memories) == (kept and window < 24)
    graph, node = mapped(kind, 8, 24, 4, 1)
    assert node_cycles(graph, node) == 16 * 24 * (2 if kept else 1)


def test_an_encoder_allows_every_window() -> None:
    """Its input has one step, which comes again for every window; other changes need one window."""
    graph = encoded("bernoulli", 8, 12)
    assert allowed_windows(graph, None) == [1, 2, 3, 4, 6, 12]
    assert allowed_windows(graph, 4) == [4]
    back = encoded("bernoulli", 8, 12, Synapse(Identity(), "n", delay=1))
    assert allowed_windows(back, None) == [1]
    with pytest.raises(BadInput, match="found 5, accepted 1, 2, 3, 4, 6, 12 for this network"):
        allowed_windows(graph, 5)


@pytest.mark.parametrize("window", [1, 3, 12])
@pytest.mark.parametrize("kind", ["regular", "bernoulli", "latency", "delta"])
def test_encoded_networks_are_mapped(kind: str, window: int) -> None:
    config = parse_config({"window": window, "mapping": {"e": {"out_lanes": 4}}})
    found = choose_mapping(encoded(kind, 8, 12), load_board("ulx3s-85f"), config)
    assert found.steps_in_window == window
    mapping = found.node("e").mapping
    assert mapping is not None
    assert mapping.out_lanes == 4
