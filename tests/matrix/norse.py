"""Norse 1.1: cells in loops that carry states, SequentialState, modules for all steps at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from norse import torch as norse
from torch import nn

from .case import Case, Feed
from .seeds import strong_weights

Make = Callable[[], nn.Module]
"""A layer of neurons that takes (current, state) of one step."""

VERSION = "1.1.0"
FEATURES, HIDDEN, CLASSES = 6, 8, 4
IMAGE = (2, 6, 6)


def tensors(**values: float) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(value) for name, value in values.items()}


def lif(dt: float = 0.001, **parameters: float) -> nn.Module:
    return norse.LIFCell(norse.LIFParameters(**tensors(**parameters)), dt=dt)


def lif_a_neuron(shape: tuple[int, ...] = (HIDDEN,)) -> nn.Module:
    """Time constants and thresholds that differ from neuron to neuron."""
    return norse.LIFCell(
        norse.LIFParameters(
            tau_syn_inv=torch.linspace(100, 400, HIDDEN),
            tau_mem_inv=torch.linspace(300, 50, HIDDEN),
            v_th=torch.linspace(0.2, 0.6, HIDDEN),
        )
    )


def lif_box(dt: float = 0.001, reset: Any = norse.reset_value, **parameters: float) -> nn.Module:
    p = norse.LIFBoxParameters(**tensors(**parameters), reset_method=reset)
    return norse.LIFBoxCell(p, dt=dt)


def iaf(**parameters: float) -> nn.Module:
    return norse.IAFCell(norse.IAFParameters(**tensors(**parameters)))


OPTIONS: dict[str, Make] = {
    "LIFCell": partial(lif, v_th=0.4),
    "LIFCell, dt": partial(lif, dt=0.003),
    "LIFCell, v_leak and v_reset other than 0": partial(
        lif, v_leak=-0.2, v_th=0.2, v_reset=-0.3, tau_syn_inv=300.0
    ),
    "LIFCell, parameters a neuron": lif_a_neuron,
    "LIFBoxCell": partial(lif_box, tau_mem_inv=400.0, v_th=0.5),
    "LIFBoxCell, reset_subtract": partial(lif_box, dt=0.004, v_th=0.5, reset=norse.reset_subtract),
    "LIFBoxCell, v_leak and v_reset other than 0": partial(
        lif_box, tau_mem_inv=500.0, v_leak=0.1, v_th=0.6, v_reset=0.2
    ),
    "IAFCell": iaf,
    "IAFCell, v_reset other than 0": partial(iaf, v_th=0.8, v_reset=-0.25),
}


class Loop(nn.Module):
    """The user's own loop with explicit states; a leaky integrator at the end."""

    def __init__(self, make: Make, integrator: Make) -> None:
        super().__init__()
        self.fc1, self.neurons = nn.Linear(FEATURES, HIDDEN), make()
        self.fc2, self.readout = nn.Linear(HIDDEN, CLASSES), integrator()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = last = None
        record = []
        for step in x:
            spikes, state = self.neurons(self.fc1(step), state)
            membrane, last = self.readout(self.fc2(spikes), last)
            record.append(membrane)
        return torch.stack(record)


