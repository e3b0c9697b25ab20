"""Address events: frames to beats and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e3ne.config import parse_config
from e3ne.ir import BadInput, Graph, Input, SpikeType, UnsupportedModel, verify
from e3ne.ir.events import NO_EVENT, event_problems, from_events, to_events
from e3ne.ir.frames import frame_beats, input_format, input_words
from e3ne.optimize import with_ports
from tests.small_networks import convolution, spiking


def as_events(graph: Graph) -> Graph:
    inputs = tuple(replace(source, events=True, lanes=2) for source in graph.inputs)
    return replace(graph, inputs=inputs)


def test_an_event_is_its_step_above_its_place_in_wire_order() -> None:
    type = SpikeType((2, 2, 3), steps=3, bits=2)
    values = np.zeros((3, 3, 2, 2, 3), np.int64)
    values[0, 2, 1, 0, 2] = 1  # channel 1 of row 0, column 2: place 5
    values[0, 1, 0, 1, 0] = 2  # channel 0 of row 1, column 0: place 6, twice
    values[2, 0, 0, 0, 0] = 1
    beats, lengths = to_events(type, values)
    assert beats.dtype == np.uint32
    assert [hex(beat) for beat in beats] == [
        "0x100006",
        "0x100006",
        "0x200005",
        hex(NO_EVENT),
        "0x0",
    ]
    assert lengths.tolist() == [3, 1, 1]


@given(st.data())
def test_events_become_the_same_frames(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from([(5,), (2, 3, 2), (1, 1, 4)]))
    type = SpikeType(shape, data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3)))
    seed, share = data.draw(st.integers(0, 99)), data.draw(st.sampled_from([0.0, 0.3, 1.0]))
    random = np.random.default_rng(seed)
    values = random.integers(0, type.high + 1, (3, type.steps, *shape))
    values *= random.random(values.shape) < share
    np.testing.assert_array_equal(from_events(type, *to_events(type, values)), values)


def test_too_many_events_of_one_place_count_up_to_the_largest_value() -> None:
    beats, lengths = np.zeros(9, np.uint32), np.array([9])
    assert from_events(SpikeType((1,), 1, 1), beats, lengths).item() == 1
    assert from_events(SpikeType((1,), 1, 3), beats, lengths).item() == 7
    assert from_events(SpikeType((1,), 1, 4), beats, lengths).item() == 9


def test_beats_of_a_mapped_network() -> None:
    graph = verify(as_events(spiking()))
    source = graph.inputs[0]
    form = input_format(graph, source)
    assert (form.events, form.beat_bytes, form.beats_per_frame) == (True, 4, 1)
    values = np.zeros((2, source.type.steps, *source.type.shape), np.int64)
    values[1, 1].flat[3] = 1
    beats, lengths = frame_beats(graph, source, values)
    assert beats.tolist() == [[255] * 4, [3, 0, 16, 0]]
    assert lengths.tolist() == [1, 1]
    dense = replace(graph, inputs=(replace(source, events=False),))
    _, lengths = frame_beats(dense, dense.inputs[0], values)
    assert lengths.tolist() == [input_words(graph, source)] * 2


@pytest.mark.parametrize(
    ("type", "found"),
    [
        (SpikeType((4,), 1, 4, signed=True), "found events on an edge of 4 signed bits"),
        (SpikeType((4,), 1, 9), "found events on an edge of 9 bits, accepted unsigned edges of at"),
        (SpikeType((4,), 4097, 1), "found events of 4097 steps"),
        (SpikeType((1 << 20,), 1, 1), "and 1,048,576 places, accepted at most 4096 and 1,048,575"),
    ],
)
def test_edges_that_take_no_events(type: SpikeType, found: str) -> None:
    (problem,) = event_problems(Input("x", type, events=True))
    assert found in problem


def test_the_configuration_says_which_inputs_take_events() -> None:
    graph = spiking()
    assert not with_ports(graph, parse_config({})).inputs[0].events
    assert with_ports(graph, parse_config({"input": {"events": True}})).inputs[0].events
    named = parse_config({"input": {graph.inputs[0].name: {"events": True}}})
    assert with_ports(graph, named).inputs[0].events
    with pytest.raises(BadInput, match=r"config.input_lanes: found 3, accepted 1, 2, 4, 8"):
        with_ports(graph, parse_config({"input": {"events": True}, "input_lanes": 3}))
    signed = replace(graph.inputs[0], type=replace(graph.inputs[0].type, bits=4, signed=True))
    with pytest.raises(BadInput, match="found events on an edge of 4 signed bits"):
        with_ports(replace(graph, inputs=(signed,)), parse_config({"input": {"events": True}}))


def test_lanes_of_events_are_powers_of_two() -> None:
    graph = as_events(convolution())
    source = replace(graph.inputs[0], lanes=3, type=replace(graph.inputs[0].type))
    with pytest.raises(UnsupportedModel, match="found 3 lanes of events, accepted 1, 2, 4"):
        verify(replace(graph, inputs=(source,)))
