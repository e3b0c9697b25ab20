"""Bits that change in training: annealed along a plan, learned under a budget, on the digits."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from e3ne.config import parse_config
from e3ne.frontend import trace
from e3ne.ir import BadInput
from e3ne.lower import prepared
from e3ne.training.anneal_bits import AnnealBits
from e3ne.training.datasets import digits
from e3ne.training.fit import Schedule, fit, make_deterministic
from e3ne.training.learned_bits import LearnedBits, operations_of_a_bit
from e3ne.training.network import QuantizedNetwork
from e3ne.training.twin import accuracy
from tests.trained import assert_same_integers

CONFIG = {"default": {"weight_bits": 4, "edge_bits": 8}, "input": {"bits": 4, "scale": 1 / 15}}


@pytest.fixture(autouse=True)
def torch_as_before():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def digits_cnn(float_epochs: int = 0) -> QuantizedNetwork:
    """A small network for the digits, trained in real numbers."""
    make_deterministic(1, 1)
    layers = [nn.Conv2d(1, 8, 3), nn.Hardtanh(0, 1), nn.Conv2d(8, 12, 3), nn.Hardtanh(0, 1)]
    layers += [nn.MaxPool2d(2), nn.Flatten(), nn.Linear(48, 32), nn.Hardtanh(0, 1)]
    names = ("conv1", "relu1", "conv2", "relu2", "pool", "flat", "fc1", "relu3", "fc2")
    model = nn.Sequential(OrderedDict(zip(names, (*layers, nn.Linear(32, 10)), strict=True)))
    graph = trace(model.eval(), digits().test_x[:2])
    config = parse_config(CONFIG)
    network = QuantizedNetwork(prepared(graph, None, config), config, quantizing=False)
    if float_epochs:
        trained(network, network, float_epochs)
    network.quantizing = True
    return network


def trained(network: QuantizedNetwork, model: nn.Module, epochs: int, **options) -> None:
    split = digits()
    x, y = torch.from_numpy(split.train_x), torch.from_numpy(split.train_y)
    fit(model, x, y, Schedule(epochs, batch_size=64, learning_rate=5e-3), **options)


def percent(network: QuantizedNetwork) -> float:
    split = digits()
    return accuracy(network.export(), split.test_x, split.test_y)


def test_annealing_to_three_bits_keeps_the_accuracy() -> None:
    network = digits_cnn(float_epochs=6)
    steps = len(range(0, 1437, 64))
    stages = {0: 8, 4 * steps: 5, 7 * steps: {"conv1": 4, "conv2": 3, "fc1": 3}}
    anneal = AnnealBits(network, edges=stages, weights={0: 8, 6 * steps: 4})
    seen: list[tuple[dict[str, int], set[float]]] = []

    def after_step(step: int) -> None:
        anneal(step)
        bits = (network.edge_bits(), set(network.weight_bits().values()))
        if not seen or seen[-1] != bits:
            seen.append(bits)

    trained(network, network, 14, after_step=after_step)
    assert [set(edges.values()) for edges, _ in seen] == [{8}, {5}, {5}, {3, 4}]
    assert [weights for _, weights in seen] == [{8}, {8}, {4}, {4}]
    sent = assert_same_integers(network, digits().test_x[:50].astype(float))
    assert [sent[name].max() for name in ("conv1", "conv2", "fc1")] == [15, 7, 7]
    assert percent(network) > 94


def test_learned_bits_keep_their_budget_and_beat_what_they_started_from() -> None:
    network = digits_cnn(float_epochs=6)
    learned = LearnedBits(network)
    assert learned.bits().tolist() == [8.0, 8.0, 8.0]
    budget = 0.4 * float(learned.operations_per_frame().detach())
    trained(network, learned, 10, objective=learned.objective(budget))
    real = learned.bits().tolist()
    assert learned.operations_per_frame().item() < 1.1 * budget
    assert len({round(bits, 3) for bits in real}) == 3
    chosen = learned.settle(budget)
    assert network.edge_bits() == chosen
    costs = dict(zip(learned.names, learned.operations.tolist(), strict=True))
    assert sum(bits * costs[name] for name, bits in chosen.items()) <= budget
    trained(network, network, 3)
    assert_same_integers(network, digits().test_x[:50].astype(float))
    assert percent(network) > 94


def test_with_whole_bits_the_mixture_is_the_network() -> None:
    network = digits_cnn()
    learned = LearnedBits(network)
    x = torch.from_numpy(digits().test_x[:40])
    torch.testing.assert_close(learned(x), network(x), rtol=0, atol=0.05)
    with torch.no_grad():
        learned.raw.sub_(0.5 / 30)
    mixed = learned(x)
    mixed.square().sum().backward()
    assert learned.raw.grad is not None
    assert learned.raw.grad.abs().min() > 0


def test_operations_of_a_bit_go_through_poolings() -> None:
    graph = digits_cnn().graph
    assert operations_of_a_bit(graph, "fc1") == 32 * 10
    assert operations_of_a_bit(graph, "conv2") == 48 * 32
    assert operations_of_a_bit(graph, "conv1") == 12 * 8 * 9 * 4 * 4  # outputs times kernel


def test_rounding_down_takes_what_loses_least() -> None:
    network = digits_cnn()
    learned = LearnedBits(network)
    with torch.no_grad():
        learned.raw.copy_(torch.tensor([3.9, 4.6, 2.2]) / 30)
    costs = np.array(learned.operations.tolist())
    assert learned.settle(1e9) == {"conv1": 4, "conv2": 5, "fc1": 2}
    budget = float((costs * [4, 4, 2]).sum())
    assert learned.settle(budget) == {"conv1": 4, "conv2": 4, "fc1": 2}


def test_refusals() -> None:
    network = digits_cnn()
    with pytest.raises(BadInput, match="annealing: found relu7, accepted steps >= 0 and the nodes"):
        AnnealBits(network, edges={0: {"relu7": 3}})
    with pytest.raises(BadInput, match="annealing: found step -1, accepted steps >= 0"):
        AnnealBits(network, edges={-1: 3})
    with pytest.raises(BadInput, match="learned bits: found 3 ReLUs and bits 5"):
        LearnedBits(network, 5, 4)
    with pytest.raises(BadInput, match="found a budget of 10 operations, accepted 15"):
        LearnedBits(network).settle(10)
    with pytest.raises(BadInput, match="conv1: found 9 bits, accepted 1, 2"):
        network.set_bits(edges={"conv1": 9})