class Sequence(nn.Module):
    """SequentialState in a loop over the steps."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.net = norse.SequentialState(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = None
        record = []
        for step in x:
            spikes, state = self.net(step, state)
            record.append(spikes)
        return torch.stack(record)


def sequential(make: Make) -> nn.Module:
    hidden = nn.Linear(FEATURES, HIDDEN), make()
    return Sequence(*hidden, nn.Linear(HIDDEN, HIDDEN), make())


def conv(make: Make) -> nn.Module:
    """The same neurons on an image and behind it."""
    return Sequence(
        nn.Conv2d(2, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        make(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16, HIDDEN),
        make(),
    )


def lifted(make: Make) -> nn.Module:
    """norse.Lift over layers without a state, a loop within each neuron."""
    return norse.SequentialState(
        norse.Lift(nn.Linear(FEATURES, HIDDEN)),
        norse.Lift(make()),
        norse.Lift(nn.Linear(HIDDEN, HIDDEN)),
        norse.Lift(make()),
    )


SHAPES: dict[str, tuple[Callable[[Make], nn.Module], tuple[int, ...]]] = {
    "own loop, LICell": (partial(Loop, integrator=norse.LICell), (FEATURES,)),
    "SequentialState in a loop": (sequential, (FEATURES,)),
    "SequentialState, Conv2d": (conv, IMAGE),
}


def recurrent(autapses: bool, **parameters: float) -> nn.Module:
    p = norse.LIFParameters(**tensors(**parameters))
    cell = norse.LIFRecurrentCell(HIDDEN, HIDDEN, p, autapses=autapses, dt=0.002)
    return Sequence(nn.Linear(FEATURES, HIDDEN), cell, nn.Linear(HIDDEN, CLASSES), lif(v_th=0.3))


def first_layer_recurrent() -> nn.Module:
    """A recurrent cell reads the input of the network itself."""
    cell = norse.LIFRecurrentCell(FEATURES, HIDDEN, norse.LIFParameters(v_th=torch.tensor(0.3)))
    return Sequence(cell, nn.Linear(HIDDEN, CLASSES), norse.LIBoxCell())


class AllSteps(nn.Module):
    """Modules that take all steps in one call."""

    def __init__(self, neurons: nn.Module, readout: nn.Module) -> None:
        super().__init__()
        self.fc1, self.neurons = nn.Linear(FEATURES, HIDDEN), neurons
        self.fc2, self.readout = nn.Linear(HIDDEN, CLASSES), readout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spikes, _ = self.neurons(self.fc1(x))
        out, _ = self.readout(self.fc2(spikes))
        return out


def li(**parameters: float) -> nn.Module:
    return norse.LICell(norse.LIParameters(**tensors(**parameters)))


def with_readout(readout: Make) -> nn.Module:
    return Loop(partial(lif, v_th=0.3), readout)


def all_steps(neurons: Make, readout: Make = norse.LI) -> nn.Module:
    return AllSteps(neurons(), readout())


def sequence_of_lif() -> nn.Module:
    return norse.LIF(norse.LIFParameters(v_th=torch.tensor(0.3)))


Other = tuple[str, str, Callable[[], nn.Module]]
IN_LOOP, AT_ONCE = "SequentialState in a loop", "all steps in one call"
OTHERS: tuple[Other, ...] = (
    ("LIFRecurrentCell", IN_LOOP, partial(recurrent, False)),
    ("LIFRecurrentCell", "the first layer", first_layer_recurrent),
    ("LIFRecurrentCell, autapses", IN_LOOP, partial(recurrent, True, v_th=0.5)),
    ("LIFRecurrentCell, v_leak other than 0", IN_LOOP, partial(recurrent, False, v_leak=0.2)),
    ("LIBoxCell", "own loop", partial(with_readout, norse.LIBoxCell)),
    ("LICell, v_leak other than 0", "own loop", partial(with_readout, partial(li, v_leak=0.4))),
    ("LIFCell", "Lift", partial(lifted, partial(lif, v_th=0.4))),
    ("LIF", AT_ONCE, partial(all_steps, sequence_of_lif)),
    ("LIFRecurrent", AT_ONCE, partial(all_steps, partial(norse.LIFRecurrent, HIDDEN, HIDDEN))),
    ("IAF", AT_ONCE, partial(all_steps, norse.IAF)),
    ("LI, dt", AT_ONCE, partial(all_steps, sequence_of_lif, partial(norse.LI, dt=0.002))),
)


def case(
    option: str, shape: str, make: Callable[[], nn.Module], size: tuple[int, ...], rtl: bool
) -> Case:
    feed: Feed = "steps first"
    return Case("norse", VERSION, option, shape, strong_weights(make), size, feed=feed, rtl=rtl)


def listed() -> Iterator[Case]:
    for number, (option, make) in enumerate(OPTIONS.items()):
        for place, (shape, (build, size)) in enumerate(SHAPES.items()):
            if size is not IMAGE or make is not lif_a_neuron:
                yield case(option, shape, partial(build, make), size, number == 0 or place == 0)
    for option, shape, build in OTHERS:
        yield case(option, shape, build, (FEATURES,), rtl=True)


CASES = tuple(listed())
