"""Ternary weights with a budget: exactly so many are not 0, and all of them learn."""

import torch
from torch import nn

from benchmarks.accuracy.sparse_ternary import (
    SparseTernary,
    from_graph,
    nonzeros,
    plain_state,
    ternary,
)
from e3ne.frontend import trace

LAYERS = (("linear1", "norm1"), ("linear2", "norm2"))


def mlp() -> nn.Sequential:
    net = nn.Sequential()
    net.add_module("linear1", nn.Linear(12, 8, bias=False))
    net.add_module("norm1", nn.BatchNorm1d(8))
    net.add_module("clip1", nn.Hardtanh(0.0, 1.0))
    net.add_module("linear2", nn.Linear(8, 3, bias=False))
    net.add_module("norm2", nn.BatchNorm1d(3))
    return net.eval()


def binary_samples(frames: int) -> torch.Tensor:
    return torch.randint(0, 2, (frames, 12)).float()


def sparse(edge_bits: int = 2) -> SparseTernary:
    torch.manual_seed(0)
    graph = trace(mlp(), binary_samples(2))
    return from_graph(graph, (20, 9), edge_bits, binary_samples(50))


def test_the_largest_magnitudes_become_signs() -> None:
    weight = torch.tensor([[0.5, -2.0, 0.1], [-0.7, 0.2, 3.0]])
    assert ternary(weight, 3).tolist() == [[0, -1, 0], [-1, 0, 1]]
    assert ternary(weight, 6).tolist() == [[1, -1, 1], [-1, 1, 1]]


def test_a_weight_that_is_zero_has_a_gradient() -> None:
    weight = torch.tensor([[0.1, 2.0]], requires_grad=True)
    (ternary(weight, 1) * torch.tensor([[3.0, 5.0]])).sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [[3.0, 5.0]]


def test_weights_thin_out_to_their_budget() -> None:
    network = sparse()
    counts = []
    for progress in (0.0, 0.5, 1.0, 2.0):
        network.thin(progress)
        counts.append([int(level.count_nonzero()) for level in network.levels()])
    assert counts == [[96, 24], [44, 15], [20, 9], [20, 9]]


def test_before_weights_are_ternary_the_norms_give_what_the_float_network_gives() -> None:
    torch.manual_seed(0)
    model = mlp()
    x = binary_samples(400)
    network = from_graph(trace(model, x[:2]), (20, 9), 2, x).eval()
    sent = x @ network.weights[0].T
    wanted = model.norm1(model.linear1(x))  # type: ignore[operator]
    torch.testing.assert_close(network.norms[0](sent), wanted, rtol=1e-2, atol=1e-2)


def test_the_plain_module_with_the_trained_state_answers_alike() -> None:
    network = sparse(edge_bits=8).eval()
    network.thin(1.0)
    plain = mlp()
    plain.load_state_dict(plain_state(network, LAYERS))
    x = binary_samples(30)
    torch.testing.assert_close(plain(x), network(x), rtol=0, atol=0.1)
    assert nonzeros(trace(plain, x[:2])) == 29
