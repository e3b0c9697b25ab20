"""Who spoke a vowel: a recurrent SNN on Japanese Vowels, snnTorch `RLeaky` neurons."""

from __future__ import annotations

from dataclasses import replace

import snntorch
import torch
from snntorch import surrogate
from torch import Tensor, nn

from e3ne.config import Config, parse_config
from e3ne.frontend import trace
from e3ne.ir import Graph
from e3ne.training.datasets import japanese_vowels
from e3ne.training.fit import Augment, Schedule, fit

from . import Network, clip_gradients

HIDDEN = 64
DECAY = 0.875  # 7/8: exact in hardware
SCORE_DECAY = 0.9375  # 15/16


class Recurrent(nn.Module):
    """fc - lif (its spikes fed back) - out - read; the scores are the mean membrane of read."""

    def __init__(self) -> None:
        super().__init__()
        gradient = surrogate.fast_sigmoid(slope=10)
        self.fc = nn.Linear(12, HIDDEN)
        self.lif = snntorch.RLeaky(beta=DECAY, linear_features=HIDDEN, spike_grad=gradient)
        self.dropout = nn.Dropout(0.2)
        self.out = nn.Linear(HIDDEN, 9)
        self.read = snntorch.Leaky(beta=SCORE_DECAY, reset_mechanism="none")
        nn.init.xavier_uniform_(self.lif.recurrent.weight, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Series (batch, 25 steps, 12) to scores (batch, 9)."""
        spikes, membrane = self.lif.init_rleaky()
        scores = self.read.init_leaky()
        total = torch.zeros(())
        for sample in x.unbind(1):
            spikes, membrane = self.lif(self.fc(sample), spikes, membrane)
            _, scores = self.read(self.out(self.dropout(spikes)), scores)
            total = total + scores
        return total / x.shape[1]


def net() -> nn.Module:
    """The network with new weights."""
    return Recurrent()


NOISE = 0.4  # of the standard deviation of a channel, at every sample
OFFSET = 0.3  # the same, for a whole series
CROPPED = 0.15  # of a series, at most, at each end; the rest is stretched
SMOOTHING = 0.05
FLOAT = Schedule(epochs=150, batch_size=30, learning_rate=3e-3)


def varied(deviation: Tensor) -> Augment:
    """Series (batch, steps, channels) stretched in time, moved and made noisy."""

    def augment(x: Tensor, generator: torch.Generator) -> Tensor:
        batch, steps, channels = x.shape
        first, last = torch.rand(2, batch, 1, generator=generator) * CROPPED
        places = first + (1 - last - first) * torch.linspace(0, 1, steps)
        left = (places * (steps - 1)).floor().clamp(max=steps - 2)
        share = (places * (steps - 1) - left)[..., None]
        series, left = torch.arange(batch)[:, None], left.long()
        stretched = x[series, left] * (1 - share) + x[series, left + 1] * share
        offset = OFFSET * torch.randn(batch, 1, channels, generator=generator)
        noise = NOISE * torch.randn(x.shape, generator=generator)
        return torch.as_tensor(stretched + (offset + noise) * deviation)

    return augment


def smoothed(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Cross entropy that asks for a little less than certainty."""
    return nn.functional.cross_entropy(model(x), y, label_smoothing=SMOOTHING)


def train_float(seed: int, device: str) -> Graph:
    """Trained on all 270 series, varied anew in every epoch."""
    split = japanese_vowels()
    x, y = torch.from_numpy(split.train_x), torch.from_numpy(split.train_y)
    model = net().to(device)
    clip_gradients(model)
    schedule = replace(FLOAT, seed=seed)
    fit(model, x, y, schedule, augment=varied(x.std((0, 1))), objective=smoothed)
    return trace(model.cpu().eval(), split.train_x[:2], input_has_steps=True)


CONFIG = parse_config({"input": {"bits": 8, "signed": True}, "default": {"weight_bits": 8}})


def fine_tune(row: str, graph: Graph, seed: int, device: str) -> tuple[Graph, Config]:
    """Nothing more: 8 bits by calibration alone keep what the float network finds."""
    return graph, CONFIG


NETWORK = Network(
    split=japanese_vowels,
    calibration=lambda split: split.train_x,
    train_float=train_float,
    fine_tune=fine_tune,
    post_training=CONFIG,
)
