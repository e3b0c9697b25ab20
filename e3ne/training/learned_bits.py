"""Bits of the radix edges that are learned beside the weights, under a price.

The bits b of an edge are a real number while they are learned: the edge sends a mixture of what it
would send at the two whole numbers beside b,

    (1 - f) q(x, floor(b)) + f q(x, floor(b) + 1),      f = b - floor(b),

so that the derivative by b is their difference (FracBits, Yang and Jin, AAAI 2021). The price is
what the edge costs: its bits times the synaptic operations of one bit. In the end b is rounded, so
that a budget is kept, and training goes on with whole bits.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..ir import BadInput, Graph, Relay
from ..ir.fan_out import fan_out
from .mixed_pass import mixed_logits
from .network import QuantizedNetwork

SPEED = 30.0  # bits a unit of the parameter: they go so much farther than a weight


class LearnedBits(nn.Module):
    """Learns the bits of every ReLU of `network`, `low` .. `high`, from its present ones on.

    It is the model to train; `objective` is the loss to train it with. `settle` ends it.
    """

    def __init__(self, network: QuantizedNetwork, low: int = 1, high: int = 8) -> None:
        super().__init__()
        start = network.edge_bits()
        if not start or not 1 <= low < high <= 8:
            raise BadInput(
                f"learned bits: found {len(start)} ReLUs and bits {low} .. {high}, accepted some "
                "ReLUs and 1 .. 8 bits"
            )
        self.network, self.low, self.high = network, low, high
        self.names = list(start)
        first = torch.tensor([float(start[name]) for name in self.names])
        self.raw = nn.Parameter(first.clamp(low, high) / SPEED)
        operations = [operations_of_a_bit(network.graph, name) for name in self.names]
        self.operations: Tensor
        self.register_buffer("operations", torch.tensor(operations, dtype=torch.float32))

    def bits(self) -> Tensor:
        """The bits of each ReLU of `names`, reals of low .. high."""
        return (self.raw * SPEED).clamp(self.low, self.high)

    def forward(self, *x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Real logits of real samples, edges mixed."""
        bits = dict(zip(self.names, self.bits().unbind(), strict=True))
        return mixed_logits(self.network, x, bits=bits)

    def operations_per_frame(self) -> Tensor:
        """Synaptic operations of all learned edges with every bit set, at the present bits."""
        return (self.bits() * self.operations).sum()

    def objective(
        self, budget: float, price: float = 1.0
    ) -> Callable[[nn.Module, Tensor, Tensor], Tensor]:
        """The loss for `fit`: cross entropy, and `price` times the share by which the synaptic
        operations of a frame are above `budget`."""

        def loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
            scores = model(x)
            above = functional.relu(self.operations_per_frame() / budget - 1)
            return functional.cross_entropy(scores, y) + price * above

        return loss

    def settle(self, budget: float) -> dict[str, int]:
        """Rounds the bits, never above `budget` operations, and gives them to the network.

        Where rounding is too dear, edges are rounded down in the order of how little they lose.
        BadInput where not even the least bits keep the budget.
        """
        found = self.bits().detach().cpu()
        whole = [int(bits) for bits in found.round()]
        costs = [float(cost) for cost in self.operations]
        if sum(self.low * cost for cost in costs) > budget:
            raise BadInput(
                f"learned bits: found a budget of {budget:g} operations, accepted "
                f"{sum(self.low * cost for cost in costs):g} or more, which {self.low} bits need"
            )
        while sum(bits * cost for bits, cost in zip(whole, costs, strict=True)) > budget:
            over = [
                (bits - float(real), -cost, index)
                for index, (bits, real, cost) in enumerate(zip(whole, found, costs, strict=True))
                if bits > self.low
            ]
            whole[max(over)[2]] -= 1
        chosen = dict(zip(self.names, whole, strict=True))
        self.network.set_bits(edges=chosen)
        return chosen


def operations_of_a_bit(graph: Graph, name: str) -> int:
    """Synaptic operations of a frame for each bit that what `name` sends has, all bits set.

    Poolings and sums hand their bits on to those who read them.
    """
    total = 0
    for reader, index in graph.consumers(name):
        synapse = reader.synapses[index]
        uses = fan_out(synapse.op, graph.edge(name).shape)
        if uses is not None:
            total += int(uses.sum()) * graph.edge(name).steps
        elif isinstance(reader.neuron, Relay):
            total += operations_of_a_bit(graph, reader.name)
    return total
