"""snnTorch 1.0: every neuron and option, in the shapes of its tutorials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import snntorch
import torch
from torch import nn

from .case import STEPS, Case
from .seeds import strong_weights

Make = Callable[..., nn.Module]
"""(shape of the population, **what the model asks for: init_hidden, output) to its neurons."""

VERSION = "1.0.0"
FEATURES, HIDDEN, CLASSES = 6, 8, 4
IMAGE = (2, 6, 6)


def spread(shape: tuple[int, ...], low: float, high: float) -> torch.Tensor:
    """Different values for the neurons (or channels) of `shape`."""
    return torch.linspace(low, high, torch.Size(shape).numel()).reshape(shape)


def leaky(shape: tuple[int, ...], beta: float = 0.85, **options: Any) -> nn.Module:
    return snntorch.Leaky(beta=beta, **options)


def leaky_a_neuron(shape: tuple[int, ...], **options: Any) -> nn.Module:
    beta, threshold = spread(shape, 0.4, 0.95), spread(shape, 1.2, 0.6)
    return snntorch.Leaky(beta=beta, threshold=threshold, **options)


def leaky_learned(shape: tuple[int, ...], **options: Any) -> nn.Module:
    return snntorch.Leaky(
        beta=spread(shape, -0.1, 1.1),  # clamped to 0 .. 1
        threshold=spread(shape, 0.7, 1.3),
        learn_beta=True,
        learn_threshold=True,
        **options,
    )


def synaptic(shape: tuple[int, ...], **options: Any) -> nn.Module:
    return snntorch.Synaptic(alpha=0.6, beta=0.7, **options)


def synaptic_a_neuron(shape: tuple[int, ...], **options: Any) -> nn.Module:
    alpha, beta = spread(shape, 0.1, 0.8), spread(shape, 0.9, 0.3)
    return snntorch.Synaptic(alpha=alpha, beta=beta, learn_alpha=True, **options)


def lapicque(shape: tuple[int, ...], **options: Any) -> nn.Module:
    return snntorch.Lapicque(beta=0.8, threshold=0.3, **options)


def lapicque_circuit(shape: tuple[int, ...], **options: Any) -> nn.Module:
    return snntorch.Lapicque(R=2.0, C=2.5, time_step=1.0, **options)


def all_to_all(shape: tuple[int, ...]) -> dict[str, Any]:
    """A Linear on features, a Conv2d on images."""
    if len(shape) == 1:
        return {"linear_features": shape[0]}
    return {"conv2d_channels": shape[0], "kernel_size": 3}


def one_to_one(shape: tuple[int, ...]) -> dict[str, Any]:
    channels = (shape[0], *(1,) * (len(shape) - 1))
    return {"all_to_all": False, "V": spread(channels, -0.6, 0.5)}


def rleaky(recurrence: Callable[..., Any], shape: tuple[int, ...], **options: Any) -> nn.Module:
    return snntorch.RLeaky(beta=0.8, **recurrence(shape), **options)


def rsynaptic(recurrence: Callable[..., Any], shape: tuple[int, ...], **options: Any) -> nn.Module:
    return snntorch.RSynaptic(alpha=0.5, beta=0.7, **recurrence(shape), **options)


NO_DELAY = {"reset_delay": False}
OPTIONS: dict[str, Make] = {
    "Leaky, subtract": leaky,
    "Leaky, zero": partial(leaky, reset_mechanism="zero"),
    "Leaky, none": partial(leaky, beta=0.5, reset_mechanism="none"),
    "Leaky, subtract, no delay": partial(leaky, **NO_DELAY),
    "Leaky, zero, no delay": partial(leaky, reset_mechanism="zero", **NO_DELAY),
    "Leaky, beta and threshold a neuron": leaky_a_neuron,
    "Leaky, learned": leaky_learned,
    "Leaky, graded spikes": partial(leaky, graded_spikes_factor=1.5),
    "Synaptic, subtract": synaptic,
    "Synaptic, zero": partial(synaptic, reset_mechanism="zero"),
    "Synaptic, none": partial(synaptic, reset_mechanism="none", threshold=2.0),
    "Synaptic, subtract, no delay": partial(synaptic, **NO_DELAY),
    "Synaptic, zero, no delay": partial(synaptic, reset_mechanism="zero", **NO_DELAY),
    "Synaptic, alpha and beta a neuron": synaptic_a_neuron,
    "Lapicque, subtract": lapicque,
    "Lapicque, zero": partial(lapicque_circuit, reset_mechanism="zero", threshold=0.5),
    "Lapicque, none": partial(lapicque, reset_mechanism="none"),
    "RLeaky, subtract": partial(rleaky, all_to_all),
    "RLeaky, zero": partial(rleaky, all_to_all, reset_mechanism="zero"),
    "RLeaky, subtract, no delay": partial(rleaky, all_to_all, **NO_DELAY),
    "RLeaky, V a channel": partial(rleaky, one_to_one),
    "RSynaptic, subtract": partial(rsynaptic, all_to_all),
    "RSynaptic, zero": partial(rsynaptic, all_to_all, reset_mechanism="zero"),
    "RSynaptic, V a channel": partial(rsynaptic, one_to_one),
}


class Tutorial(nn.Module):
    """A loop over the steps with explicit states; `membranes` returns the last layer's record.

    Static input (the same current at each step), or steps first.
    """

    def __init__(self, make: Make, static: bool, membranes: bool) -> None:
        super().__init__()
        self.static, self.membranes = static, membranes
        self.fc1 = nn.Linear(FEATURES, HIDDEN)
        self.lif1 = make((HIDDEN,))
        self.fc2 = nn.Linear(HIDDEN, CLASSES)
        self.lif2 = make((CLASSES,))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden, last = self.first_states(self.lif1), self.first_states(self.lif2)
        record = []
        for step in range(STEPS if self.static else len(x)):
            spikes, *hidden = self.lif1(self.fc1(x if self.static else x[step]), *hidden)
            hidden = self.with_spikes(self.lif1, spikes, hidden)
            spikes, *last = self.lif2(self.fc2(spikes), *last)
            last = self.with_spikes(self.lif2, spikes, last)
            record.append(last[-1] if self.membranes else spikes)
        return torch.stack(record)

    @staticmethod
    def first_states(neurons: nn.Module) -> list[torch.Tensor]:
        states = neurons.reset_mem()
        return list(states) if isinstance(states, tuple) else [states]

    @staticmethod
    def with_spikes(
        neurons: nn.Module, spikes: torch.Tensor, states: list[torch.Tensor]
    ) -> list[torch.Tensor]:
        """Recurrent neurons take their spikes back too."""
        recurrent = isinstance(neurons, snntorch.RLeaky | snntorch.RSynaptic)
        return [spikes, *states] if recurrent else states


def hidden(make: Make) -> nn.Module:
    """A Sequential with hidden states: one step a call."""
    return nn.Sequential(
        nn.Linear(FEATURES, HIDDEN),
        make((HIDDEN,), init_hidden=True),
        nn.Linear(HIDDEN, CLASSES),
        make((CLASSES,), init_hidden=True, output=True),
    )


def convolution(make: Make) -> nn.Module:
    """The neurons on an image, pooled, and on classes."""
    return nn.Sequential(
        nn.Conv2d(2, 3, 3),
        make((3, 4, 4), init_hidden=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(12, CLASSES),
        make((CLASSES,), init_hidden=True),
    )


SHAPES: dict[str, tuple[Callable[[Make], nn.Module], dict[str, Any]]] = {
    "loop over a static input": (
        partial(Tutorial, static=True, membranes=False),
        {"input_shape": (FEATURES,), "feed": "static", "signal": "real"},
    ),
    "loop over the steps, membranes as output": (
        partial(Tutorial, static=False, membranes=True),
        {"input_shape": (FEATURES,), "feed": "steps first"},
    ),
    "Sequential with hidden states": (hidden, {"input_shape": (FEATURES,), "feed": "loop"}),
    "Conv2d and MaxPool2d": (convolution, {"input_shape": IMAGE, "feed": "loop"}),
}


def in_hardware(option: str, shape: str) -> bool:
    """One shape of each option, not the same for all; the plainest option in all of them."""
    number = list(OPTIONS).index(option)
    return number == 0 or list(SHAPES).index(shape) == number % len(SHAPES)


def listed() -> Iterator[Case]:
    for option, make in OPTIONS.items():
        for shape, (network, how) in SHAPES.items():
            yield Case(
                "snntorch",
                VERSION,
                option,
                shape,
                strong_weights(partial(network, make)),
                rtl=in_hardware(option, shape),
                **how,
            )


CASES = tuple(listed())
