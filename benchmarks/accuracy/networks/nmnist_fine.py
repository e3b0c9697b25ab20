"""The digits of `nmnist` in 64 fine time steps, with few spikes: what an EVENT engine is for."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import snntorch
import torch
from torch import Tensor, nn

from e3ne.config import Config
from e3ne.frontend import trace
from e3ne.ir import Graph
from e3ne.lower import prepared
from e3ne.network_file import load_network
from e3ne.training.datasets import Recordings, Split
from e3ne.training.fit import Schedule, fit
from e3ne.training.network import QuantizedNetwork

from ..results import float_checkpoint_of
from . import Network, nmnist

STEPS = 64  # of 4.7 ms
DECAY = 1 - 2**-5  # about nmnist.DECAY ** (8 / STEPS); in hardware a shift and a subtraction


class Cnn(nn.Module):
    """conv1 - lif1 - conv2 - lif2 - fc; the scores are the mean of fc over all steps.

    Without biases: where no event comes no membrane moves, and no neuron fires.
    """

    def __init__(self) -> None:
        super().__init__()
        first, second = nmnist.CHANNELS
        self.conv1 = nn.Conv2d(2, first, 5, stride=2, bias=False)
        self.lif1 = snntorch.Leaky(beta=DECAY)
        self.conv2 = nn.Conv2d(first, second, 5, stride=2, bias=False)
        self.lif2 = snntorch.Leaky(beta=DECAY)
        self.fc = nn.Linear(second * 36, 10, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Spikes (batch, steps, 2, 34, 34) to scores (batch, 10)."""
        currents1 = self.conv1(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        spikes1 = nmnist.fired(self.lif1, currents1)
        currents2 = self.conv2(spikes1.flatten(0, 1)).unflatten(0, x.shape[:2])
        spikes2 = nmnist.fired(self.lif2, currents2).flatten(2)
        return self.fc(spikes2).mean(dim=1)  # type: ignore[no-any-return]


CALIBRATION_FRAMES = 16


@cache
def split() -> Split:
    """Frames of 64 steps, as in `nmnist`: all of the test, and the first of the training.

    Training makes its own frames from the recordings.
    """
    train, test = nmnist.recordings()
    return nmnist.split_of(first(train, CALIBRATION_FRAMES), test, STEPS)


def first(source: Recordings, count: int) -> Recordings:
    """The first recordings of `source`."""
    events = slice(int(source.offsets[count]))
    return Recordings(
        *(source.column[events], source.row[events], source.polarity[events]),
        *(source.time_us[events], source.offsets[: count + 1], source.label[:count]),
    )


def from_coarse_steps() -> nn.Module:
    """The network with the float weights of `nmnist`, of seed 0, and without its biases."""
    graph, config, _ = load_network(float_checkpoint_of("nmnist"))
    coarse = nmnist.split()
    network = Cnn()
    for node in prepared(graph, nmnist.NETWORK.calibration(coarse), config).nodes:
        weight = torch.tensor(np.asarray(node.synapses[0].op.weight))  # type: ignore[union-attr]
        getattr(network, node.name).weight.data.copy_(weight)
    return network.eval()


SCORES = STEPS / nmnist.STEPS  # the mean of as many spikes over more steps is smaller
PRICES = {"conv1": 5e-4, "conv2": 2e-4}  # of one spike a frame; one of conv1 costs more cycles


def few_spikes(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Cross entropy that asks for a little less than certainty, and a price for spikes."""
    assert isinstance(network, QuantizedNetwork)
    values = network.values(x)
    scores = network.logits(values)
    assert isinstance(scores, Tensor)
    spikes = network.spikes_per_frame(values)
    missed = nn.functional.cross_entropy(SCORES * scores, y, label_smoothing=nmnist.SMOOTHING)
    return missed + sum(price * spikes[name] for name, price in PRICES.items())


def trained(network: QuantizedNetwork, schedule: Schedule, device: str) -> QuantizedNetwork:
    """`network` after training on all 1,000 recordings, varied anew in every epoch."""
    train, _ = nmnist.recordings()
    labels = torch.from_numpy(train.label.astype(np.int64))
    fit(
        *(network.to(device), torch.arange(len(train)), labels, schedule),
        augment=nmnist.drawn(train, STEPS),
        objective=few_spikes,
    )
    return network.cpu()


FLOAT = Schedule(epochs=30, batch_size=32, learning_rate=4e-3)


def train_float(seed: int, device: str) -> Graph:
    """Goes on from the weights for 8 steps, with a price on spikes."""
    calibration = split().train_x
    graph = trace(from_coarse_steps(), calibration[:2].astype(np.float32), input_has_steps=True)
    ready = prepared(graph, calibration, nmnist.CONFIG)
    network = QuantizedNetwork(
        *(ready, nmnist.CONFIG, calibration), quantizing=False, surrogate=nmnist.SURROGATE
    )
    return trained(network, replace(FLOAT, seed=seed), device).float_graph()


FINE = Schedule(epochs=10, batch_size=32, learning_rate=1e-3)
CONFIG = replace(
    nmnist.CONFIG,
    default=replace(
        nmnist.CONFIG.default, weight_bits=4, membrane_fraction_bits=3, membrane_bits=11
    ),
)


def fine_tune(row: str, graph: Graph, seed: int, device: str) -> tuple[Graph, Config]:
    """Goes on with 4-bit weights and the integers' own membranes, narrow ones that saturate."""
    calibration = split().train_x
    ready = prepared(graph, calibration, CONFIG)
    network = QuantizedNetwork(ready, CONFIG, calibration, surrogate=nmnist.SURROGATE)
    network = trained(network, replace(FINE, seed=seed), device)
    return network.float_graph(), network.config


NETWORK = Network(
    split=split,
    calibration=lambda split: split.train_x,
    train_float=train_float,
    fine_tune=fine_tune,
    post_training=nmnist.CONFIG,
    counts_spikes=True,
)
