"""Networks whose every node is LOGIC: in Verilator every number equals, cycles are as predicted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from e3ne import check
from e3ne.cost import predict
from e3ne.ir import (
    ONE,
    Conv2d,
    Graph,
    Input,
    IntegrateFire,
    Linear,
    Node,
    Output,
    Readout,
    Relay,
    Requantize,
    SpikeType,
    Stage,
    Synapse,
    verify,
)
from tests.random_frames import frames_of
from tests.rtl.logic_cases import logic
from tests.small_networks import built, weights

FRAMES = 40


def radix(bit_lanes: int | None, pixel_lanes: int) -> Graph:
    """4-bit radix: a convolution of several pixels at once, a vector, the classes."""
    convolution = Conv2d(weights(3, 1, 3, 3, seed=1), weights(3, seed=2), padding=(1, 1))
    vector, classes = Linear(weights(4, 3 * 4 * 4, seed=3)), Linear(weights(3, 4, seed=4))
    nodes = (
        Node(
            "features.0",
            (Synapse(convolution, "x"),),
            Requantize(1, 3),
            SpikeType((3, 4, 4), 1, 4),
            logic(convolution, 1, bit_lanes, pixel_lanes, pixel_lanes),
        ),
        Node(
            "linear1",
            (Synapse(vector, "features.0"),),
            Requantize(1, 4),
            SpikeType((4,), 1, 2),
            logic(vector, 1, bit_lanes),
        ),
        Node(
            "linear2",
            (Synapse(classes, "linear1"),),
            Relay(),
            SpikeType((3,), 1, 8, True),
            logic(classes),
        ),
    )
    source = Input("x", SpikeType((1, 4, 4), 1, 4), lanes=pixel_lanes)
    output = (Output("linear2", Readout.LAST),)
    return verify(Graph(Stage.MAPPED, (source,), nodes, output, 1))


def rate(step_lanes: int) -> Graph:
    """Trains of eight steps through leaky neurons."""
    fires = IntegrateFire(4, ONE, ONE, membrane_bits=10)
    first, second = Linear(weights(7, 12, seed=5)), Linear(weights(3, 7, seed=6))
    nodes = (
        Node("a", (Synapse(first, "x"),), fires, SpikeType((7,), 8, 1), logic(first, step_lanes)),
        Node("b", (Synapse(second, "a"),), fires, SpikeType((3,), 8, 1), logic(second, step_lanes)),
    )
    source = Input("x", SpikeType((12,), 8, 1), lanes=4)
    return verify(Graph(Stage.MAPPED, (source,), nodes, (Output("b", Readout.COUNT),), 4))


@pytest.mark.skipif(
    shutil.which("verilator") is None, reason="no verilator: sudo apt-get install -y verilator"
)
@pytest.mark.parametrize("graph", [radix(1, 2), rate(2)], ids=["bits in turn", "steps in turn"])
def test_every_node_is_logic(graph: Graph, tmp_path: Path) -> None:
    build = built(tmp_path / "build", graph)
    result = check.simulate(build, frames_of(graph, FRAMES))
    assert (result.frames, result.mismatches) == (FRAMES, 0)
    assert result.nodes_checked == len(graph.nodes)
    predicted = predict(graph)
    assert result.cycles is not None
    # A frame that follows another walks its first padding while it waits.
    assert result.cycles.latency_max == predicted.latency_cycles
    assert round(result.cycles.interval_mean) == predicted.interval_cycles
