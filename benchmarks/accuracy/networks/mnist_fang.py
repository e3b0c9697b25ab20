"""The CNN of Fang et al. (2020): 1x28x28: 32C3-P2-32C3-P2-256-10, no padding, 217,000 weights."""

from collections import OrderedDict

from torch import nn

from e3ne.config import Config
from e3ne.ir import Graph
from e3ne.training.datasets import mnist

from ..recipes_mnist import Phase, calibration, few_bits, fine_tune, train_float
from . import Network

FLOAT = Phase(epochs=15, learning_rate=2e-3, most_pixels=2)
FEW_BITS = Phase(epochs=5, learning_rate=1e-3, most_pixels=1)
CONFIGS = {"fang_radix4": few_bits(4, 4)}


def net() -> nn.Module:
    """MNIST images (batch, 1, 28, 28) in 0 .. 1 to class scores (batch, 10)."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 32, 3),
            clip1=nn.Hardtanh(0.0, 1.0),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(32, 32, 3),
            clip2=nn.Hardtanh(0.0, 1.0),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            linear1=nn.Linear(800, 256),
            clip3=nn.Hardtanh(0.0, 1.0),
            linear2=nn.Linear(256, 10),
        )
    )


def train(seed: int, device: str) -> Graph:
    """The float network."""
    return train_float(net, mnist(), FLOAT, seed, device)


def to_few_bits(row: str, graph: Graph, seed: int, device: str) -> tuple[Graph, Config]:
    """The network of `row`, one of CONFIGS."""
    return fine_tune(graph, CONFIGS[row], mnist(), FEW_BITS, seed, device)


NETWORK = Network(mnist, calibration, train, to_few_bits)
