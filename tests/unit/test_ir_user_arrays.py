"""Arrays as users give them: by input, with or without axes of length 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from e3ne import reference
from e3ne.data import with_steps
from e3ne.ir import BadInput, Graph, Input, Node, Output, Readout, Relay, SpikeType, Stage, Synapse
from e3ne.ir.ops import Identity
from e3ne.ir.user_arrays import as_frames, input_arrays
from e3ne.lower.calibrate import checked_calibration

SIGNAL = SpikeType((3, 1, 4), 1, 4)
TRAINS = SpikeType((3, 1, 4), 2, 1)
LEFT, RIGHT = Input("left", SIGNAL), Input("right", TRAINS)


@pytest.mark.parametrize("shape", [(5, 3, 4), (5, 3, 1, 4), (5, 1, 3, 1, 4), (5, 1, 3, 4)])
def test_axes_of_length_one_may_be_missing_or_too_many(shape: tuple[int, ...]) -> None:
    x = np.arange(60).reshape(shape)
    found = as_frames(SIGNAL, x)
    assert found is not None
    assert found.shape == (5, 1, 3, 1, 4)
    np.testing.assert_array_equal(found.reshape(-1), np.arange(60))


@pytest.mark.parametrize(("type", "shape"), [(SIGNAL, (5, 12)), (TRAINS, (5, 2, 12))])
def test_images_may_be_flattened(type: SpikeType, shape: tuple[int, ...]) -> None:
    x = np.arange(np.prod(shape)).reshape(shape)
    found = as_frames(type, x)
    assert found is not None
    assert found.shape == (5, type.steps, 3, 1, 4)
    np.testing.assert_array_equal(found.reshape(-1), np.arange(x.size))


@pytest.mark.parametrize("shape", [(5, 4, 3), (5, 6, 2), (3, 4), (5, 2, 3, 4), (60,), ()])
def test_other_shapes_do_not_fit(shape: tuple[int, ...]) -> None:
    assert as_frames(SIGNAL, np.zeros(shape)) is None


def test_steps_come_before_the_channels() -> None:
    assert as_frames(TRAINS, np.zeros((5, 2, 3, 4))) is not None
    assert as_frames(TRAINS, np.zeros((5, 3, 2, 4))) is None


def test_every_door_takes_them() -> None:
    x = np.arange(1.0, 61).reshape(5, 3, 4)
    node = Node("n", (Synapse(Identity(), "left"),), Relay(), SpikeType(SIGNAL.shape))
    source = Input("left", SpikeType(SIGNAL.shape))
    graph = Graph(Stage.FLOAT, (source,), (node,), (Output("n", Readout.LAST),))
    for found in (
        with_steps(LEFT, x),
        reference.checked_input(source, x),
        *checked_calibration(graph, x),
    ):
        assert found.shape == (5, 1, 3, 1, 4)
        np.testing.assert_array_equal(found.reshape(-1), x.reshape(-1))


@pytest.mark.parametrize("kind", [tuple, list, dict])
def test_several_inputs(kind: Any) -> None:
    a, b = np.zeros((2, 3)), np.ones((2, 4))
    x = {"right": b, "left": a} if kind is dict else kind((a, b))
    found = input_arrays("x", (LEFT, RIGHT), x)
    assert [array.shape for array in found] == [(2, 3), (2, 4)]


def test_one_input_takes_an_array_a_list_a_tuple_of_one_or_a_dict() -> None:
    x = np.zeros((2, 3))
    for given in (x, list(x), (x,), {"left": x}):
        (found,) = input_arrays("x", (LEFT,), given)
        assert found.shape == (2, 3)


@pytest.mark.parametrize(
    ("inputs", "x", "message"),
    [
        (
            (LEFT, RIGHT),
            np.zeros((2, 3)),
            "x: found one array, accepted 2: left, right; give a tuple in this order or a dict",
        ),
        ((LEFT, RIGHT), (np.zeros(2),), "x: found 1 arrays, accepted 2: left, right"),
        ((LEFT,), (np.zeros(2), np.zeros(2)), "x: found 2 arrays, accepted 1: left"),
        (
            (LEFT, RIGHT),
            {"left": np.zeros(2), "wrong": np.zeros(2)},
            "x: found arrays for left, wrong, accepted 2: left, right",
        ),
        (
            (LEFT, RIGHT),
            (np.zeros(2), np.zeros(3)),
            "x: found 2, 3 frames, accepted as many for each input",
        ),
    ],
)
def test_arrays_that_do_not_match_the_inputs(inputs: Any, x: Any, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        input_arrays("x", inputs, x)
    assert str(caught.value) == message
