from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from e3ne.data import checked_frames, chunks, encoded, first_frames, load_frames, with_steps
from e3ne.ir import (
    BadInput,
    Graph,
    Input,
    Linear,
    Node,
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    frozen,
)

IMAGE = Input("x", SpikeType((1, 2, 2), 1, 4), 0.25)
TRAIN = Input("x", SpikeType((3,), 5, 1), 1.0)


def test_frames_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x=np.ones((4, 3)), y=np.arange(4, dtype=np.uint8))
    frames = load_frames(path)
    assert frames.x.shape == (4, 3)
    assert frames.y is not None
    assert frames.y.dtype == np.int64


def test_labels_may_be_missing(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.ones((4, 3)))
    assert load_frames(tmp_path / "data.npz").y is None


def test_several_inputs_have_an_array_each(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x_left=np.ones((4, 3)), x_right=np.zeros((4, 2)), y=np.zeros((4, 2, 2), int))
    frames = load_frames(path)
    assert {name: array.shape for name, array in frames.x.items()} == {  # type: ignore[union-attr]
        "left": (4, 3),
        "right": (4, 2),
    }
    assert frames.y is not None
    assert frames.y.shape == (4, 2, 2)


def test_x_and_x_of_an_input_exclude_each_other(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.ones((4, 3)), x_left=np.ones((4, 3)))
    with pytest.raises(BadInput, match=r"found arrays \['x', 'x_left'\], accepted x and y; name"):
        load_frames(tmp_path / "data.npz")


def test_problems_of_every_input_are_told() -> None:
    x = {"a": np.full((2, 3), np.nan), "b": np.ones((3, 1), complex)}
    with pytest.raises(BadInput) as caught:
        checked_frames("test", x, np.zeros(2, int))
    assert caught.value.problems == (
        "test: x_a: found NaN or infinite values, accepted finite ones",
        "test: x_b: found dtype complex128, accepted real numbers",
        "test: found 2, 3 frames, accepted as many for each input",
        "test: y: found shape (2,) of int64, accepted integers (3,), one label a frame (and pixel, "
        "where an image leaves)",
    )


@pytest.mark.parametrize("shape", [(2,), (2, 3, 4), (2, 1, 4), (2, 4)])
def test_labels_are_one_a_frame_or_one_a_pixel(shape: tuple[int, ...]) -> None:
    found = checked_frames("test", np.ones((2, 3)), np.zeros(shape, np.uint8)).y
    assert found is not None
    assert found.shape == shape


def test_first_frames_of_every_form() -> None:
    x = np.arange(6).reshape(3, 2)
    assert first_frames(x, 2).shape == (2, 2)  # type: ignore[union-attr]
    assert [len(array) for array in first_frames((x, x), 1)] == [1, 1]
    assert {n: len(array) for n, array in first_frames({"a": x}, None).items()} == {"a": 3}  # type: ignore[union-attr]


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 half of a zip"])
def test_files_that_are_no_npz(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"data\.npz: found no readable \.npz file") as caught:
        load_frames(path)
    assert "pickle" not in str(caught.value)


def test_a_duration_is_one_of_recordings(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.ones((4, 3)))
    with pytest.raises(BadInput, match=r"--duration-us: found frames in .*, accepted recordings"):
        load_frames(tmp_path / "data.npz", duration_us=400)


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="found no readable"):
        load_frames(tmp_path / "none.npz")


