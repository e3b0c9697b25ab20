"""scikit-learn's digits as Bernoulli trains of 25 steps at half rate.

`data.py --output DIR` writes test.npz and calibration.npz there.
"""

from e3ne.ir import Array
from e3ne.training.datasets import bernoulli_trains, digits
from e3ne.training.recipe import data_main

STEPS = 25
RATE = 0.5
TEST_SEED = 0
CALIBRATION_SEED = 1
FRAMES_HAVE_STEPS = True
CALIBRATION_FRAMES = 200


def test_frames() -> tuple[Array, Array]:
    """The 360 test images: spikes uint8 (360, 25, 64), y int64 (360,)."""
    split = digits()
    return bernoulli_trains(split.test_x, STEPS, RATE, TEST_SEED), split.test_y


def calibration_frames() -> Array:
    """The first 200 training images, spikes uint8 (200, 25, 64)."""
    frames = digits().train_x[:CALIBRATION_FRAMES]
    return bernoulli_trains(frames, STEPS, RATE, CALIBRATION_SEED)


if __name__ == "__main__":
    data_main(test_frames, calibration_frames)
