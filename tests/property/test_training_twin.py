"""The integer twin sends what the reference sends, at every node of random networks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e3ne import reference
from e3ne.config import parse_config
from e3ne.ir import Array, Encode, Graph, UnsupportedModel
from e3ne.lower import lower
from e3ne.training import walk
from e3ne.training.twin import Twin
from tests.property import lower_networks
from tests.property.loop_networks import loop_networks, trains
from tests.strategies import draw_frames, mapped_graphs
from tests.streaming_networks import NETWORKS, train

QUICK = settings(max_examples=150, deadline=None)
SEEDS = st.integers(0, 2**16)


def differing_nodes(twin: Twin, graph: Graph, inputs: tuple[Array, ...]) -> list[str]:
    """The nodes of which any integer differs, in graph order."""
    wanted, found = reference.run(graph, *inputs), twin.run(*inputs)
    assert list(wanted) == list(found)
    return [name for name in wanted if not np.array_equal(wanted[name], found[name].numpy())]


def as_tuple(frames: Any) -> tuple[Array, ...]:
    return frames if isinstance(frames, tuple) else (frames,)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), st.booleans())
def test_every_op_and_neuron(data: Any, streaming: bool) -> None:
    graph = data.draw(mapped_graphs(several=True))
    graph = replace(graph, streaming=streaming)
    frames = as_tuple(draw_frames(data.draw, graph, 3))
    assert differing_nodes(Twin(graph), graph, frames) == []


@pytest.mark.parametrize("name", NETWORKS)
def test_streams_whose_frames_are_one(name: str) -> None:
    graph = NETWORKS[name]
    assert differing_nodes(Twin(graph), graph, (train(graph),)) == []


def test_an_encoder_that_starts_anew_with_every_frame_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = NETWORKS["delta"]
    monkeypatch.setattr(walk, "goes_on", lambda neuron: not isinstance(neuron, Encode))
    assert differing_nodes(Twin(graph), graph, (train(graph),)) == ["delta", "lif"]


@QUICK
@given(loop_networks(), SEEDS)
def test_lowered_feedback_concatenations_and_delays(graph: Graph, seed: int) -> None:
    x = trains(graph, 4, seed)
    try:
        integer = lower(graph, tuple(x))
    except UnsupportedModel:  # a loop of sums alone
        return
    words = tuple(
        reference.encode_input(source, array)
        for source, array in zip(integer.inputs, x, strict=True)
    )
    assert differing_nodes(Twin(integer), integer, words) == []


@pytest.mark.parametrize("strategy", ["radix_networks", "spiking_networks"])
def test_lowered_networks_with_parameters_a_channel(strategy: str) -> None:
    @QUICK
    @given(getattr(lower_networks, strategy)(), SEEDS, st.booleans())
    def check(graph: Graph, seed: int, per_channel: bool) -> None:
        x = lower_networks.inputs(graph, 4, seed)
        config = parse_config({"default": {"per_channel": per_channel, "weight_bits": 5}})
        integer = lower(graph, x, config)
        words = reference.encode_input(
            integer.inputs[0], x.reshape(4, -1, *graph.inputs[0].type.shape)
        )
        assert differing_nodes(Twin(integer), integer, (words,)) == []

    check()
