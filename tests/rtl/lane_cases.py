"""Networks whose input lanes follow their own events (`lane_rows`)."""

from __future__ import annotations

import numpy as np

from e3ne.ir import (
    ONE,
    Engine,
    Graph,
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
    verify,
)

from .engine_zoo import integers

LANE_ROWS = [  # elements, a word, in_lanes, steps, window, step_lanes, outputs, out_lanes, bits
    (10, 5, 3, 4, 1, 1, 4, 4, 1),
    (12, 4, 2, 4, 2, 1, 6, 2, 1),
    (9, 3, 3, 1, 1, 1, 4, 2, 3),
    (8, 1, 4, 4, 4, 2, 3, 3, 2),
]


def lane_rows(case: tuple[int, ...], signed: bool = False) -> Graph:
    """A Linear whose lanes follow their own events, and one behind it that reads its spikes so."""
    neurons, word, in_lanes, steps, window, step_lanes, outputs, out_lanes, bits = case
    source = Input("x", SpikeType((neurons,), steps, bits, signed), lanes=word)
    type = SpikeType((outputs,), steps, 1)
    first, second = (
        Mapping(Engine.EVENT, lanes, 1, (SynapseMapping(*own, lane_rows=True),))
        for lanes, own in ((out_lanes, (in_lanes, step_lanes)), (2, (2, 1)))
    )
    fires = IntegrateFire(3, ONE, ONE, membrane_bits=12)
    weights = integers(61, (outputs, neurons)), integers(62, (2, outputs))
    nodes = (
        Node("first", (Synapse(Linear(weights[0]), "x"),), fires, type, first),
        Node("second", (Synapse(Linear(weights[1]), "first"),), fires,
             SpikeType((2,), steps, 1), second),
    )  # fmt: skip
    output = Output("second", Readout.COUNT)
    return verify(Graph(Stage.MAPPED, (source,), nodes, (output,), window))


def lane_frames(graph: Graph, share: float, seed: int) -> np.ndarray:
    """Four frames, about `share` of whose elements are not zero; the second one is all zero."""
    type, random = graph.inputs[0].type, np.random.default_rng(seed)
    shape = (4, type.steps, *type.shape)
    x = random.integers(type.low, type.high + 1, shape) * (random.random(shape) < share)
    x[1] = 0
    return x
