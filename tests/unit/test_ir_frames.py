"""What the ports of a network are called, and what they carry."""

from __future__ import annotations

import numpy as np
import pytest

from e3ne.cost import port_cycles, predict
from e3ne.ir import Graph, Input, Output, Readout, SpikeType, UnsupportedModel, verify
from e3ne.ir.frames import input_ports, is_image, output_format, output_ports
from e3ne.reference import read_out
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
