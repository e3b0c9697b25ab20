"""LeNet-5 as in E3NE: 1x32x32: 6C5-P2-16C5-P2-120C5-84-10, no bias, 61,470 weights."""

from collections import OrderedDict
from functools import partial

from torch import nn

from e3ne.config import Config
from e3ne.ir import Graph
from e3ne.training.datasets import mnist

from ..recipes_mnist import Phase, calibration, few_bits, fine_tune, train_float
from . import Network

SPLIT = partial(mnist, 2)  # 32 x 32 pixels
FLOAT = Phase(epochs=20, learning_rate=2e-3, most_pixels=2)
FEW_BITS = Phase(epochs=6, learning_rate=1e-3, most_pixels=1)
CONFIGS = {f"lenet5_radix{bits}": few_bits(3, bits) for bits in (3, 4, 5, 6)}


def net() -> nn.Module:
    """MNIST images padded to 32x32 (batch, 1, 32, 32) in 0 .. 1 to class scores (batch, 10).

    Without biases the bound of the clipped ReLUs only scales the weights: 1 serves every radix.
    """
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 6, 5, bias=False),
            clip1=nn.Hardtanh(0.0, 1.0),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(6, 16, 5, bias=False),
            clip2=nn.Hardtanh(0.0, 1.0),
            pool2=nn.MaxPool2d(2),
            conv3=nn.Conv2d(16, 120, 5, bias=False),
            clip3=nn.Hardtanh(0.0, 1.0),
            flatten=nn.Flatten(),
            linear1=nn.Linear(120, 84, bias=False),
            clip4=nn.Hardtanh(0.0, 1.0),
            linear2=nn.Linear(84, 10, bias=False),
        )
    )


def train(seed: int, device: str) -> Graph:
    """The float network."""
    return train_float(net, SPLIT(), FLOAT, seed, device)


def to_few_bits(row: str, graph: Graph, seed: int, device: str) -> tuple[Graph, Config]:
    """The network of `row`, one of CONFIGS."""
    return fine_tune(graph, CONFIGS[row], SPLIT(), FEW_BITS, seed, device)


NETWORK = Network(SPLIT, calibration, train, to_few_bits)
