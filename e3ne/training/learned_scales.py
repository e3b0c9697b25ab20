"""Scales that are learned beside the weights: the units of the weights, the bounds of the edges.

The step size of a quantiser is trained by the derivative that rounding straight through leaves
(LSQ, Esser et al., ICLR 2020); that of an edge is its bound / (2**bits - 1), so its bound is
learned (PACT, Choi et al., 2018). Each is its first value times exp(parameter): a step of the
optimizer changes it by a share.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..ir import BadInput, Rectify
from .grids import Grid, short, spread
from .mixed_pass import mixed_logits
from .named_tensors import NamedTensors
from .network import QuantizedNetwork


class LearnedScales(nn.Module):
    """Learns the units of all trained weights and the bounds of all ReLUs of `network`.

    It is the model to train, like the network itself. `settle` gives the network what was found.
    BadInput where scales have to be powers of two.
    """

    def __init__(
        self, network: QuantizedNetwork, weights: bool = True, bounds: bool = True
    ) -> None:
        super().__init__()
        if network.config.scale != "integer":
            raise BadInput(
                f"learned scales: found scale {network.config.scale}, accepted integer; powers of "
                "two cannot be learned"
            )
        self.network = network
        self.first, self.logs = NamedTensors(), NamedTensors()
        if weights:
            for name, grid in network.trained.grids.items():
                ndim = network.weights[f"{name}.weight"].ndim
                self._add(f"{name}.unit", spread(grid.scale, ndim), network)
        for node in network.graph.nodes if bounds else ():
            if isinstance(node.neuron, Rectify):
                self._add(f"{node.name}.bound", node.neuron.bound, network)

    def _add(self, name: str, value: object, network: QuantizedNetwork) -> None:
        device = next((tensor.device for tensor in network.parameters()), None)
        self.first[name] = torch.tensor(np.asarray(value), dtype=torch.float32, device=device)
        self.logs[name] = nn.Parameter(torch.zeros_like(self.first[name]))

    def found(self, kind: str) -> dict[str, Tensor]:
        """The present values by name; `kind` is unit or bound."""
        ending = f".{kind}"
        return {
            name.removesuffix(ending): self.first[name] * log.exp()
            for name, log in self.logs.items()
            if name.endswith(ending)
        }

    def forward(self, *x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Real logits of real samples."""
        units, bounds = self.found("unit"), self.found("bound")
        return mixed_logits(self.network, x, bounds=bounds, units=units)

    def settle(self) -> None:
        """Gives the network the present units and bounds."""
        network = self.network
        grids = {
            name: Grid(network.trained.grids[name].bits, self._scale(name, unit))
            for name, unit in self.found("unit").items()
        }
        bounds = {name: float(bound.detach()) for name, bound in self.found("bound").items()}
        network.set_scales(grids, bounds)

    def _scale(self, name: str, unit: Tensor) -> np.ndarray:  # type: ignore[type-arg]
        found = unit.detach().cpu().numpy().astype(np.float64)
        return short(found.reshape(self.network.trained.grids[name].scale.shape))
