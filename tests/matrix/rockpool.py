"""Rockpool 3.1, torch backend: its Sequential, its Residual, and its modules in a torch model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from rockpool.nn.combinators import Residual, Sequential
from rockpool.nn.modules import (
    ExpSynTorch,
    LIFBitshiftTorch,
    LIFNeuronTorch,
    LIFTorch,
    LinearTorch,
)
from torch import nn

from .case import Case

Make = Callable[[int], nn.Module]
"""The number of neurons to the neurons."""

VERSION = "3.1.0"
FEATURES, HIDDEN, CLASSES = 6, 8, 4


def spread(low: float, high: float, count: int) -> torch.Tensor:
    """Different values for the neurons."""
    return torch.linspace(low, high, count)


def lif(count: int, **options: Any) -> nn.Module:
    return LIFTorch((count,), **{"tau_mem": 8e-3, "tau_syn": 2e-3, **options})


def lif_a_neuron(count: int) -> nn.Module:
    return LIFTorch(
        (count,),
        tau_mem=spread(2e-3, 20e-3, count),
        tau_syn=spread(5e-3, 1e-3, count).view(count, 1),
        threshold=spread(1.2, 2.5, count),
        bias=spread(-0.1, 0.1, count),
    )


def lif_decays(count: int) -> nn.Module:
    decays = {"alpha": torch.tensor(0.9), "beta": torch.tensor(0.6)}
    return LIFTorch((count,), leak_mode="decays", **decays)


def lif_bitshifts(count: int) -> nn.Module:
    dashes = {"dash_mem": torch.tensor(3.0), "dash_syn": torch.tensor(1.0)}
    return LIFTorch((count,), leak_mode="bitshifts", **dashes)


def recurrent(make: Callable[..., nn.Module], count: int) -> nn.Module:
    return make(count, has_rec=True, w_rec=torch.randn(count, count) * 0.1)


def bitshift(count: int, **options: Any) -> nn.Module:
    return LIFBitshiftTorch((count,), tau_mem=9e-3, tau_syn=2e-3, **options)


def without_synapse(count: int) -> nn.Module:
    return LIFNeuronTorch((count,), tau_mem=5e-3, bias=0.05)


OPTIONS: dict[str, Make] = {
    "LIFTorch": lif,
    "LIFTorch, one spike a step": partial(lif, max_spikes_per_dt=1),
    "LIFTorch, everything a neuron": lif_a_neuron,
    "LIFTorch, decays": lif_decays,
    "LIFTorch, bitshifts": lif_bitshifts,
    "LIFTorch, recurrent": partial(recurrent, lif),
    "LIFBitshiftTorch": bitshift,
    "LIFBitshiftTorch, recurrent": partial(recurrent, bitshift),
    "LIFNeuronTorch": without_synapse,
}


def stacked(make: Make) -> nn.Module:
    """Rockpool's Sequential, which returns (output, states, records)."""
    return Sequential(
        LinearTorch((FEATURES, HIDDEN)),
        make(HIDDEN),
        LinearTorch((HIDDEN, CLASSES), has_bias=True),
        make(CLASSES),
    )


def residual(make: Make) -> nn.Module:
    """Rockpool's Residual: the spikes of the block and those in front of it are added."""
    return Sequential(
        LinearTorch((FEATURES, HIDDEN)),
        make(HIDDEN),
        Residual(LinearTorch((HIDDEN, HIDDEN)), make(HIDDEN)),
        LinearTorch((HIDDEN, CLASSES)),
        make(CLASSES),
    )


class Torch(nn.Module):
    """Rockpool's modules in the forward of a torch model, a synaptic readout behind them."""

    def __init__(self, make: Make) -> None:
        super().__init__()
        self.fc1 = nn.Linear(FEATURES, HIDDEN)
        self.neurons = make(HIDDEN)
        self.fc2 = LinearTorch((HIDDEN, CLASSES))
        self.readout = ExpSynTorch(CLASSES, tau=5e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spikes, _, _ = self.neurons(self.fc1(x))
        currents, _, _ = self.fc2(spikes)
        out, _, _ = self.readout(currents)
        return out


SHAPES: dict[str, Callable[[Make], nn.Module]] = {
    "Sequential": stacked,
    "Residual": residual,
    "torch module with ExpSynTorch": Torch,
}


def seeded(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """The same model each time, with weights that make the neurons fire."""

    def build() -> nn.Module:
        torch.manual_seed(3)
        model = make()
        for _, module in model.named_modules():
            if isinstance(module, LinearTorch | nn.Linear):
                nn.init.uniform_(module.weight, -0.2, 0.4)
        return model.eval()

    return build


def listed() -> Iterator[Case]:
    for number, (option, make) in enumerate(OPTIONS.items()):
        for place, (shape, network) in enumerate(SHAPES.items()):
            yield Case(
                "rockpool",
                VERSION,
                option,
                shape,
                seeded(partial(network, make)),
                (FEATURES,),
                feed="frames first",
                rtl=number == 0 or place == number % len(SHAPES),
            )


CASES = tuple(listed())
