"""What the ports of a network are called, and what they carry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e3ne.config import config_as_dict, parse_config
from e3ne.cost import port_cycles, predict
from e3ne.ir import (
    BadInput,
    Graph,
    Input,
    Output,
    OutputWords,
    Readout,
    SpikeType,
    Stage,
    UnsupportedModel,
    text,
    verify,
)
from e3ne.ir.frames import (
    OutputFormat,
    from_output_beats,
    input_format,
    input_ports,
    is_image,
    output_format,
    output_ports,
    to_beats,
    to_output_beats,
)
from e3ne.ir.port_rules import output_problems, port_problems
from e3ne.optimize.ports import with_ports
from e3ne.reference import read_out
from tests.port_networks import few_pins
from tests.small_networks import convolution, segmentation, two_inputs, two_outputs


def named(*names: str) -> Graph:
    graph = convolution()
    inputs = tuple(Input(name, SpikeType((1,), 1, 1)) for name in names)
    outputs = tuple(Output(name, Readout.LAST) for name in names)
    return Graph(graph.stage, inputs, graph.nodes, outputs, 1)


def test_one_port_has_no_name() -> None:
    assert input_ports(named("anything")) == ("s_axis",)
    assert output_ports(named("anything")) == ("m_axis",)


def test_names_are_legal_and_differ() -> None:
    graph = named("a.b", "a_b", "0", "a_b", "a_b_2", "spikes é")
    ends = ("a_b", "a_b_2", "0", "a_b_3", "a_b_2_2", "spikes__")
    assert input_ports(graph) == tuple(f"s_axis_{end}" for end in ends)
    assert output_ports(graph) == tuple(f"m_axis_{end}" for end in ends)


def test_an_image_has_no_class_word() -> None:
    head, shown = two_outputs().outputs
    assert output_format(two_outputs(), head).words == 4
    found = output_format(two_outputs(), shown)
    assert (found.words, found.has_class) == (32, False)
    assert [is_image(SpikeType(shape)) for shape in ((5,), (5, 1, 1), (5, 1, 2))] == [0, 0, 1]


@pytest.mark.parametrize("readout", list(Readout))
def test_the_classes_of_an_image_are_the_largest_channel_of_each_pixel(readout: Readout) -> None:
    trains = np.random.default_rng(0).integers(0, 4, (2, 3, 4, 5, 6))
    words, classes = read_out(Output("n", readout), {"n": trains})
    assert words.shape == (2, 4 * 5 * 6)
    np.testing.assert_array_equal(classes, words.reshape(2, 4, 5, 6).argmax(axis=1))


def test_the_slowest_port_bounds_the_interval() -> None:
    assert port_cycles(two_inputs()) == 16  # beats of the image
    assert port_cycles(segmentation()) == 2 * 11 * 11 + 1
    assert predict(segmentation()).interval_cycles >= 2 * 11 * 11 + 1


def test_an_output_that_is_an_input_is_refused() -> None:
    graph = convolution()
    outputs = (*graph.outputs, Output("x", Readout.LAST))
    with pytest.raises(UnsupportedModel) as caught:
        verify(Graph(graph.stage, graph.inputs, graph.nodes, outputs, 1))
    assert str(caught.value) == (
        "output x: found an input, the hardware accepts what a population sends; leave this "
        "output out"
    )


def test_lanes_of_every_input_divide_it() -> None:
    graph = two_inputs()
    left, right = graph.inputs
    wrong = Input(right.name, right.type, right.scale, lanes=4)
    with pytest.raises(UnsupportedModel) as caught:
        verify(Graph(graph.stage, (left, wrong), graph.nodes, graph.outputs, 1))
    assert str(caught.value) == "input right.x: found 4 lanes, accepted a divisor of its 6 elements"


def dense(type: SpikeType, lanes: int, window: int, packed: bool) -> Graph:
    source = Input("x", type, lanes=lanes, packed=packed)
    return Graph(Stage.MAPPED, (source,), (), (Output("x", Readout.LAST),), window)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_beats_hold_every_integer_at_its_place(data: st.DataObject) -> None:
    """Read back bit by bit, as docs/interfaces.md says where they are."""
    lanes, window = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 4))
    steps = window * data.draw(st.integers(1, 2))
    type = SpikeType((lanes, data.draw(st.integers(1, 3)), 1), steps, data.draw(st.integers(1, 9)))
    graph = dense(type, lanes, window, packed := data.draw(st.booleans()))
    form = input_format(graph, graph.inputs[0])
    field = type.bits * window if packed else 8 * -(-type.bits * window // 8)
    assert (form.field_bits, form.beat_bytes) == (field, -(-lanes * field // 8))
    values = np.random.default_rng(data.draw(st.integers(0, 99))).integers(
        type.low, type.high + 1, (2, steps, *type.shape)
    )
    beats = to_beats(graph, graph.inputs[0], values)
    assert beats.shape == (2, form.beats_per_frame, form.beat_bytes)
    back = np.zeros_like(values)
    rows = type.shape[1]
    for frame, beat, lane, step in np.ndindex(2, form.beats_per_frame, lanes, window):
        word = int.from_bytes(beats[frame, beat].tobytes(), "little")
        found = word >> (lane * field + step * type.bits) & (1 << type.bits) - 1
        back[frame, beat // rows * window + step, lane, beat % rows, 0] = found
    np.testing.assert_array_equal(back, values)


def test_packed_beats_of_the_networks_that_want_them() -> None:
    pixels = dense(SpikeType((784,), 1, 1), 98, 1, packed=True)
    form = input_format(pixels, pixels.inputs[0])
    assert (form.beats_per_frame, form.beat_bytes) == (8, 13)
    image = dense(SpikeType((16, 4, 4), 1, 4), 16, 1, packed=True)
    assert input_format(image, image.inputs[0]).beat_bytes == 8


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("class_only", [False, True])
def test_output_beats_come_back_as_words(bits: int, class_only: bool) -> None:
    form = OutputFormat(5, True, "last", 1.0, class_only, bits)
    random = np.random.default_rng(0)
    low, high = (0, 5) if class_only else (-(1 << 31), 1 << 31)
    words = random.integers(low, high, (4, form.words))
    beats = to_output_beats(form, words)
    assert beats.shape == (4, form.beats)
    assert form.beats == (1 if class_only else 6 * 32 // bits)
    assert beats.min() >= 0
    assert beats.max() < 1 << bits
    np.testing.assert_array_equal(from_output_beats(form, beats), words)
    if not class_only:
        assert beats[0, 0] == words[0, 0] & (1 << bits) - 1  # the lowest first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bits": 12}, "output head: found beats of 12 bits, accepted 8, 16 or 32"),
        (
            {"words": OutputWords.CLASS, "source": "shown"},
            "output shown: found an image, which has no class word, accepted words: all",
        ),
    ],
)
def test_what_outputs_cannot_be(change: dict[str, Any], message: str) -> None:
    graph = two_outputs()
    wrong = replace(graph.outputs[0], **change)
    with pytest.raises(UnsupportedModel) as caught:
        verify(replace(graph, outputs=(wrong, graph.outputs[1])))
    assert message in str(caught.value)


def test_classes_need_room_in_a_beat() -> None:
    output = Output("x", Readout.LAST, OutputWords.CLASS, 8)
    assert list(output_problems(output, SpikeType((256,)))) == []
    assert list(output_problems(output, SpikeType((257,)))) == [
        "output x: found 257 classes in one beat of 8 bits, accepted at most 256; take wider beats"
    ]


def test_events_are_not_packed() -> None:
    source = Input("x", SpikeType((4,)), events=True, packed=True)
    (problem,) = port_problems(source)
    assert problem.startswith("input x: found packed fields of events, accepted one of the two")


def test_the_ports_of_a_configuration() -> None:
    config = parse_config(
        {
            "input": {"packed": True},
            "output": {"bits": 16, "head": {"words": "class", "bits": 8}},
            "weight_port_bits": 32,
        }
    )
    found = with_ports(two_outputs(), config)
    assert [source.packed for source in found.inputs] == [True]
    assert [(o.words.value, o.bits) for o in found.outputs] == [("class", 8), ("all", 16)]
    assert found.weight_port_bits == 32
    assert "output head readout=mean words=class bits=8\n" in text(found)
    assert parse_config(config_as_dict(config)) == config


def test_a_configuration_without_ports_keeps_those_of_the_graph() -> None:
    graph = few_pins(two_outputs(), bits=16)
    assert with_ports(graph, parse_config({})) == graph


def test_what_a_configuration_cannot_have() -> None:
    with pytest.raises(BadInput) as caught:
        with_ports(
            two_outputs(),
            parse_config({"output": {"words": "class", "hat": {}}, "input": {"packed": True}}),
        )
    assert str(caught.value).splitlines() == [
        "config.output.hat: found no such output, accepted head (the nearest)",
        "output shown: found an image, which has no class word, accepted words: all",
    ]
    with pytest.raises(BadInput) as caught:
        parse_config({"output": {"bits": 12, "words": "some"}, "weight_port_bits": 24})
    assert str(caught.value).splitlines() == [
        "config.output.bits: found 12, accepted 8, 16, 32",
        "config.output.words: found 'some', accepted all or class",
        "config.weight_port_bits: found 24, accepted 8, 16, 32, 64",
    ]
