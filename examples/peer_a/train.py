"""Trains network A on digits: float first, then with 4-bit weights.

`.venv/bin/python examples/peer_a/train.py [--output weights.safetensors]`
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from data import RATE, STEPS, scaled, test_frames
from model import net
from snntorch import utils
from torch import Tensor, nn

from e3ne.compile import trace_model
from e3ne.training.datasets import Split, digits
from e3ne.training.fit import Schedule
from e3ne.training.recipe import Recipe, train_main


def spike_counts(model: nn.Module, trains: Tensor) -> Tensor:
    """Trains (batch, steps, 784) to logits (batch, 10): output spikes over all steps."""
    utils.reset(model)
    return torch.stack([model(spikes)[0] for spikes in trains.unbind(1)]).sum(dim=0)


def drawn(x: Tensor, generator: torch.Generator) -> Tensor:
    """Images (batch, 784) to fresh Bernoulli trains (batch, 25, 784) at half rate."""
    probability = (x * RATE)[:, None].expand(-1, STEPS, -1)
    return torch.bernoulli(probability, generator=generator)


def frames() -> Split:
    """Training images (1437, 784), drawn anew in every epoch, and the fixed test trains."""
    split, (test_x, _) = digits(), test_frames()
    train_x = scaled(split.train_x)
    return replace(split, train_x=train_x, test_x=test_x.astype(np.float32))


RECIPE = Recipe(
    float_phase=Schedule(epochs=60, batch_size=32, learning_rate=3e-3, seed=1),
    quantized_phase=Schedule(epochs=40, batch_size=32, learning_rate=1e-3, seed=2),
    score=spike_counts,
    augment=drawn,
    frames_have_steps=True,
)

if __name__ == "__main__":
    train_main(net, frames, RECIPE, Path(__file__).parent, trace_model)
