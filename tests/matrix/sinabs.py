"""sinabs 3.1: neurons that take all steps at once, their squeezed forms, and converted CNNs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from sinabs import activation, layers
from sinabs.from_torch import from_model
from torch import nn

from .case import STEPS, Case
from .seeds import strong_weights

Make = Callable[[], nn.Module]

VERSION = "3.1.3"
FEATURES, HIDDEN, CLASSES = 6, 8, 4
IMAGE = (2, 6, 6)
STRICT = torch.tensor(2.0)
TO_ZERO = activation.MembraneReset()


def lif(**options: Any) -> nn.Module:
    return layers.LIF(**{"tau_mem": 8.0, "norm_input": False, "spike_threshold": STRICT, **options})


def lif_a_neuron() -> nn.Module:
    return lif(
        tau_mem=torch.linspace(2, 20, HIDDEN),
        tau_syn=torch.linspace(4, 1, HIDDEN),
        spike_threshold=torch.linspace(1, 3, HIDDEN),
    )


def recurrent(make: Callable[..., nn.Module], **options: Any) -> nn.Module:
    connect = nn.Linear(HIDDEN, HIDDEN, bias=False)
    nn.init.uniform_(connect.weight, -0.3, 0.1)
    return make(rec_connect=connect, min_v_mem=-2.0, **options)


OPTIONS: dict[str, Make] = {
    "IAF": layers.IAF,
    "IAF, SingleSpike": partial(layers.IAF, spike_fn=activation.SingleSpike),
    "IAF, MaxSpike(2)": partial(layers.IAF, spike_fn=activation.MaxSpike(2)),
    "IAF, MembraneReset": partial(layers.IAF, spike_threshold=STRICT, reset_fn=TO_ZERO),
    "IAF, SingleSpike, MembraneReset": partial(
        layers.IAF, spike_fn=activation.SingleSpike, reset_fn=TO_ZERO
    ),
    "IAF, min_v_mem": partial(layers.IAF, min_v_mem=-0.5),
    "IAF, tau_syn": partial(layers.IAF, tau_syn=3.0, spike_threshold=STRICT),
    "LIF": lif,
    "LIF, norm_input": partial(lif, norm_input=True, spike_threshold=torch.tensor(0.4)),
    "LIF, tau_syn": partial(lif, tau_syn=2.0),
    "LIF, train_alphas": partial(lif, tau_syn=2.0, train_alphas=True, min_v_mem=-1.0),
    "LIF, SingleSpike, MembraneReset": partial(
        lif, spike_fn=activation.SingleSpike, reset_fn=TO_ZERO
    ),
    "LIF, parameters a neuron": lif_a_neuron,
    "IAFRecurrent": partial(recurrent, layers.IAFRecurrent, spike_threshold=STRICT),
    "LIFRecurrent": partial(recurrent, layers.LIFRecurrent, tau_mem=8.0, norm_input=False),
}


def dense(make: Make) -> nn.Module:
    """Frames first, steps second, all the way."""
    return nn.Sequential(nn.Linear(FEATURES, HIDDEN), make(), nn.Linear(HIDDEN, HIDDEN), make())


def readout(make: Make) -> nn.Module:
    """The membranes of leaky integrators behind neurons."""
    leak = layers.ExpLeak(tau_mem=10.0)
    return nn.Sequential(nn.Linear(FEATURES, HIDDEN), make(), nn.Linear(HIDDEN, CLASSES), leak)


SHAPES: dict[str, Callable[[Make], nn.Module]] = {
    "Linear": dense,
    "Linear, ExpLeak behind": readout,
}


class Unflattened(nn.Module):
    """Layers on frames and steps as one axis, neurons on two, a merge of two branches."""

    def __init__(self, make: Make) -> None:
        super().__init__()
        self.conv, self.neurons = layers.Repeat(nn.Conv2d(2, 4, 3, padding=1)), make()
        self.left, self.right = layers.Repeat(nn.Conv2d(4, 4, 1)), make()
        self.merge = layers.Merge()
        self.flat = nn.Sequential(layers.FlattenTime(), layers.SumPool2d(3), nn.Flatten())
        self.fc = nn.Linear(16, CLASSES)
        self.last = nn.Sequential(layers.UnflattenTime(batch_size=3), make())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spikes = self.neurons(self.conv(x))
        both = self.merge(self.right(self.left(spikes)), spikes)
        return self.last(self.fc(self.flat(both)))


def squeezed(pool: Make, make: Make) -> nn.Module:
    """Frames and steps on one axis."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False), make(), pool(), nn.Flatten(), nn.Linear(16, CLASSES), make()
    )


