"""Digits of an event camera: a small convolutional SNN on N-MNIST, snnTorch `Leaky` neurons."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import snntorch
import torch
from snntorch import surrogate
from torch import Tensor, nn

from e3ne.config import Config, parse_config
from e3ne.frontend import trace
from e3ne.ir import Graph
from e3ne.lower import prepared
from e3ne.training.datasets import Recordings, Split, event_frames, nmnist_recordings
from e3ne.training.datasets.events import NMNIST_SHAPE, NMNIST_US
from e3ne.training.fit import Augment, Schedule, fit
from e3ne.training.network import QuantizedNetwork
from e3ne.training.surrogate import Surrogate

from . import Network

STEPS = 8
DECAY = 0.75
CHANNELS = (12, 24)


class Cnn(nn.Module):
    """conv1 - lif1 - conv2 - lif2 - fc; the scores are the sum of fc over all steps."""

    def __init__(self) -> None:
        super().__init__()
        gradient = surrogate.fast_sigmoid(slope=5)
        self.conv1 = nn.Conv2d(2, CHANNELS[0], 5, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(CHANNELS[0])
        self.lif1 = snntorch.Leaky(beta=DECAY, spike_grad=gradient)
        self.conv2 = nn.Conv2d(CHANNELS[0], CHANNELS[1], 5, stride=2, bias=False)
        self.bn2 = nn.BatchNorm2d(CHANNELS[1])
        self.lif2 = snntorch.Leaky(beta=DECAY, spike_grad=gradient)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(CHANNELS[1] * 36, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Spikes (batch, steps, 2, 34, 34) to scores (batch, 10)."""
        currents1 = self.bn1(self.conv1(x.flatten(0, 1))).unflatten(0, x.shape[:2])
        spikes1 = fired(self.lif1, currents1)
        currents2 = self.bn2(self.conv2(spikes1.flatten(0, 1))).unflatten(0, x.shape[:2])
        spikes2 = self.dropout(fired(self.lif2, currents2).flatten(2))
        return self.fc(spikes2).mean(dim=1)  # type: ignore[no-any-return]


def fired(neurons: snntorch.Leaky, currents: Tensor) -> Tensor:
    """The spikes of `neurons` for currents (batch, steps, ...)."""
    membrane = neurons.init_leaky()
    spikes = []
    for current in currents.unbind(1):
        spike, membrane = neurons(current, membrane)
        spikes.append(spike)
    return torch.stack(spikes, dim=1)


def net() -> nn.Module:
    """The network with new weights."""
    return Cnn()


@cache
def recordings() -> tuple[Recordings, Recordings]:
    """Training and test recordings, read once."""
    return nmnist_recordings()


@cache
def split() -> Split:
    """Events of 300 ms in 8 steps: 1 where a pixel saw any, uint8 (frames, 8, 2, 34, 34)."""
    return split_of(*recordings(), STEPS)


def split_of(train: Recordings, test: Recordings, steps: int) -> Split:
    """Events of 300 ms in so many steps: uint8 (frames, steps, 2, 34, 34)."""
    return Split(
        event_frames(train, steps),
        train.label.astype(np.int64),
        event_frames(test, steps),
        test.label.astype(np.int64),
    )


TURN = 12 * math.pi / 180  # each way, radians
STRETCH = 0.12  # of rows and of columns, each by itself
SHEAR = 0.1
SHIFT = 2.0  # pixels
LATE_US = 10_000
LOST = 0.3  # of the events of a recording, at most


