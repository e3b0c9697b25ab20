"""Beats of several pixels into windows that walk several columns: Verilator, every node equal."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from e3ne import check
from e3ne.cost import predict
from e3ne.ir import (
    Conv2d,
    Graph,
    Input,
    Linear,
    Mapping,
    MaxPool2d,
    Node,
    Op,
    Output,
    Readout,
    Requantize,
    SpikeType,
    Stage,
    Storage,
    SumPool2d,
    Synapse,
    SynapseMapping,
    op_shape,
    verify,
)
from e3ne.optimize.size_queues import size_queues
from tests.random_frames import frames_of
from tests.small_networks import built, weights

FRAMES = 40


def network(pixels: int, events: bool) -> Graph:
    """Padding that is no whole word, pools of one pixel and of several, a row memory at the end."""
    layers: list[tuple[Op, Mapping]] = [
        (
            Conv2d(weights(4, 2, 3, 3, seed=1), weights(4, seed=2), padding=(1, 1)),
            layout(4, pixels, SynapseMapping(18, in_columns=pixels, buffer_storage=Storage.LUT)),
        ),
        (
            MaxPool2d((2, 2), (2, 2)),
            layout(4, pixels // 2, SynapseMapping(in_columns=pixels)),
        ),
        (
            Conv2d(weights(2, 4, 2, 3, seed=3), None, stride=(1, 2), padding=(0, 2)),
            layout(1, 1, SynapseMapping(8, in_columns=2, buffer_storage=Storage.BLOCK)),
        ),
        (SumPool2d((2, 2), (1, 1)), layout(2, 2, SynapseMapping())),
        (Linear(weights(3, 8, seed=4)), layout(3, 1, SynapseMapping(2))),
    ]
    type = SpikeType((2, 8, 8), 1, 2)
    source = Input("x", type, lanes=2 * pixels, events=events)
    graph = Graph(Stage.MAPPED, (source,), (), (), 1)
    name, shape = "x", type.shape
    for index, (op, mapping) in enumerate(layers):
        shape = op_shape(op, shape)
        synapses = (Synapse(op, name),)
        name = f"layer{index}"
        node = Node(name, synapses, Requantize(1, 3), SpikeType(shape, 1, 3), mapping)
        graph = graph.with_nodes([*graph.nodes, node])
    output = (Output(name, Readout.LAST),)
    return size_queues(verify(Graph(graph.stage, graph.inputs, graph.nodes, output, 1)))


def layout(out_lanes: int, pixel_lanes: int, synapse: SynapseMapping) -> Mapping:
    return Mapping(out_lanes=out_lanes, pixel_lanes=pixel_lanes, synapses=(synapse,))


@pytest.mark.skipif(
    shutil.which("verilator") is None, reason="no verilator: sudo apt-get install -y verilator"
)
@pytest.mark.parametrize(("pixels", "events"), [(4, False), (2, True)])
def test_beats_of_several_pixels(pixels: int, events: bool, tmp_path: Path) -> None:
    graph = network(pixels, events)
    build = built(tmp_path / "build", graph)
    result = check.simulate(build, frames_of(graph, FRAMES))
    assert (result.frames, result.mismatches) == (FRAMES, 0)
    assert result.nodes_checked == len(graph.nodes)
    assert result.cycles is not None
    if not events:  # as many beats as there are spikes
        predicted = predict(graph)
        assert result.cycles.latency_max == predicted.latency_cycles
        assert result.cycles.interval_mean == predicted.interval_cycles
