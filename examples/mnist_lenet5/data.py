"""MNIST padded to 32x32. `data.py --output DIR` writes test.npz and calibration.npz there."""

from e3ne.ir import Array
from e3ne.training.datasets import mnist
from e3ne.training.recipe import data_main

PADDING = 2
CALIBRATION_FRAMES = 200


def test_frames() -> tuple[Array, Array]:
    """All 10,000 test images: x float32 (10000, 1, 32, 32) in 0 .. 1, y int64 (10000,)."""
    split = mnist(PADDING)
    return split.test_x, split.test_y


def calibration_frames() -> Array:
    """The first 200 training images, float32 (200, 1, 32, 32)."""
    return mnist(PADDING).train_x[:CALIBRATION_FRAMES]


if __name__ == "__main__":
    data_main(test_frames, calibration_frames)
