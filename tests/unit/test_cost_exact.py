"""Predictions say whether they are exact, and of how many frames."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from e3ne.cost import activity, exact, predict
from e3ne.cost.flow import run_flow, run_interval
from e3ne.cost.predict import scheduled_latencies
from e3ne.cost.schedule import frame_latency
from e3ne.ir import (
    Graph,
    Identity,
    Input,
    Linear,
    Mapping,
    Node,
    Output,
    Readout,
    Requantize,
    SpikeType,
    Stage,
    Storage,
    Synapse,
    SynapseMapping,
    frozen,
    verify,
)
from e3ne.reference import run as reference_run
from tests.rtl.lane_cases import LANE_ROWS, lane_frames, lane_rows

GRAPH = lane_rows(LANE_ROWS[0])
FRAMES = np.concatenate([lane_frames(GRAPH, share, 1) for share in (0.2, 0.5, 0.9)])
TRAINS = reference_run(GRAPH, FRAMES)


def first(count: int) -> dict[str, np.ndarray]:
    return {name: train[:count] for name, train in TRAINS.items()}


def test_every_frame_where_there_is_time() -> None:
    found = predict(GRAPH, trains=TRAINS)
    assert (found.is_exact, found.frames) == (True, 12)


@pytest.mark.parametrize(("runs", "frames"), [(30, 12), (20, 10), (9, 4), (4, 2)])
def test_of_long_frames_the_first_ones(
    runs: int, frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = predict(GRAPH, trains=first(frames))
    parts = exact.PARTS_OF_NODE * len(GRAPH.nodes) + exact.PARTS_OF_PORTS
    longest = max(scheduled_latencies(GRAPH, TRAINS))  # not that of a frame without zeros
    assert longest < frame_latency(GRAPH)
    monkeypatch.setattr(exact, "MOST_PART_CYCLES", runs * parts * longest)
    found = predict(GRAPH, trains=TRAINS)
    assert (found.is_exact, found.frames) == (True, frames)
    assert found.latency_cycles == expected.latency_cycles
    assert found.latency_p50_cycles == expected.latency_p50_cycles


def test_estimates_of_frames_that_are_too_long_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "MOST_PART_CYCLES", 0)
    found = predict(GRAPH, trains=TRAINS)
    assert (found.is_exact, found.frames) == (False, 12)
    assert found.latency_cycles == math.ceil(np.mean(scheduled_latencies(GRAPH, TRAINS)))
    assert not predict(GRAPH, exact=False).is_exact


def three_paces() -> Graph:
    """Two inputs, of which one joins twice, and two outputs: every third frame takes longer."""

    def ones(inputs: int) -> Linear:
        return Linear(frozen(np.ones((2, inputs), np.int64), np.int64))

    layouts = SynapseMapping(4), SynapseMapping(1)
    first = Node(
        "first",
        (Synapse(ones(4), "a", 0, -3), Synapse(ones(1), "b")),
        Requantize(6, 7),
        SpikeType((2,), 1, 6, True),
        Mapping(out_lanes=2, synapses=layouts, queue_words=3, neuron_lanes=1),
    )
    last = Node(
        "last",
        (Synapse(Identity(), "first", 0, -3), Synapse(ones(1), "b")),
        Requantize(1, 1),
        SpikeType((2,), 1, 3, True),
        Mapping(out_lanes=2, synapses=(SynapseMapping(1),) * 2, queue_words=3),
    )
    inputs = (
        Input("a", SpikeType((4,), 1, 1), lanes=4),
        Input("b", SpikeType((1,), 1, 3), lanes=1),
    )
    outputs = (Output("last", Readout.LAST), Output("first", Readout.LAST))
    return verify(Graph(Stage.MAPPED, inputs, (first, last), outputs, 1))


def test_an_interval_that_changes_from_frame_to_frame_is_a_mean_over_all_of_them() -> None:
    """4, 4, 5, 4, 4, 5: two equal intervals in a row are not yet the interval."""
    graph = three_paces()
    many = run_flow(graph, [0] * 40)
    assert many is not None
    assert np.diff(many.ends)[:9].tolist() == [4, 4, 5] * 3
    found = exact.exact_cycles(graph, None, frame_latency(graph))
    assert found is not None
    assert found.interval == pytest.approx(13 / 3)
    assert predict(graph).is_exact


def test_an_interval_that_has_not_repeated_yet_is_an_estimate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = three_paces()
    found = run_interval(graph, None, 2, 1000)
    assert found is not None
    assert not found.lasts
    assert run_interval(graph, None, 24, 20) is None
    monkeypatch.setattr(exact, "MOST_FRAMES", 2)
    assert not predict(graph).is_exact


def test_a_search_works_out_once_what_layouts_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lanes decide what is asked of the trains; where memories lie does not."""
    asked = []
    slices = activity.slice_cycles
    monkeypatch.setattr(
        activity, "slice_cycles", lambda *found: asked.append(found) or slices(*found)
    )
    searched = activity.SearchedTrains(TRAINS)
    for storage in (Storage.AUTO, Storage.BLOCK):
        for in_lanes in (2, 3):
            nodes = [moved(node, storage, in_lanes) for node in GRAPH.nodes]
            graph = verify(GRAPH.with_nodes(nodes))
            alike = predict(graph, trains=TRAINS, exact=False)
            del asked[:]
            assert predict(graph, trains=searched, exact=False) == alike
            of_trains = [found for found in asked if found[3] is not None]
            assert bool(of_trains) == (storage is Storage.AUTO)


def moved(node: Node, storage: Storage, in_lanes: int) -> Node:
    """A node with other lanes where they follow their own events, its weights elsewhere."""
    assert node.mapping is not None
    synapses = tuple(
        replace(s, storage=storage, in_lanes=in_lanes if s.lane_rows else s.in_lanes)
        for s in node.mapping.synapses
    )
    return replace(node, mapping=replace(node.mapping, synapses=synapses))
