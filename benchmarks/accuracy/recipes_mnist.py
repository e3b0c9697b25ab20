"""How the MNIST rows are trained: a plain float network first, then its graph at few bits.

Everything is trained on the first 55,000 training images, moved by up to a pixel or two; choices
(epochs, learning rates, steps, bits of the input) were made on the other 5,000, never on the test
images.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from e3ne.config import Config, InputConfig, NodeConfig
from e3ne.frontend import trace
from e3ne.ir import Array, Graph
from e3ne.lower import prepared
from e3ne.training.datasets import Split
from e3ne.training.fit import AfterStep, Objective, Schedule, accuracy, fit, shifted
from e3ne.training.network import QuantizedNetwork

LOG = logging.getLogger(__name__)

TRAINING_FRAMES = 55_000
CALIBRATION_FRAMES = 200


@dataclass(frozen=True)
class Phase:
    """One phase of training; the images move by up to `most_pixels`."""

    epochs: int
    learning_rate: float
    most_pixels: int
    batch_size: int = 128

    def schedule(self, seed: int) -> Schedule:
        """For `fit`."""
        return Schedule(self.epochs, self.batch_size, self.learning_rate, seed=seed)


def calibration(split: Split) -> Array:
    """The first 200 training images."""
    return split.train_x[:CALIBRATION_FRAMES]


def train_float(
    factory: Callable[[], nn.Module], split: Split, phase: Phase, seed: int, device: str
) -> Graph:
    """A new network, trained in float on images; its traced FLOAT graph."""
    model = factory().to(device)
    train(model, split, phase, seed)
    return trace(model.cpu().eval(), torch.from_numpy(calibration(split)[:2]))


def few_bits(
    weight_bits: float, edge_bits: int = 1, input_bits: int | None = None, per_channel: bool = False
) -> Config:
    """Weights and edges of these bits; pixels have `input_bits` (None: those of the edges)."""
    bits = input_bits or edge_bits
    return Config(
        input=InputConfig(bits=bits, scale=1 / (2**bits - 1), signed=False),
        default=NodeConfig(weight_bits=weight_bits, edge_bits=edge_bits, per_channel=per_channel),
    )


def fine_tune(
    graph: Graph,
    config: Config,
    split: Split,
    phase: Phase,
    seed: int,
    device: str,
    keep_zeros: bool = False,
    objective: Objective | None = None,
    masks: dict[str, Tensor] | None = None,
) -> tuple[Graph, Config]:
    """Goes on from a FLOAT graph with the numbers of the hardware; that graph, and its bits.

    With `keep_zeros` weights that are 0 stay so. `objective` as of `fit`. `masks` of 0 and 1, by
    the names of weights and broadcast to them, say which weights there are.
    """
    frames = calibration(split)
    network = QuantizedNetwork(prepared(graph, frames, config), config, frames)
    if keep_zeros:
        for name, weight in network.weights.items():
            if name.endswith(".weight"):
                network.masks[name] = (weight.detach() != 0).float()
    for name, mask in (masks or {}).items():
        network.masks[name] = mask.expand_as(network.weights[name]).clone()
    train(network.to(device), split, phase, seed, objective=objective)
    return network.float_graph(), network.config


def steps_of_an_epoch(phase: Phase) -> int:
    """Batches of the training images."""
    return -(-TRAINING_FRAMES // phase.batch_size)


def train(
    model: nn.Module,
    split: Split,
    phase: Phase,
    seed: int,
    after_step: AfterStep | None = None,
    objective: Objective | None = None,
) -> None:
    """One phase, in place; the accuracy on the 5,000 images that are held out goes to the log."""
    x, y = torch.from_numpy(split.train_x), torch.from_numpy(split.train_y)
    fit(
        model,
        x[:TRAINING_FRAMES],
        y[:TRAINING_FRAMES],
        phase.schedule(seed),
        augment=shifted(phase.most_pixels),
        objective=objective,
        after_step=after_step,
    )
    held_out = accuracy(model, x[TRAINING_FRAMES:], y[TRAINING_FRAMES:])
    LOG.info("%.2f %% of the held out images", held_out)
