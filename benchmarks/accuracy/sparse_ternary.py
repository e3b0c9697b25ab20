"""Ternary weights of which only so many are not 0, trained from a float MLP.

The largest magnitudes become +-1, all others 0, and gradients go straight through to all of them:
so a weight that is 0 can still grow and take the place of another. Batch normalisation behind each
layer learns what a unit of the layer is worth; it folds into the weights' scales afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from e3ne.ir import Graph, Linear
from e3ne.lower import simplify
from e3ne.training.quantizers import quantize_edge, straight_through

ROW_RMS = 0.05  # of the weights that train: what a step of Adam means to them


def ternary(weight: Tensor, kept: int) -> Tensor:
    """-1, 0 or +1: the signs of the `kept` largest magnitudes, with the gradient of `weight`."""
    size = weight.detach().abs()
    edge = size.flatten().kthvalue(size.numel() - kept).values if kept < size.numel() else -1.0
    return straight_through(weight, torch.sign(weight.detach()) * (size > edge))


class SparseTernary(nn.Module):
    """linear - norm - clip, ..., linear - norm, with ternary weights on pixels of one bit.

    `kept` counts the weights of each layer that are not 0; `thin` moves it from all to those at
    the end. Between layers edges have `edge_bits` and the bound 1.
    """

    def __init__(
        self, layers: Sequence[tuple[Tensor, Tensor]], kept: Sequence[int], edge_bits: int
    ) -> None:
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(weight) for weight, _ in layers])
        self.norms = nn.ModuleList([nn.BatchNorm1d(len(bias)) for _, bias in layers])
        self.end, self.edge_bits = tuple(kept), edge_bits
        self.kept = [weight.numel() for weight in self.weights]

    def thin(self, progress: float) -> None:
        """At `progress` 0 .. 1 the logarithm of what is kept has gone so far to its end."""
        sizes = [weight.numel() for weight in self.weights]
        self.kept = [
            round(math.exp(math.log(size) + min(1.0, progress) * math.log(end / size)))
            for size, end in zip(sizes, self.end, strict=True)
        ]

    def levels(self) -> list[Tensor]:
        """The ternary weights of each layer."""
        pairs = zip(self.weights, self.kept, strict=True)
        return [ternary(weight, kept) for weight, kept in pairs]

    def forward(self, x: Tensor) -> Tensor:
        """Images in 0 .. 1 (batch, ...) to class scores (batch, classes)."""
        sent = torch.round(x.flatten(1))
        last = len(self.norms) - 1
        for index, (level, norm) in enumerate(zip(self.levels(), self.norms, strict=True)):
            sent = norm(functional.linear(sent, level))
            if index < last:
                sent = quantize_edge(sent, self.edge_bits, 1.0 / (2**self.edge_bits - 1))
        return sent


def from_graph(graph: Graph, kept: Sequence[int], edge_bits: int, x: Tensor) -> SparseTernary:
    """A network to train from the FLOAT `graph` of an MLP; samples `x` say what its norms are."""
    layers = []
    for node in simplify(graph).nodes:
        op = node.synapses[0].op
        assert isinstance(op, Linear)
        assert op.bias is not None
        layers.append((torch.tensor(op.weight), torch.tensor(op.bias)))
    rows = [(w / w.square().mean(dim=1, keepdim=True).sqrt() * ROW_RMS, b) for w, b in layers]
    network = SparseTernary(rows, kept, edge_bits)
    sent = torch.round(x.flatten(1))
    with torch.no_grad():
        for norm, (row, _), (weight, bias) in zip(network.norms, rows, layers, strict=True):
            set_norm(norm, functional.linear(sent, row), functional.linear(sent, weight) + bias)
            sent = functional.linear(sent, weight, bias).clamp(0, 1)
    return network


def set_norm(norm: nn.Module, found: Tensor, wanted: Tensor) -> None:
    """Makes `norm` map `found` to `wanted` (frames, channels), in mean and deviation."""
    assert isinstance(norm, nn.BatchNorm1d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(found.mean(dim=0))
    norm.running_var.copy_(found.var(dim=0))
    norm.weight.copy_(wanted.std(dim=0))
    norm.bias.copy_(wanted.mean(dim=0))


def plain_state(network: SparseTernary, layers: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The state dict of the plain module whose (linear, norm) modules are called `layers`."""
    state: dict[str, Any] = {}
    for (linear, norm), level, held in zip(layers, network.levels(), network.norms, strict=True):
        state[f"{linear}.weight"] = level.detach().cpu()
        state |= {f"{norm}.{key}": value.cpu() for key, value in held.state_dict().items()}
    return state


def nonzeros(graph: Graph) -> int:
    """Weights of a graph that are not 0."""
    ops = [synapse.op for node in graph.nodes for synapse in node.synapses]
    return sum(int(np.count_nonzero(op.weight)) for op in ops if isinstance(op, Linear))
