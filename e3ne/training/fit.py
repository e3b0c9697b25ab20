"""A plain training loop: seeded, one pass of Adam under a cosine schedule."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

LOG = logging.getLogger(__name__)

Score = Callable[[nn.Module, Tensor], Tensor]
"""(model, batch of samples) to logits (batch, classes)."""
Augment = Callable[[Tensor, torch.Generator], Tensor]
"""(batch of samples, generator) to samples of the same meaning, drawn anew in every epoch."""
Objective = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""(model, batch of samples, its classes) to the loss, a scalar."""
AfterStep = Callable[[int], None]
"""Called behind each step of the optimizer with the number of steps so far: 1 after the first."""
AfterEpoch = Callable[[int, "Epoch"], None]
"""Called behind each epoch with its number, from 1 on, and what it came to."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: the learning rate falls from `learning_rate` to 0 in a half cosine."""

    epochs: int
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Epoch:
    """Mean loss over the samples of one epoch, and its wall time."""

    loss: float
    wall_s: float


def logits(model: nn.Module, x: Tensor) -> Tensor:
    """The model's own output: the score of networks that send logits."""
    return model(x)  # type: ignore[no-any-return]


def unchanged(x: Tensor, generator: torch.Generator) -> Tensor:
    """No augmentation."""
    return x


def make_deterministic(seed: int, threads: int) -> None:
    """Fixes everything that torch draws or splits: the same numbers on the same machine."""
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)


def fit(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    schedule: Schedule,
    score: Score = logits,
    augment: Augment = unchanged,
    objective: Objective | None = None,
    after_step: AfterStep | None = None,
    after_epoch: AfterEpoch | None = None,
) -> list[Epoch]:
    """Trains `model` in place on x (samples, ...) and classes y (samples,).

    By cross entropy of `score`, or by `objective` where one is given (distillation); `after_step`
    and `after_epoch` may change the model between steps (pruning, annealing). Batches go to the
    device of the model.
    """
    aim = objective or _cross_entropy(score)
    device = device_of(model)
    optimizer = torch.optim.Adam(
        model.parameters(), schedule.learning_rate, weight_decay=schedule.weight_decay
    )
    batches = -(-len(x) // schedule.batch_size)
    total = schedule.epochs * batches
    cosine = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / total))
    )
    generator = torch.Generator().manual_seed(schedule.seed)
    history: list[Epoch] = []
    done = 0
    for number in range(schedule.epochs):
        start, losses = time.monotonic(), 0.0
        model.train()
        order = torch.randperm(len(x), generator=generator)
        for chosen in torch.split(order, schedule.batch_size):
            optimizer.zero_grad()
            batch = augment(x[chosen], generator).to(device)
            loss = aim(model, batch, y[chosen].to(device))
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            cosine.step()
            losses += float(loss.detach()) * len(chosen)
            done += 1
            if after_step is not None:
                after_step(done)
        history.append(Epoch(losses / len(x), time.monotonic() - start))
        LOG.info(
            "epoch %d of %d: loss %.4f, %.1f s",
            number + 1,
            schedule.epochs,
            history[-1].loss,
            history[-1].wall_s,
        )
        if after_epoch is not None:
            after_epoch(number + 1, history[-1])
    return history


def _cross_entropy(score: Score) -> Objective:
    return lambda model, x, y: nn.functional.cross_entropy(score(model, x), y)


def device_of(model: nn.Module) -> torch.device:
    """Where the parameters of a model are; the CPU where it has none."""
    return next((tensor.device for tensor in model.parameters()), torch.device("cpu"))


def accuracy(
    model: nn.Module, x: Tensor, y: Tensor, score: Score = logits, batch_size: int = 500
) -> float:
    """Percent of samples whose largest score is their class; the lowest index wins a tie."""
    model.eval()
    device = device_of(model)
    with torch.no_grad():
        parts = [score(model, part.to(device)).cpu() for part in torch.split(x, batch_size)]
    return 100.0 * float(np.mean(torch.cat(parts).numpy().argmax(axis=1) == y.cpu().numpy()))


def shifted(most: int) -> Augment:
    """Augmentation of images (batch, channels, rows, columns): each moves by up to `most` pixels.

    Rows and columns move alike by a whole number of pixels; zeros come in at the border.
    """

    def augment(x: Tensor, generator: torch.Generator) -> Tensor:
        padded = nn.functional.pad(x, (most, most, most, most))
        starts = torch.randint(0, 2 * most + 1, (2, len(x)), generator=generator)
        rows = (starts[0][:, None] + torch.arange(x.shape[2]))[:, None, :, None]
        columns = (starts[1][:, None] + torch.arange(x.shape[3]))[:, None, None, :]
        frames = torch.arange(len(x))[:, None, None, None]
        channels = torch.arange(x.shape[1])[None, :, None, None]
        return padded[frames, channels, rows, columns]

    return augment
