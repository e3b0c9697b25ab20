"""Pipelines of unequal stages: frames back to back take as long as the slowest stage, no more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

from e3ne.cost import frame_interval
from e3ne.cost.flow import run_flow
from e3ne.ir import (
    Conv2d,
    Graph,
    Identity,
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
    Synapse,
    SynapseMapping,
    frozen,
    verify,
)
from e3ne.optimize.size_queues import size_queues

from .test_schedule import run_frames
from .unequal_chains import unequal_chains

QUICK = (Phase.explicit, Phase.reuse, Phase.generate)
FRAMES = 12


def interval(ends: list[int]) -> float:
    return (ends[-1] - ends[-5]) / 4


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICK)
@given(unequal_chains())
def test_no_cycle_is_lost_between_unequal_stages(graph):
    queued = size_queues(graph)
    assert interval(run_flow(queued, [0] * FRAMES).ends) == frame_interval(queued)


def ones(*shape: int) -> np.ndarray:
    return frozen(np.ones(shape), np.int64)


def chain() -> Graph:
    """A slow convolution behind one that sends nothing, and then more than it can take."""
    ops: list[Op] = [Conv2d(ones(2, 1, 3, 3)), MaxPool2d((2, 2), (2, 2))]
    ops += [Conv2d(ones(4, 2, 3, 3)), Linear(ones(3, 16))]
    shapes = [(2, 8, 8), (2, 4, 4), (4, 2, 2), (3,)]
    mappings = [
        Mapping(out_lanes=2, pixel_lanes=2, synapses=(SynapseMapping(9, in_columns=2),)),
        Mapping(out_lanes=2, synapses=(SynapseMapping(in_columns=2),)),
        Mapping(out_lanes=1, synapses=(SynapseMapping(9),)),
        Mapping(out_lanes=3, synapses=(SynapseMapping(4),)),
    ]
    source, name, nodes = Input("x", SpikeType((1, 10, 10), 1, 2), lanes=2), "x", []
    for index, (op, shape) in enumerate(zip(ops, shapes, strict=True)):
        type = SpikeType(shape, 1, 2)
        synapses = (Synapse(op, name),)
        name = f"n{index}"
        nodes.append(Node(name, synapses, Requantize(1, 4), type, mappings[index]))
    output = Output(name, Readout.LAST)
    return verify(Graph(Stage.MAPPED, (source,), tuple(nodes), (output,), 1))


def skip() -> Graph:
    """A branch of slow layers joins the input itself, several frames later."""
    type = SpikeType((12,), 1, 2)
    source, name, nodes = Input("x", type, lanes=4), "x", []
    layout = Mapping(out_lanes=4, synapses=(SynapseMapping(3),))
    for index in range(4):
        synapses = (Synapse(Linear(ones(12, 12)), name),)
        name = f"n{index}"
        nodes.append(Node(name, synapses, Requantize(1, 4), type, layout))
    both = (Synapse(Identity(), name), Synapse(Identity(), "x"))
    layout = replace(layout, synapses=(SynapseMapping(), SynapseMapping()))
    nodes.append(Node("join", both, Requantize(1, 1), type, layout))
    output = Output("join", Readout.LAST)
    return verify(Graph(Stage.MAPPED, (source,), tuple(nodes), (output,), 1))


def counted(graph: Graph) -> float:
    type = graph.inputs[0].type
    x = np.random.default_rng(0).integers(0, 4, (FRAMES, 1, *type.shape))
    return interval(run_frames(graph, x)[1])


def test_the_hardware_loses_none_either():
    queued = size_queues(chain())
    assert counted(queued) == frame_interval(queued)


def test_frames_in_flight_wait_beside_a_long_branch():
    queued = size_queues(skip())
    assert queued.inputs[0].queue_words
    assert counted(queued) == frame_interval(queued)
    without = interval(run_flow(skip(), [0] * FRAMES).ends)
    assert without > frame_interval(queued)
