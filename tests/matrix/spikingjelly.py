"""SpikingJelly, whichever version the session sees: 2.0.0, or 0.0.0.0.14 in its own folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from typing import Any

import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

from .case import STEPS, Case, Feed
from .seeds import strong_weights

Make = Callable[[], nn.Module]
"""One layer of neurons, in single-step mode."""

VERSION = version("spikingjelly")
FEATURES, HIDDEN, CLASSES = 6, 8, 4
IMAGE = (2, 6, 6)


def plif(**options: Any) -> nn.Module:
    """Behind a training that moved its time constant."""
    neurons = neuron.ParametricLIFNode(init_tau=2.0, **options)
    with torch.no_grad():
        neurons.w.sub_(0.4)
    return neurons


OPTIONS: dict[str, Make] = {
    "IFNode, hard reset": neuron.IFNode,
    "IFNode, soft reset": partial(neuron.IFNode, v_reset=None),
    "IFNode, v_reset other than 0": partial(neuron.IFNode, v_threshold=0.8, v_reset=-0.25),
    "LIFNode, hard reset": neuron.LIFNode,
    "LIFNode, soft reset": partial(neuron.LIFNode, tau=3.0, v_threshold=0.5, v_reset=None),
    "LIFNode, v_reset other than 0": partial(neuron.LIFNode, v_threshold=0.75, v_reset=0.25),
    "LIFNode, decay_input=False, hard reset": partial(neuron.LIFNode, decay_input=False),
    "LIFNode, decay_input=False, soft reset": partial(
        neuron.LIFNode, tau=1.5, decay_input=False, v_reset=None
    ),
    "LIFNode, decay_input=False, v_reset other than 0": partial(
        neuron.LIFNode, decay_input=False, v_reset=-0.5
    ),
    "ParametricLIFNode, hard reset": partial(plif, v_threshold=0.5),
    "ParametricLIFNode, soft reset": partial(plif, v_threshold=0.5, v_reset=None),
    "ParametricLIFNode, decay_input=False": partial(plif, decay_input=False, v_reset=-0.25),
}
if hasattr(neuron, "CUBALIFNode"):
    OPTIONS |= {
        "CUBALIFNode, hard reset": neuron.CUBALIFNode,
        "CUBALIFNode, soft reset": partial(neuron.CUBALIFNode, v_threshold=1.0, v_reset=None),
        "CUBALIFNode, v_reset other than 0": partial(neuron.CUBALIFNode, v_reset=-0.25),
    }


def single_step(make: Make) -> nn.Module:
    """One step a call, the user's loop outside."""
    return nn.Sequential(
        layer.Linear(FEATURES, HIDDEN), make(), layer.Linear(HIDDEN, CLASSES), make()
    )


def multi_step(make: Make) -> nn.Module:
    """All steps in one call, through layers in multi-step mode."""
    net = nn.Sequential(
        layer.Conv2d(2, 4, 3, bias=False),
        layer.BatchNorm2d(4),
        make(),
        layer.MaxPool2d(2),
        layer.Dropout(0.2),
        layer.Flatten(),
        layer.Linear(16, CLASSES),
        make(),
    )
    functional.set_step_mode(net, "m")
    return net


class DirectCoding(nn.Module):
    """A still image at every step; the scores are rates of spikes."""

    def __init__(self, make: Make) -> None:
        super().__init__()
        self.front = nn.Sequential(layer.Conv2d(2, 4, 3), make(), layer.AvgPool2d(2))
        self.head = nn.Sequential(layer.Flatten(), layer.Linear(16, CLASSES), make())
        functional.set_step_mode(self, "m")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x_seq = x.unsqueeze(0).repeat(STEPS, 1, 1, 1, 1)
        return self.head(self.front(x_seq)).mean(0)


SHAPES: dict[str, tuple[Callable[[Make], nn.Module], tuple[int, ...], Feed]] = {
    "single-step": (single_step, (FEATURES,), "loop"),
    "multi-step, Conv2d": (multi_step, IMAGE, "steps first"),
    "direct coding, mean of spikes": (DirectCoding, IMAGE, "static"),
}


def containers(make: Make) -> nn.Module:
    """Layers without steps in containers that fold the steps into the frames."""
    neurons = [make(), make()]
    for each in neurons:
        each.step_mode = "m"
    return nn.Sequential(
        layer.SeqToANNContainer(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)),
        neurons[0],
        layer.SeqToANNContainer(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, CLASSES)),
        neurons[1],
    )


def step_containers(make: Make) -> nn.Module:
    """Single-step networks that a container calls at every step."""
    return nn.Sequential(
        layer.MultiStepContainer(nn.Linear(FEATURES, HIDDEN), make()),
        layer.MultiStepContainer(nn.Linear(HIDDEN, CLASSES), make()),
    )


