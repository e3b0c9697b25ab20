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
from tests.random_frames import sparse_frames_of

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
    type = SpikeType((neurons,), steps, bits, signed)
    layers = (
        ("first", "x", (outputs, neurons), out_lanes, (in_lanes, step_lanes)),
        ("second", "first", (2, outputs), 2, (2, 1)),
    )
    nodes = tuple(
        Node(
            name,
            (Synapse(Linear(integers(seed, shape)), source),),
            IntegrateFire(3, ONE, ONE, membrane_bits=12),
            SpikeType(shape[:1], steps, 1),
            Mapping(Engine.EVENT, lanes, 1, (SynapseMapping(*own, lane_rows=True),)),
        )
        for seed, (name, source, shape, lanes, own) in enumerate(layers, start=61)
    )
    output = Output("second", Readout.COUNT)
    inputs = (Input("x", type, lanes=word),)
    return verify(Graph(Stage.MAPPED, inputs, nodes, (output,), window))


def lane_frames(graph: Graph, share: float, seed: int) -> np.ndarray:
    """Four frames, about `share` of whose elements are not zero; the second one is all zero."""
    x = sparse_frames_of(graph, 4, share, seed)
    x[1] = 0
    return x
