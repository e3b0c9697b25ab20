"""A plain MLP for MNIST as a radix network: 784-128-10."""

from collections import OrderedDict

from torch import nn

from e3ne.config import Config
from e3ne.ir import Graph
from e3ne.training.datasets import mnist

from ..recipes_mnist import Phase, calibration, few_bits, fine_tune, train_float
from . import Network

FLOAT = Phase(epochs=15, learning_rate=2e-3, most_pixels=1)
FEW_BITS = Phase(epochs=12, learning_rate=1e-3, most_pixels=1)
CONFIGS = {"mlp_radix4": few_bits(4, edge_bits=4)}


def net() -> nn.Module:
    """Images (batch, 1, 28, 28) in 0 .. 1 to scores (batch, 10)."""
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            linear1=nn.Linear(784, 128),
            relu1=nn.ReLU(),
            linear2=nn.Linear(128, 10),
        )
    )


def train(seed: int, device: str) -> Graph:
    """The float network."""
    return train_float(net, mnist(), FLOAT, seed, device)


def to_few_bits(row: str, graph: Graph, seed: int, device: str) -> tuple[Graph, Config]:
    """The network of `row`, one of CONFIGS."""
    return fine_tune(graph, CONFIGS[row], mnist(), FEW_BITS, seed, device)


NETWORK = Network(mnist, calibration, train, to_few_bits)
