"""A small MLP for MNIST that is meant to become logic: 784-128-10, few ternary weights."""

from collections import OrderedDict

import torch
from torch import nn

from e3ne.config import Config
from e3ne.frontend import trace
from e3ne.ir import Graph
from e3ne.training.datasets import mnist

from ..recipes_mnist import (
    Phase,
    calibration,
    few_bits,
    fine_tune,
    steps_of_an_epoch,
    train,
    train_float,
)
from ..sparse_ternary import from_graph, plain_state
from . import Network

EDGE_BITS = 2
KEPT = (3200, 600)
FLOAT = Phase(epochs=8, learning_rate=3e-3, most_pixels=1)
TERNARY = Phase(epochs=30, learning_rate=1.5e-3, most_pixels=1)
FEW_BITS = Phase(epochs=4, learning_rate=2e-4, most_pixels=1)
CONFIGS = {"mlp_sparse": few_bits(1.58, EDGE_BITS, input_bits=1, per_channel=True)}
LAYERS = (("linear1", "norm1"), ("linear2", "norm2"))
NORM_FRAMES = 2000


def net() -> nn.Module:
    """MNIST images (batch, 1, 28, 28) in 0 .. 1 to class scores (batch, 10)."""
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            linear1=nn.Linear(784, 128, bias=False),
            norm1=nn.BatchNorm1d(128),
            clip1=nn.Hardtanh(0.0, 1.0),
            linear2=nn.Linear(128, 10, bias=False),
            norm2=nn.BatchNorm1d(10),
        )
    )


def train_in_float(seed: int, device: str) -> Graph:
    """The float network."""
    return train_float(net, mnist(), FLOAT, seed, device)


def to_few_bits(row: str, graph: Graph, seed: int, device: str) -> tuple[Graph, Config]:
    """The network of `row`, one of CONFIGS: thinned out to KEPT weights on the way.

    At last, in the very integers, thresholds (biases) find their places; no weight comes back.
    """
    split = mnist()
    network = from_graph(graph, KEPT, EDGE_BITS, torch.from_numpy(split.train_x[:NORM_FRAMES]))
    half = steps_of_an_epoch(TERNARY) * TERNARY.epochs / 2
    train(network.to(device), split, TERNARY, seed, lambda step: network.thin(step / half))
    plain = net().eval()
    plain.load_state_dict(plain_state(network, LAYERS))
    sparse = trace(plain, torch.from_numpy(split.train_x[:2]))
    return fine_tune(sparse, CONFIGS[row], split, FEW_BITS, seed, device, keep_zeros=True)


NETWORK = Network(mnist, calibration, train_in_float, to_few_bits)
