"""Predicted cycles are the counted ones: whole random networks on all engines, every frame.

Loops of images, ports of all kinds, streams: test_schedule.py, test_streaming_ports.py.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from e3ne.cost import predict
from e3ne.cost.exact import follows_data
from e3ne.cost.flow import run_flow, run_interval
from e3ne.ir import Engine
from e3ne.reference import run as reference_run
from tests.strategies import draw_frames

from .core_runs import check_core
from .engine_graphs import engine_graphs
from .engine_zoo import BOTH, SLOW_SINK
from .lane_cases import LANE_ROWS, lane_frames, lane_rows
from .test_schedule import run_frames

FRAMES = 3
MANY = 36  # frames, in which most networks repeat themselves several times
ALWAYS = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


def check_exact(graph, x):
    """Each frame's end in a row of frames, and what is predicted of the first one alone."""
    starts, ends = run_frames(graph, x)
    trains = reference_run(graph, x)
    run = run_flow(graph, list(range(len(x))), trains)
    assert run is not None
    assert [end - run.starts[0] for end in run.ends] == [end - starts[0] for end in ends]

    first = {name: train[:1] for name, train in trains.items()}
    predicted = predict(graph, trains=first)
    assert predicted.latency_cycles == ends[0] - starts[0] + 1
    if not follows_data(graph):
        assert predict(graph).latency_worst_cycles == predicted.latency_cycles
        check_interval(graph, predicted.interval_cycles)


def check_interval(graph, interval_cycles):
    """The interval is that of many frames, where one that lasts is found among these."""
    limit = 10_000 * MANY
    found = run_interval(graph, None, MANY // 4, limit)
    if found.lasts:
        ends = run_flow(graph, [0] * MANY).ends
        counted = (ends[-1] - ends[MANY // 2 - 1]) / (MANY // 2)
        assert found.cycles == pytest.approx(counted, abs=0.05 * counted)  # a part of a period
        assert interval_cycles == math.ceil(found.cycles)


@settings(ALWAYS)
@given(st.data())
def test_cycles_of_networks_on_all_engines(data):
    graph = data.draw(engine_graphs(max_nodes=3))
    x = draw_frames(data.draw, graph, FRAMES)
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    share = data.draw(st.sampled_from([0.1, 0.4, 1.0]))
    check_exact(graph, x * (random.random(x.shape) < share))


@pytest.mark.parametrize("case", LANE_ROWS)
def test_cycles_of_lanes_with_their_own_events(case):
    for seed, (share, pauses) in enumerate(((0.4, BOTH), (1.0, SLOW_SINK))):
        graph = lane_rows(case, signed=case[-1] == 3)
        x = lane_frames(graph, share, seed)
        check_exact(graph, x)
        check_core(graph, x, pauses, seed, limit_cycles=3_000)


@settings(ALWAYS, max_examples=3)
@given(st.data())
def test_mean_and_worst_of_frames(data):
    """The latency of frames is the mean of each alone; the worst is that of frames of ones."""
    graph = data.draw(
        engine_graphs(max_nodes=2, recurrent=False).filter(
            lambda graph: any(n.mapping.engine is Engine.EVENT for n in graph.nodes)
        )
    )
    x = draw_frames(data.draw, graph, 3)
    x[1] = 0
    trains = reference_run(graph, x)
    alone = [run_frames(graph, x[k : k + 1]) for k in range(3)]
    latencies = [ends[0] - starts[0] + 1 for starts, ends in alone]
    predicted = predict(graph, trains=trains)
    assert predicted.latency_cycles == math.ceil(np.mean(latencies))
    assert predicted.latency_p50_cycles == math.ceil(np.median(latencies))
    assert max(latencies) <= predicted.latency_worst_cycles == predict(graph).latency_cycles
