"""Weights that make small networks fire: the same each time, larger than torch's own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from e3ne.frontend.registry import find_neuron


def strong_weights(make: Callable[[], nn.Module], seed: int = 3) -> Callable[[], nn.Module]:
    """`make`, with the layers in front of the neurons drawn anew, in evaluation mode.

    More is positive than negative, so that the neurons behind them fire now and then. Layers within
    neurons (recurrence) stay as the library drew them.
    """

    def build() -> nn.Module:
        torch.manual_seed(seed)
        model = make()
        inside = [path for path, module in model.named_modules() if find_neuron(module)]
        for path, module in model.named_modules():
            if any(path.startswith(f"{neurons}.") for neurons in inside):
                continue
            if isinstance(module, nn.Linear | nn.Conv2d):
                spread = 2 / module.weight[0].numel() ** 0.5
                nn.init.uniform_(module.weight, -0.6 * spread, spread)
        return model.eval()

    return build
