"""Parameters as the words in which neurons travel."""

from __future__ import annotations

import numpy as np
import pytest

from e3ne.ir import SpikeType, frozen
from e3ne.ir.order import to_words
from e3ne.ir.parameters import parameter_words

SHAPES = [((6,), 1), ((6,), 3), ((4, 2, 3), 1), ((4, 2, 3), 2), ((4, 2, 3), 4), ((4, 2, 3), 12)]


@pytest.mark.parametrize(("shape", "lanes"), SHAPES)
@pytest.mark.parametrize("kind", ["scalar", "channels", "neurons"])
def test_every_word_finds_what_its_neurons_need(
    shape: tuple[int, ...], lanes: int, kind: str
) -> None:
    size = {"scalar": (), "channels": shape[:1], "neurons": shape}[kind]
    values = np.arange(1, np.prod(size, dtype=int) + 1).reshape(size)
    parameter = int(values) if kind == "scalar" else frozen(values, np.int64)
    words = parameter_words(parameter, SpikeType(shape), lanes)
    each = values.reshape(*size, *(1,) * (len(shape) - len(size)))
    wanted = to_words(np.broadcast_to(each, (1, 1, *shape)), shape, lanes, 1)[0, :, :, 0]
    assert len(wanted) % len(words) == 0
    np.testing.assert_array_equal(np.tile(words, (len(wanted) // len(words), 1)), wanted)


@pytest.mark.parametrize(
    ("values", "lanes", "words"),
    [
        ([5, 5, 5, 5], 1, 1),  # all alike
        ([5, 6, 5, 6], 1, 2),  # shorter than the channels
        ([5, 6, 5, 6], 2, 1),
        ([5, 6, 7, 8], 2, 2),
        ([5, 6, 5, 7], 1, 4),
    ],
)
def test_words_are_as_few_as_they_can_be(values: list[int], lanes: int, words: int) -> None:
    type = SpikeType((4, 1, 3))
    assert len(parameter_words(frozen(values, np.int64), type, lanes)) == words


def test_channels_that_lanes_do_not_divide() -> None:
    found = parameter_words(frozen([1, 2, 3], np.int64), SpikeType((3, 1, 4)), 2)
    assert found.tolist() == [[1, 2], [3, 1], [2, 3]]