def converted(pool: Make, **options: Any) -> nn.Module:
    """A CNN with ReLU, as its author trained it, with neurons in place of the ReLUs."""
    cnn = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(), pool(), nn.Flatten(), nn.Linear(16, CLASSES), nn.ReLU()
    )
    return from_model(cnn, **options)


BATCH: dict[str, Any] = {"batch_size": 3}
COUNT: dict[str, Any] = {"num_timesteps": STEPS}
ONE: dict[str, Any] = {"spike_fn": activation.SingleSpike}
SUM, MEAN = partial(layers.SumPool2d, 2), partial(nn.AvgPool2d, 2)
MAXIMUM = partial(nn.MaxPool2d, 2)


def iaf_squeezed(**options: Any) -> Make:
    return partial(layers.IAFSqueeze, **options)


def lif_squeezed() -> nn.Module:
    return layers.LIFSqueeze(tau_mem=8.0, norm_input=False, **BATCH)


def squeezed_readout() -> nn.Module:
    return nn.Sequential(
        nn.Linear(FEATURES, HIDDEN),
        layers.IAFSqueeze(**COUNT),
        nn.Linear(HIDDEN, CLASSES),
        layers.ExpLeakSqueeze(tau_mem=9.0, **COUNT),
    )


def to_zero() -> nn.Module:
    return converted(MEAN, reset_fn=TO_ZERO, min_v_mem=None, **BATCH)


Other = tuple[str, str, Callable[[], nn.Module]]
OTHERS: tuple[Other, ...] = (
    ("IAFSqueeze, batch_size", "Conv2d, SumPool2d", partial(squeezed, SUM, iaf_squeezed(**BATCH))),
    (
        "IAFSqueeze, num_timesteps, SingleSpike",
        "Conv2d, MaxPool2d",
        partial(squeezed, MAXIMUM, iaf_squeezed(**COUNT, **ONE)),
    ),
    ("LIFSqueeze", "Conv2d, AvgPool2d", partial(squeezed, MEAN, lif_squeezed)),
    ("ExpLeakSqueeze", "behind IAFSqueeze", squeezed_readout),
    ("from_model, batch_size", "CNN with SumPool2d", partial(converted, SUM, **BATCH)),
    ("from_model, num_timesteps", "CNN with AvgPool2d", partial(converted, MEAN, **COUNT)),
    ("from_model, SingleSpike", "CNN with MaxPool2d", partial(converted, MAXIMUM, **BATCH, **ONE)),
    ("from_model, MembraneReset", "CNN with AvgPool2d", to_zero),
)


def listed() -> Iterator[Case]:
    for number, (option, make) in enumerate(OPTIONS.items()):
        for shape, build in SHAPES.items():
            model = strong_weights(partial(build, make))
            rtl = number == 0 or shape == "Linear"
            yield Case(
                "sinabs", VERSION, option, shape, model, (FEATURES,), feed="frames first", rtl=rtl
            )
    wired = strong_weights(partial(Unflattened, partial(layers.IAF, spike_threshold=STRICT)))
    name = "Repeat, FlattenTime, Merge"
    yield Case("sinabs", VERSION, "IAF", name, wired, IMAGE, feed="frames first", rtl=True)
    for option, shape, build in OTHERS:
        size = (FEATURES,) if option == "ExpLeakSqueeze" else IMAGE
        model = strong_weights(build)
        yield Case("sinabs", VERSION, option, shape, model, size, feed="merged", rtl=True)


CASES = tuple(listed())