class MultiStepForward(nn.Module):
    """functional.multi_step_forward over single-step layers, the state reset in the forward."""

    def __init__(self, make: Make) -> None:
        super().__init__()
        self.net = single_step(make)

    def forward(self, x_seq: torch.Tensor) -> torch.Tensor:
        functional.reset_net(self)
        return functional.multi_step_forward(x_seq, self.net)


class MembraneReadout(nn.Module):
    """Scores are the membrane of neurons that never fire, after the last step."""

    def __init__(self, make: Make, steps: int = STEPS) -> None:
        super().__init__()
        self.fc1, self.neurons = layer.Linear(FEATURES, HIDDEN), make()
        self.fc2 = layer.Linear(HIDDEN, CLASSES)
        self.readout = neuron.LIFNode(tau=4.0, v_threshold=float("inf"))
        self.steps = steps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(self.steps):
            self.readout(self.fc2(self.neurons(self.fc1(x))))
        return self.readout.v


class FiringMembrane(nn.Module):
    """The record of the membranes of neurons that fire."""

    def __init__(self, make: Make) -> None:
        super().__init__()
        self.fc1, self.neurons = layer.Linear(FEATURES, HIDDEN), make()
        self.fc2, self.last = layer.Linear(HIDDEN, CLASSES), make()

    def forward(self, x_seq: torch.Tensor) -> torch.Tensor:
        record = []
        for x in x_seq:
            self.last(self.fc2(self.neurons(self.fc1(x))))
            record.append(self.last.v)
        return torch.stack(record)


def elementwise_recurrent(make: Make) -> nn.Module:
    """Spikes of the step before are subtracted from the current."""
    return nn.Sequential(
        nn.Linear(FEATURES, HIDDEN),
        layer.ElementWiseRecurrentContainer(make(), lambda x, y: x - y),
        nn.Linear(HIDDEN, CLASSES),
        make(),
    )


def linear_recurrent(make: Make) -> nn.Module:
    """A layer reads the input and the spikes of the step before, side by side."""
    return nn.Sequential(
        nn.Linear(FEATURES, HIDDEN),
        layer.LinearRecurrentContainer(make(), HIDDEN, HIDDEN),
        nn.Linear(HIDDEN, CLASSES),
        make(),
    )


class Residual(nn.Module):
    """A block whose output spikes are added to its input spikes (SEW)."""

    def __init__(self, make: Make) -> None:
        super().__init__()
        self.stem = nn.Sequential(layer.Conv2d(2, 4, 3, padding=1), make())
        self.block = nn.Sequential(
            layer.Conv2d(4, 4, 3, padding=1, bias=False), layer.BatchNorm2d(4), make()
        )
        self.head = nn.Sequential(
            layer.AdaptiveAvgPool2d(2), layer.Flatten(), layer.Linear(16, CLASSES), make()
        )
        functional.set_step_mode(self, "m")

    def forward(self, x_seq: torch.Tensor) -> torch.Tensor:
        spikes = self.stem(x_seq)
        return self.head(self.block(spikes) + spikes)


OTHERS: dict[str, tuple[Callable[[Make], nn.Module], tuple[int, ...], Feed]] = {
    "SeqToANNContainer": (containers, IMAGE, "steps first"),
    "MultiStepContainer": (step_containers, (FEATURES,), "steps first"),
    "multi_step_forward, reset_net": (MultiStepForward, (FEATURES,), "steps first"),
    "ElementWiseRecurrentContainer": (elementwise_recurrent, (FEATURES,), "loop"),
    "LinearRecurrentContainer": (linear_recurrent, (FEATURES,), "loop"),
    "residual sum of spikes": (Residual, IMAGE, "steps first"),
    "v of firing neurons": (FiringMembrane, (FEATURES,), "steps first"),
    "v of the last step, infinite threshold": (MembraneReadout, (FEATURES,), "static"),
}


def case(option: str, shape: str, rtl: bool) -> Case:
    build, size, feed = (SHAPES | OTHERS)[shape]
    model = strong_weights(partial(build, OPTIONS[option]))
    signal = "real" if feed == "static" else "spikes"
    return Case("spikingjelly", VERSION, option, shape, model, size, STEPS, feed, signal, rtl)


def listed() -> Iterator[Case]:
    """Every option in every shape, two options in the others. RTL: the smallest shape of every
    option, and every shape once."""
    for number, option in enumerate(OPTIONS):
        for shape in SHAPES:
            yield case(option, shape, rtl=number == 0 or shape == "single-step")
    for number, shape in enumerate(OTHERS):
        for place, option in enumerate(
            ("LIFNode, decay_input=False, hard reset", "IFNode, soft reset")
        ):
            yield case(option, shape, rtl=number % 2 == place)


CASES = tuple(listed())
