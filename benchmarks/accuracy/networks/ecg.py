"""Where the heart beats: a recurrent SNN on delta trains of an ECG, as one endless stream."""

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
from e3ne.ir import Array, Graph
from e3ne.training.datasets import Record, Split, ecg_record
from e3ne.training.encoders import Delta
from e3ne.training.fit import Schedule, fit

from ..beats import beat_figures, detections
from . import Network, clip_gradients
from .ecg_baselines import linear, regular, xqrs

HIDDEN = 24
DECAYS = (0.6, 0.95)
SCORE_DECAY = 0.90625  # 29/32
EVERY = 2  # of the record's samples: 180 Hz
RATE_HZ = 180
STEPS = 9  # samples in a frame: 50 ms
FRAME_S = STEPS / RATE_HZ
DELAY_S = 14 / RATE_HZ  # a beat is told in the frame that holds the sample so long behind it
UNIT_MV = 0.01
THRESHOLD_MV = 0.05
SAMPLE_BITS = 10
FRAMES_IN_HALF = 325_000 // EVERY // STEPS


class Beats(nn.Module):
    """delta - fc - lif (its spikes fed back) - out - read; the scores are the last membrane."""

    def __init__(self) -> None:
        super().__init__()
        gradient = surrogate.fast_sigmoid(slope=5)
        decays = (torch.linspace(*DECAYS, HIDDEN) * 64).round() / 64  # exact in hardware
        self.delta = Delta(THRESHOLD_MV, SAMPLE_BITS, UNIT_MV, frames_first=True)
        self.fc = nn.Linear(2, HIDDEN)
        self.lif = snntorch.RLeaky(beta=decays, linear_features=HIDDEN, spike_grad=gradient)
        self.out = nn.Linear(HIDDEN, 2)
        self.read = snntorch.Leaky(beta=SCORE_DECAY, reset_mechanism="none")
        nn.init.normal_(self.fc.weight, 0, 1.0)  # wide enough for neurons that fire from the start
        nn.init.zeros_(self.fc.bias)
        nn.init.normal_(self.lif.recurrent.weight, 0, 0.1 / math.sqrt(HIDDEN))
        nn.init.normal_(self.out.weight, 0, 0.05)

    def forward(self, x: Tensor) -> Tensor:
        """One frame (batch, 9 samples, 2 leads) in mV to scores (batch, 2): no beat, beat."""
        return self.stream(x[:, None])[0][:, 0]

    def stream(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (batch, frames, 2) of streams (batch, frames, 9, 2), and spikes a step."""
        trains = self.delta(x.flatten(1, 2)).unflatten(1, x.shape[1:3])
        spikes, membrane = self.lif.init_rleaky()
        scores = self.read.init_leaky()
        found, sent = [], []
        for frame in trains.unbind(1):
            for train in frame.unbind(1):
                spikes, membrane = self.lif(self.fc(train), spikes, membrane)
                _, scores = self.read(self.out(spikes), scores)
                sent.append(spikes)
            found.append(scores)
        return torch.stack(found, 1), torch.stack(sent, 1)


def net() -> nn.Module:
    """The network with new weights."""
    return Beats()


@cache
def record() -> Record:
    """The record, read once."""
    return ecg_record()


def half(second: bool) -> tuple[Array, Array, Array]:
    """Frames float32 (frames, 9, 2) in mV, classes (frames,), true beats in seconds, of one half.

    A frame is a 1 where it holds a beat DELAY_S late; seconds count from the half's first frame.
    """
    data = record()
    first = FRAMES_IN_HALF * STEPS if second else 0
    samples = data.millivolts[::EVERY][first : first + FRAMES_IN_HALF * STEPS]
    told_at_s = data.beats / data.rate_hz + DELAY_S - first / RATE_HZ
    inside = told_at_s[(told_at_s >= 0) & (told_at_s < FRAMES_IN_HALF * FRAME_S)]
    classes = np.zeros(FRAMES_IN_HALF, np.int64)
    classes[(inside / FRAME_S).astype(int)] = 1
    return samples.reshape(FRAMES_IN_HALF, STEPS, 2), classes, inside - DELAY_S


def split() -> Split:
    """The first half of the record for training, the second for the test; consecutive frames."""
    train_x, train_y, _ = half(second=False)
    test_x, test_y, _ = half(second=True)
    return Split(train_x, train_y, test_x, test_y)


def figures(classes: Array, split: Split) -> dict[str, float]:
    """Beats of the second half that were found within 75 ms."""
    return beat_figures(detections(classes, FRAME_S, DELAY_S), half(second=True)[2])


def baselines(split: Split) -> dict[str, dict[str, float]]:
    """Other detectors on the second half: by hand, linear, and without any skill."""
    data, true_s = record(), half(second=True)[2]
    samples = FRAMES_IN_HALF * STEPS * EVERY
    lead = data.millivolts[samples : 2 * samples, 0]
    delta = net().delta
    train, test = (
        delta(torch.from_numpy(x.reshape(1, -1, 2))).numpy().reshape(x.shape)  # type: ignore[operator]
        for x in (split.train_x, split.test_x)
    )
    return {
        "xqrs of wfdb, lead 1 at 360 Hz": xqrs(lead, data.rate_hz, true_s),
        "logistic regression on the same delta trains of 200 ms": linear(
            (train, split.train_y), test, true_s, FRAME_S, DELAY_S
        ),
        "a beat at the mean distance": regular(true_s, FRAMES_IN_HALF * FRAME_S),
    }


PIECE = 32  # frames of a piece of the stream that is trained on
UNHEARD = 8  # first of them, whose answers do not count: the neurons start from zero
BEAT_WEIGHT = 3.0
RATE_LIMIT = 0.1  # spikes a step of a neuron that cost nothing
RATE_COST = 5.0
AMPLITUDES = (0.8, 1.25)
FLOAT = Schedule(epochs=1, batch_size=32, learning_rate=1.5e-3)


def train_float(seed: int, device: str) -> Graph:
    """Trained on pieces of 1.6 s of the first half, begun at every frame, amplitudes varied.

    The frames beside that of a beat may say what they like.
    """
    x, classes, _ = half(second=False)
    frames, labels = torch.from_numpy(x), torch.from_numpy(classes)
    weight = torch.from_numpy(np.where(classes == 1, BEAT_WEIGHT, 1.0).astype(np.float32))
    beside = np.flatnonzero(classes)
    for neighbour in (beside - 1, beside + 1):
        weight[torch.from_numpy(neighbour.clip(0, FRAMES_IN_HALF - 1))] = 0.0
    piece = torch.arange(PIECE)
    counts = (piece >= UNHEARD).float()

    def cut(starts: Tensor, generator: torch.Generator) -> Tensor:
        drawn = torch.rand(len(starts), 1, 1, 1, generator=generator)
        amplitude = AMPLITUDES[0] * (AMPLITUDES[1] / AMPLITUDES[0]) ** drawn
        return frames[starts[:, None] + piece] * amplitude  # type: ignore[no-any-return]

    def objective(model: nn.Module, x: Tensor, starts: Tensor) -> Tensor:
        assert isinstance(model, Beats)
        scores, spikes = model.stream(x)
        places = starts.cpu()[:, None] + piece
        wanted, matter = labels[places].to(x.device), (weight[places] * counts).to(x.device)
        losses = nn.functional.cross_entropy(scores.transpose(1, 2), wanted, reduction="none")
        rates = spikes.mean((0, 1)) - RATE_LIMIT
        cost = RATE_COST * rates.clamp(min=0).square().mean()
        return (losses * matter).sum() / matter.sum() + cost

    model = net().to(device)
    clip_gradients(model)
    starts = torch.arange(FRAMES_IN_HALF - PIECE)
    schedule = replace(FLOAT, seed=seed)
    fit(model, starts, starts, schedule, augment=cut, objective=objective)
    traced = trace(model.cpu().eval(), x[:2], input_has_steps=True)
    return replace(traced, streaming=True)


CONFIG = parse_config({"streaming": True, "default": {"weight_bits": 8}})


def fine_tune(row: str, graph: Graph, seed: int, device: str) -> tuple[Graph, Config]:
    """Nothing more: 8 bits by calibration alone keep what the float network finds."""
    return graph, CONFIG


NETWORK = Network(
    split=split,
    calibration=lambda split: split.train_x[:2000],
    train_float=train_float,
    fine_tune=fine_tune,
    post_training=CONFIG,
    figures=figures,
    baselines=baselines,
)
