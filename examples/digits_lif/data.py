"""scikit-learn's digits. `data.py --output DIR` writes test.npz and calibration.npz there."""

from e3ne.ir import Array
from e3ne.training.datasets import digits
from e3ne.training.recipe import data_main

CALIBRATION_FRAMES = 200


def test_frames() -> tuple[Array, Array]:
    """The 360 test images: x float32 (360, 1, 8, 8) in 0 .. 1, y int64 (360,)."""
    split = digits()
    return split.test_x, split.test_y


def calibration_frames() -> Array:
    """The first 200 training images, float32 (200, 1, 8, 8)."""
    return digits().train_x[:CALIBRATION_FRAMES]


if __name__ == "__main__":
    data_main(test_frames, calibration_frames)
