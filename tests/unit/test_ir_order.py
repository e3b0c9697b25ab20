"""Wire order: by hand, and back again."""

from __future__ import annotations

import numpy as np
import pytest

from e3ne.ir.order import from_wire, from_words, to_wire, to_words, wire_index


def test_an_image_travels_row_by_row_column_by_column_channel_by_channel() -> None:
    channels, rows, columns = 2, 2, 3
    image = np.arange(12).reshape(channels, rows, columns)
    # (row, column): both channels of the first pixel, then of the next one.
    assert to_wire(image, image.shape).tolist() == [0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11]
    assert wire_index(image.shape).tolist() == [0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11]


def test_a_vector_travels_as_it_is() -> None:
    values = np.arange(10).reshape(2, 5)
    assert to_wire(values, (5,)).tolist() == values.tolist()
    assert from_wire(values, (5,)).tolist() == values.tolist()
    assert wire_index((5,)).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("shape", [(6,), (2, 3, 4), (5, 1, 1), (1, 2, 2)])
def test_wire_order_and_back(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, 99, (3, 4, *shape))
    wire = to_wire(values, shape)
    assert wire.shape == (3, 4, np.prod(shape))
    np.testing.assert_array_equal(from_wire(wire, shape), values)
    flat = values.reshape(3, 4, -1)
    np.testing.assert_array_equal(flat[..., wire_index(shape)], wire)


def test_words_by_hand() -> None:
    """2 steps of 4 elements, 2 lanes: both steps of an element travel in its word."""
    values = np.array([[[0, 1, 2, 3], [10, 11, 12, 13]]])
    whole = to_words(values, (4,), lanes=2, steps_in_window=2)
    assert whole.tolist() == [[[[0, 10], [1, 11]], [[2, 12], [3, 13]]]]
    single = to_words(values, (4,), lanes=2, steps_in_window=1)
    assert single.tolist() == [[[[0], [1]], [[2], [3]], [[10], [11]], [[12], [13]]]]


@pytest.mark.parametrize("steps_in_window", [1, 2, 3, 6])
@pytest.mark.parametrize(
    ("shape", "lanes"), [((6,), 1), ((6,), 3), ((2, 3, 4), 2), ((2, 3, 4), 8), ((4, 1, 1), 4)]
)
def test_words_and_back(shape: tuple[int, ...], lanes: int, steps_in_window: int) -> None:
    values = np.random.default_rng(1).integers(0, 99, (3, 6, *shape))
    words = to_words(values, shape, lanes, steps_in_window)
    windows = 6 // steps_in_window
    assert words.shape == (3, windows * np.prod(shape) // lanes, lanes, steps_in_window)
    np.testing.assert_array_equal(from_words(words, shape, 6), values)
