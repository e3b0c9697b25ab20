"""A spiking MLP for MNIST: 784-128-10, snnTorch `Leaky` neurons, direct coded input."""

import numpy as np
import snntorch
import torch
from torch import Tensor, nn

from e3ne.config import Config
from e3ne.ir import Array, Graph
from e3ne.training.datasets import mnist
from e3ne.training.network import QuantizedNetwork

from ..recipes_mnist import TRAINING_FRAMES, Phase, calibration, few_bits, fine_tune, train_float
from . import Network

FLOAT = Phase(epochs=15, learning_rate=2e-3, most_pixels=1)
FEW_BITS = Phase(epochs=12, learning_rate=1e-3, most_pixels=1)
CONFIGS = {
    "mlp_lif_w4": few_bits(4, input_bits=1),
    "mlp_lif_ternary": few_bits(1.58, input_bits=1),
}
STEPS = 3
SPIKE_PRICE = 0.3
WORD_PIXELS, READ_WORDS = 8, 64
DECAY = 0.875  # 7/8: exact in hardware


class MlpLif(nn.Module):
    """linear1 - lif1 - linear2 - lif2; the same image at every step.

    lif2 never fires: the scores are its membranes at the last step.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear1 = nn.Linear(784, 128)
        self.lif1 = snntorch.Leaky(beta=DECAY)
        self.linear2 = nn.Linear(128, 10)
        self.lif2 = snntorch.Leaky(beta=DECAY, reset_mechanism="none")

    def forward(self, x: Tensor) -> Tensor:
        """Images (batch, 1, 28, 28) in 0 .. 1 to membranes of the classes (batch, 10)."""
        membrane1 = self.lif1.init_leaky()
        membrane2 = self.lif2.init_leaky()
        current = self.linear1(self.flatten(x))
        for _ in range(STEPS):
            spikes, membrane1 = self.lif1(current, membrane1)
            _, membrane2 = self.lif2(self.linear2(spikes), membrane2)
        return membrane2  # type: ignore[no-any-return]


def net() -> nn.Module:
    """The network with new weights."""
    return MlpLif()


def train(seed: int, device: str) -> Graph:
    """The float network."""
    return train_float(net, mnist(), FLOAT, seed, device)


def few_spikes(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Cross entropy, and a price for the share of the hidden neurons' steps that spike."""
    assert isinstance(network, QuantizedNetwork)
    values = network.values(x)
    scores = network.logits(values)
    assert isinstance(scores, Tensor)
    price = SPIKE_PRICE * values["linear1"].mean()
    return nn.functional.cross_entropy(scores, y) + price


def to_few_bits(row: str, graph: Graph, seed: int, device: str) -> tuple[Graph, Config]:
    """The network of `row`, one of CONFIGS."""
    config, split, masks = CONFIGS[row], mnist(), {}
    if row == "mlp_lif_w4":
        masks["linear1.weight"] = read_pixels(split.train_x[:TRAINING_FRAMES])
    return fine_tune(
        graph, config, split, FEW_BITS, seed, device, objective=few_spikes, masks=masks
    )


def read_pixels(images: Array) -> Tensor:
    """Float 0 or 1 (784,): which pixels the network reads.

    The 512 pixels of the 64 words of 8 neighbours in wire order in which most of the `images`
    (frames, 1, 28, 28) have a pixel that is on: what the border never shows needs no weights.
    """
    is_on = images.reshape(len(images), -1, WORD_PIXELS) >= 0.5
    often = is_on.any(axis=2).mean(axis=0)
    read = torch.zeros(len(often))
    read[torch.from_numpy(np.argsort(-often, kind="stable")[:READ_WORDS])] = 1
    return read.repeat_interleave(WORD_PIXELS)


NETWORK = Network(mnist, calibration, train, to_few_bits)
