"""Small torch modules for tests of the tracer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from e3ne.ir import Graph


class Forward(nn.Module):
    """A model whose forward is a function of itself and the input; modules are given by name."""

    def __init__(self, function: Callable[..., Any], **modules: nn.Module) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self._function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self._function(self, x)


class AllSteps(nn.Module):
    """A neuron that takes all steps in one call: decay 1/2, threshold 1, subtracts at once."""

    def __init__(self, frames_first: bool = False) -> None:
        super().__init__()
        self.axis = 1 if frames_first else 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        membrane, record = torch.zeros_like(x.select(self.axis, 0)), []
        for current in x.unbind(self.axis):
            membrane = membrane / 2 + current
            spikes = (membrane >= 1).to(x)
            membrane = membrane - spikes
            record.append(spikes)
        return torch.stack(record, self.axis)


def frames(*shape: int) -> torch.Tensor:
    """Three frames of numbers between -1/2 and 3/2."""
    return torch.rand(3, *shape, generator=torch.Generator().manual_seed(1)) * 2 - 0.5


def names(graph: Graph) -> list[str]:
    """The nodes' names."""
    return [node.name for node in graph.nodes]


def ops(graph: Graph) -> list[list[str]]:
    """The names of the ops of each node's synapses."""
    return [[type(synapse.op).__name__ for synapse in node.synapses] for node in graph.nodes]