def test_single_array_is_no_data_set(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    with pytest.raises(BadInput, match="found no readable"):
        load_frames(path)


def test_pickles_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(BadInput, match="found no readable"):
        load_frames(tmp_path / "data.npz")


def test_arrays_of_other_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", images=np.ones((4, 3)))
    with pytest.raises(BadInput, match=r"found arrays \['images'\], accepted x and y"):
        load_frames(tmp_path / "data.npz")


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones((2, 3), complex), "found dtype complex128, accepted real numbers"),
        (np.ones((2, 3), "U1"), "accepted real numbers"),
        (np.ones(3), "found shape (3,), accepted (frames, ...)"),
        (np.ones((0, 3)), "found shape (0, 3)"),
        (np.array([[1.0, np.nan]]), "found NaN or infinite values"),
        (np.array([[1.0, np.inf]]), "found NaN or infinite values"),
    ],
)
def test_arrays_that_are_no_frames(x: np.ndarray, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        checked_frames("test", x)
    assert message in str(caught.value)


@pytest.mark.parametrize("y", [np.zeros(3, int), np.zeros((2, 1), int), np.zeros(2)])
def test_labels_that_are_no_labels(y: np.ndarray) -> None:
    with pytest.raises(BadInput, match="one label a frame"):
        checked_frames("test", np.ones((2, 3)), y)


def test_problems_of_frames_and_labels_are_told_together() -> None:
    with pytest.raises(BadInput) as caught:
        checked_frames("test", np.array([[np.nan]]), np.zeros(5, int))
    assert len(caught.value.problems) == 2


def test_frames_get_their_axis_of_steps() -> None:
    assert with_steps(IMAGE, np.ones((7, 1, 2, 2))).shape == (7, 1, 1, 2, 2)
    assert with_steps(IMAGE, np.ones((7, 1, 1, 2, 2))).shape == (7, 1, 1, 2, 2)
    assert with_steps(TRAIN, np.ones((7, 5, 3))).shape == (7, 5, 3)


@pytest.mark.parametrize(
    ("source", "shape", "accepted"),
    [(IMAGE, (7, 2, 3), "(1, 2, 2)"), (TRAIN, (7, 3), "(5, 3)"), (TRAIN, (7, 4, 3), "(5, 3)")],
)
def test_frames_of_another_shape(source: Input, shape: tuple[int, ...], accepted: str) -> None:
    with pytest.raises(BadInput) as caught:
        with_steps(source, np.ones(shape))
    assert str(caught.value).endswith(f"accepted {accepted}")


def test_encoding_rounds_half_to_even_and_clips() -> None:
    x = np.array([[0.125, 0.375], [-1.0, 99.0]]).reshape(1, 1, 2, 2)
    assert encoded(IMAGE, x).reshape(-1).tolist() == [0, 2, 0, 15]


@pytest.mark.parametrize(
    "x",
    [
        np.arange(256.0).reshape(64, 1, 2, 2),
        np.full((1, 1, 2, 2), -12.0),
        np.full((9, 1, 2, 2), 16),
    ],
)
def test_frames_of_another_range(x: np.ndarray) -> None:
    with pytest.raises(BadInput) as caught:
        encoded(IMAGE, x)
    assert str(caught.value) == (
        f"input x: found values {x.min():g} .. {x.max():g}, most of them far outside of what it "
        "holds, accepted 0 .. 3.75; scale the frames as in training and calibration"
    )


def test_frames_that_are_nearly_in_range_are_clipped() -> None:
    x = np.array([[0.0, 14.9], [-11.0, 4.0]]).reshape(1, 1, 2, 2)
    assert encoded(IMAGE, x).reshape(-1).tolist() == [0, 15, 0, 15]
    assert encoded(IMAGE, np.zeros((1, 1, 2, 2))).max() == 0


def test_chunks_cover_every_frame_once() -> None:
    weight = frozen(np.ones((2, 4)), np.int64)
    node = Node("n", (Synapse(Linear(weight), "x"),), Relay(), SpikeType((2,), 1, 7, True))
    graph = Graph(Stage.INTEGER, (IMAGE,), (node,), (Output("n", Readout.LAST),))
    parts = list(chunks(graph, 5_000_000))
    assert len(parts) > 1
    assert [p.start for p in parts[1:]] == [p.stop for p in parts[:-1]]
    assert (parts[0].start, parts[-1].stop) == (0, 5_000_000)
