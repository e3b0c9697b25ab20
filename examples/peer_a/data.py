"""scikit-learn's digits at 28x28 pixels as Bernoulli trains of 25 steps at half rate.

`data.py --output DIR` writes test.npz and calibration.npz there.
"""

import numpy as np
import torch

from e3ne.ir import Array
from e3ne.training.datasets import bernoulli_trains, digits
from e3ne.training.recipe import data_main

STEPS = 25
RATE = 0.5
SIZE = 28
TEST_SEED = 0
CALIBRATION_SEED = 1
FRAMES_HAVE_STEPS = True
CALIBRATION_FRAMES = 50


def scaled(images: Array) -> Array:
    """Images (frames, 1, 8, 8) in 0 .. 1 to float32 (frames, 784), scaled up bilinearly."""
    small = torch.from_numpy(np.asarray(images, np.float32)).reshape(-1, 1, 8, 8)
    large = torch.nn.functional.interpolate(small, SIZE, mode="bilinear", align_corners=False)
    return large.reshape(len(large), -1).numpy()


def test_frames() -> tuple[Array, Array]:
    """The 360 test images: spikes uint8 (360, 25, 784), y int64 (360,)."""
    split = digits()
    return bernoulli_trains(scaled(split.test_x), STEPS, RATE, TEST_SEED), split.test_y


def calibration_frames() -> Array:
    """The first 50 training images, spikes uint8 (50, 25, 784)."""
    frames = scaled(digits().train_x[:CALIBRATION_FRAMES])
    return bernoulli_trains(frames, STEPS, RATE, CALIBRATION_SEED)


if __name__ == "__main__":
    data_main(test_frames, calibration_frames)
