"""Labels belong to the first output: one a frame, or one a pixel of an image."""

from __future__ import annotations

import numpy as np
import pytest

from e3ne.check import checked_labels
from e3ne.ir import (
    BadInput,
    Graph,
    Identity,
    Input,
    Node,
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    Synapse,
)


def network(*shape: int) -> Graph:
    type = SpikeType(shape, 1, 4)
    node = Node("n", (Synapse(Identity(), "x"),), Relay(), type)
    return Graph(Stage.INTEGER, (Input("x", type),), (node,), (Output("n", Readout.LAST),))


@pytest.mark.parametrize(
    ("shape", "given", "found"),
    [
        ((3,), (5,), (5,)),
        ((3, 1, 1), (5,), (5,)),
        ((3, 2, 4), (5, 2, 4), (5, 2, 4)),
        ((3, 1, 4), (5, 1, 4), (5, 1, 4)),
        ((3, 1, 4), (5, 4), (5, 1, 4)),
    ],
)
def test_labels_that_fit(
    shape: tuple[int, ...], given: tuple[int, ...], found: tuple[int, ...]
) -> None:
    assert checked_labels(network(*shape), np.zeros(given, int)).shape == found


@pytest.mark.parametrize(
    ("shape", "given", "accepted"),
    [
        ((3,), (5, 2), "(frames); give one label a frame"),
        ((3, 2, 4), (5,), "(frames, 2, 4); give one label a frame and pixel"),
        ((3, 2, 4), (5, 4, 2), "(frames, 2, 4); give one label a frame and pixel"),
    ],
)
def test_labels_of_another_shape(
    shape: tuple[int, ...], given: tuple[int, ...], accepted: str
) -> None:
    with pytest.raises(BadInput) as caught:
        checked_labels(network(*shape), np.zeros(given, int))
    assert str(caught.value) == f"data: y: found labels of shape {given}, accepted {accepted}"


@pytest.mark.parametrize("shape", [(3,), (3, 2, 2)])
@pytest.mark.parametrize("label", [-1, 3])
def test_labels_that_are_no_class(shape: tuple[int, ...], label: int) -> None:
    with pytest.raises(BadInput, match=r"accepted 0 \.\. 2, one of 3 classes; count the labels"):
        checked_labels(network(*shape), np.full((5, *shape[1:]), label))
