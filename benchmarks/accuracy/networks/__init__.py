"""The networks of the rows, one module each; each defines `NETWORK`, a `Network`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module

from torch import Tensor, nn

from e3ne.config import Config
from e3ne.ir import Array, Graph
from e3ne.training.datasets import Split

Figures = Callable[[Array, Split], dict[str, float]]
"""(classes of all test samples, split) to further figures by name, such as `f1_percent`."""


@dataclass(frozen=True)
class Network:
    """A network with its data: how it is trained, and how it is brought to few bits.

    `split()` loads the data (MissingData where they are not on this machine).
    `calibration(split)` gives real training samples for post-training quantisation.
    `train_float(seed, device)` trains from nothing and returns the FLOAT graph.
    `fine_tune(row, graph, seed, device)` goes on from that FLOAT graph to the bits of the row of
    that name: a FLOAT graph with on-grid weights, and the configuration that takes them over.
    `post_training` is the base configuration of 8/6 and 4/4 without training; the weight and edge
    bits of its `default` are replaced. `figures` adds to the accuracy; {} where there is nothing.
    `baselines(split)` measures other methods on the same data: their figures by name.
    `counts_spikes`: the spikes of a frame are figures, too (`evaluate.spikes_per_frame`).
    """

    split: Callable[[], Split]
    calibration: Callable[[Split], Array]
    train_float: Callable[[int, str], Graph]
    fine_tune: Callable[[str, Graph, int, str], tuple[Graph, Config]]
    post_training: Config = field(default_factory=Config)
    figures: Figures = field(default=lambda classes, split: {})
    baselines: Callable[[Split], dict[str, dict[str, float]]] = field(default=lambda split: {})
    counts_spikes: bool = False


def load_network_of(name: str) -> Network:
    """`NETWORK` of the module `name` of this package."""
    network = import_module(f"{__name__}.{name}").NETWORK
    assert isinstance(network, Network), f"{name}.NETWORK is a {type(network).__name__}"
    return network


def clip_gradients(model: nn.Module, most: float = 1.0) -> None:
    """From now on the gradient of each parameter has a norm of at most `most`."""

    def clipped(gradient: Tensor) -> Tensor:
        return gradient * float(most / gradient.norm().clamp(min=most))

    for parameter in model.parameters():
        parameter.register_hook(clipped)  # type: ignore[no-untyped-call]
