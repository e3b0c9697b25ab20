"""Small synapses of the LOGIC engine: every line of it counts in one of them."""

from __future__ import annotations

import numpy as np

from e3ne.cost.logic_clock import logic_cycles
from e3ne.ir import (
    Conv2d,
    Engine,
    Graph,
    Linear,
    Mapping,
    Op,
    SpikeType,
    SynapseMapping,
    frozen,
)
from e3ne.ir.geometry import whole_elements
from e3ne.ir.logic_plan import synapse_plan

from .engine_zoo import BOTH, NONE, SLOW_SINK, SLOW_SOURCE, Pauses, conv, integers
from .test_synapse_units import check, mapped

Case = tuple[Op, SpikeType, Mapping, int, Pauses]


def logic(
    op: Linear | Conv2d,
    step_lanes: int = 1,
    bit_lanes: int | None = None,
    pixel_lanes: int = 1,
    in_columns: int = 1,
) -> Mapping:
    """A mapping of a node with one LOGIC synapse."""
    lanes = SynapseMapping(whole_elements(op), step_lanes, bit_lanes, in_columns)
    return Mapping(Engine.LOGIC, len(op.weight), pixel_lanes, (lanes,))


def thinned(seed: int, shape: tuple[int, ...]) -> Linear:
    """Weights -1, 0 and 1 of which most are 0."""
    random = np.random.default_rng(seed)
    weight = random.integers(-1, 2, shape) * (random.random(shape) < 0.4)
    return Linear(frozen(weight, np.int64), integers(seed, shape[:1], 9))


def vectors() -> list[Case]:
    """Bits, small and large integers with and without a sign; all at once or in parts."""
    one = Linear(integers(1, (5, 9)), integers(2, (5,), 90))
    wide = Linear(integers(3, (3, 6), 90), integers(4, (3,), 90))
    thin = thinned(4, (5, 20))
    deep = Linear(frozen([[1] + 23 * [0], [85] * 24], np.int64))  # one sum waits for the other
    few = Linear(frozen([[-1, 64], [-4, 0], [1, -128], [0, -1]], np.int64))
    return [
        (one, SpikeType((9,), 1, 1), logic(one), 1, NONE),
        (one, SpikeType((9,), 1, 2), logic(one), 1, SLOW_SINK),
        (one, SpikeType((9,), 1, 4, True), logic(one), 1, BOTH),
        (wide, SpikeType((6,), 1, 8, True), logic(wide), 1, SLOW_SOURCE),
        (wide, SpikeType((6,), 2, 6), logic(wide, 2), 2, NONE),
        (one, SpikeType((9,), 2, 3, True), logic(one, 1), 2, SLOW_SINK),
        (deep, SpikeType((24,), 1, 5), logic(deep), 1, NONE),
        (few, SpikeType((2,), 1, 5), logic(few), 1, BOTH),
        (few, SpikeType((2,), 1, 8, True), logic(few, 1, 4), 1, BOTH),
        (wide, SpikeType((6,), 4, 6), logic(wide, 1, 2), 4, NONE),
        (one, SpikeType((9,), 1, 4), logic(one, 1, 1), 1, BOTH),
        (one, SpikeType((9,), 1, 4, True), logic(one, 1, 1), 1, NONE),
        (one, SpikeType((9,), 4, 4, True), logic(one, 2, 2), 4, SLOW_SINK),
        (one, SpikeType((9,), 4, 1), logic(one, 1), 4, SLOW_SOURCE),
        (one, SpikeType((9,), 4, 1), logic(one, 2), 2, NONE),
        (wide, SpikeType((2, 3, 1), 2, 3), logic(wide, 1, 3), 2, BOTH),
        (thin, SpikeType((20,), 1, 1), logic(thin), 1, NONE),
        (thin, SpikeType((20,), 1, 2), logic(thin), 1, NONE),
    ]


def images() -> list[Case]:
    """Sliding windows: geometries, several pixels at once, several columns taken at once."""
    padded = conv(11, (3, 2, 3, 3), True, padding=(1, 1))
    spread = conv(12, (2, 2, 2, 2), dilation=(1, 2), stride=(2, 1))
    stepped = conv(13, (2, 1, 2, 3), True, stride=(1, 2))
    point = conv(14, (4, 3, 1, 1), True)
    deep = conv(15, (4, 1, 2, 2), True, groups=2)
    channels = conv(16, (3, 1, 1, 1), groups=3)
    return [
        (padded, SpikeType((2, 4, 4), 1, 2), logic(padded), 1, NONE),
        (padded, SpikeType((2, 4, 4), 1, 4), logic(padded, 1, 1), 1, NONE),
        (padded, SpikeType((2, 4, 4), 1, 4, True), logic(padded, 1, 2, 2, 2), 1, BOTH),
        (padded, SpikeType((2, 4, 4), 2, 1), logic(padded, 1, None, 4, 4), 2, NONE),
        (spread, SpikeType((2, 4, 6), 1, 1), logic(spread, 1, None, 2), 1, SLOW_SINK),
        (stepped, SpikeType((1, 3, 9), 1, 3), logic(stepped, 1, 1, 2), 1, SLOW_SOURCE),
        (point, SpikeType((3, 2, 3), 1, 2), logic(point), 1, BOTH),
        (deep, SpikeType((2, 3, 3), 1, 2), logic(deep, 1, None, 2), 1, NONE),
        (channels, SpikeType((3, 2, 2), 1, 2, True), logic(channels), 1, BOTH),
    ]


def check_logic(cases: list[Case]) -> None:
    """Equal to the reference; without pauses a window takes the cycles of the formula, and a
    lone vector leaves when the plan says."""
    for seed, (op, source, mapping, window, pauses) in enumerate(cases):
        graph = mapped(op, source, mapping, window)
        run = check(graph, 4, seed, pauses, limit_cycles=1_500)
        if pauses == NONE:
            words = len(run.sinks[0].cycles) // 4
            ends = run.sinks[0].cycles[words - 1 :: words]
            assert ends[3] - ends[2] == source.steps // window * window_cycles(graph)
            if isinstance(op, Linear):
                latency = run.sinks[0].cycles[0] - run.sources[0].cycles[0]
                assert latency == synapse_plan(graph, graph.nodes[0], 0).latency_cycles


def window_cycles(graph: Graph) -> int:
    """Cycles of a window where nothing is missing."""
    return max(logic_cycles(graph, graph.nodes[0], 0))