def drawn(source: Recordings, steps: int = STEPS) -> Augment:
    """Numbers of recordings (batch,) to their frames (batch, steps, 2, 34, 34), varied anew.

    Events move as the picture is turned, stretched, sheared and shifted, come sooner or later, and
    some are lost.
    """
    column, row, polarity, time_us = (
        torch.from_numpy(axis.astype(np.float32))
        for axis in (source.column, source.row, source.polarity, source.time_us)
    )
    offsets = torch.from_numpy(source.offsets.astype(np.int64))
    middle = (NMNIST_SHAPE[1] - 1) / 2

    def augment(numbers: Tensor, generator: torch.Generator) -> Tensor:
        def between(most: float) -> Tensor:
            return ((2 * torch.rand(len(numbers), generator=generator) - 1) * most)[frame]

        sizes = offsets[numbers + 1] - offsets[numbers]
        frame = torch.repeat_interleave(torch.arange(len(numbers)), sizes)
        within = torch.arange(len(frame)) - torch.repeat_interleave(sizes.cumsum(0) - sizes, sizes)
        event = offsets[numbers][frame] + within
        lost = torch.rand(len(numbers), generator=generator)[frame] * LOST
        kept = torch.rand(len(event), generator=generator) >= lost
        frame, event = frame[kept], event[kept]
        x, y, turn = column[event] - middle, row[event] - middle, between(TURN)
        turned_x, turned_y = turn.cos() * x - turn.sin() * y, turn.sin() * x + turn.cos() * y
        moved_x = (1 + between(STRETCH)) * turned_x + between(SHEAR) * y + between(SHIFT) + middle
        moved_y = (1 + between(STRETCH)) * turned_y + between(SHIFT) + middle
        late = (time_us[event] + between(LATE_US)).clamp(min=0)
        step = (late * steps / NMNIST_US).long()
        pixel = (polarity[event].long(), moved_y.round().long(), moved_x.round().long())
        return _spikes((frame, step, *pixel), (len(numbers), steps, *NMNIST_SHAPE))

    return augment


def _spikes(places: tuple[Tensor, ...], shape: tuple[int, ...]) -> Tensor:
    """Zeros float32 of `shape` with ones at those of the places that lie inside."""
    inside = torch.ones_like(places[0], dtype=torch.bool)
    flat = torch.zeros_like(places[0])
    for axis, size in zip(places, shape, strict=True):
        inside &= (axis >= 0) & (axis < size)
        flat = flat * size + axis
    frames = torch.zeros(math.prod(shape))
    frames[flat[inside]] = 1.0
    return frames.reshape(shape)


CALIBRATION_FRAMES = 200
SURROGATE = Surrogate("fast_sigmoid", 5.0)
SMOOTHING = 0.05
FLOAT = Schedule(epochs=80, batch_size=32, learning_rate=3e-3)


def smoothed(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Cross entropy that asks for a little less than certainty."""
    return nn.functional.cross_entropy(model(x), y, label_smoothing=SMOOTHING)


def train_float(seed: int, device: str) -> Graph:
    """Trained on all 1,000 recordings, varied anew in every epoch."""
    train, _ = recordings()
    model = net().to(device)
    labels = torch.from_numpy(train.label.astype(np.int64))
    schedule = replace(FLOAT, seed=seed)
    fit(
        *(model, torch.arange(len(train)), labels, schedule),
        augment=drawn(train),
        objective=smoothed,
    )
    frames = split().train_x[:2].astype(np.float32)
    return trace(model.cpu().eval(), frames, input_has_steps=True)


FINE = Schedule(epochs=15, batch_size=32, learning_rate=1e-3)
CONFIG = parse_config({"input": {"bits": 1, "scale": 1.0, "signed": False, "events": True}})


def fine_tune(row: str, graph: Graph, seed: int, device: str) -> tuple[Graph, Config]:
    """Goes on with 4-bit weights and the integers' own membranes, in the same way."""
    train, _ = recordings()
    config = replace(CONFIG, default=replace(CONFIG.default, weight_bits=4))
    calibration = split().train_x[:CALIBRATION_FRAMES]
    ready = prepared(graph, calibration, config)
    model = QuantizedNetwork(ready, config, calibration, surrogate=SURROGATE).to(device)
    labels = torch.from_numpy(train.label.astype(np.int64))
    schedule = replace(FINE, seed=seed)
    fit(
        *(model, torch.arange(len(train)), labels, schedule),
        augment=drawn(train),
        objective=smoothed,
    )
    return model.float_graph(), model.config


NETWORK = Network(
    split=split,
    calibration=lambda split: split.train_x[:CALIBRATION_FRAMES],
    train_float=train_float,
    fine_tune=fine_tune,
    post_training=CONFIG,
)
