"""The parameters of a trained network: real weights, biases, thresholds and decays by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from ..config import Config
from ..ir import (
    Array,
    ChannelAffine,
    Conv2d,
    Graph,
    Integrate,
    IntegrateFire,
    Linear,
    Node,
    Rectify,
    frozen,
)
from .grids import Grid, Weighted, chosen_grid, is_trained, spread
from .named_tensors import NamedTensors
from .quantizers import weight_levels
from .scan import Parameters
from .twin_neurons import broadcast

LEAST_THRESHOLD = 1e-3
NEURON_PARAMETERS = ("threshold", "decay", "synaptic_decay")


class TrainedWeights(nn.Module):
    """What is trained of a FLOAT graph (`tensors`), what is not (`fixed`), and `masks`.

    `names` gives the name of the trained weights of a synapse (node, index): the node's own, or
    `<node>.<index>` where several synapses have some. Synapses that share an array share a name.
    """

    def __init__(self, graph: Graph, thresholds: bool, decays: bool) -> None:
        super().__init__()
        self.tensors, self.masks = NamedTensors(), NamedTensors()
        self.fixed = NamedTensors(persistent=False)
        self.names: dict[tuple[str, int], str] = {}
        self.biases: dict[tuple[str, int], str] = {}
        self.grids: dict[str, Grid] = {}
        shared: dict[int, str] = {}
        for node in graph.nodes:
            self._add_weights(node, shared)
            if isinstance(node.neuron, IntegrateFire | Integrate):
                self._add_neuron(node, thresholds, decays)
            if isinstance(node.neuron, Rectify) and node.neuron.bound is not None:
                self.fixed[f"{node.name}.bound"] = torch.tensor(float(node.neuron.bound))

    def _add_weights(self, node: Node, shared: dict[int, str]) -> None:
        trained = [k for k, synapse in enumerate(node.synapses) if is_trained(synapse.op)]
        for index, synapse in enumerate(node.synapses):
            op, place = synapse.op, (node.name, index)
            own = node.name if trained == [index] else f"{node.name}.{index}"
            if isinstance(op, ChannelAffine):
                self.fixed[f"{own}.weight"] = tensor(op.gain)
                self.fixed[f"{own}.bias"] = tensor(op.offset)
            elif isinstance(op, Linear | Conv2d) and index in trained:
                name = self.names[place] = shared.setdefault(id(op.weight), own)
                if name == own:
                    self.tensors[f"{name}.weight"] = nn.Parameter(tensor(op.weight))
                if op.bias is not None:
                    self.biases[place] = f"{own}.bias"
                    self.tensors[f"{own}.bias"] = nn.Parameter(tensor(op.bias))
            elif isinstance(op, Linear | Conv2d):
                self.fixed[f"{own}.weight"] = tensor(op.weight)
                if op.bias is not None:
                    self.fixed[f"{own}.bias"] = tensor(op.bias)

    def _add_neuron(self, node: Node, thresholds: bool, decays: bool) -> None:
        neuron = node.neuron
        assert isinstance(neuron, IntegrateFire | Integrate)
        fires = isinstance(neuron, IntegrateFire)
        trained = {"threshold": thresholds and fires, "decay": decays, "synaptic_decay": decays}
        numbers = {"decay": neuron.decay, "gain": neuron.gain, "offset": neuron.offset}
        numbers["threshold"] = neuron.threshold if isinstance(neuron, IntegrateFire) else 1.0
        if neuron.synaptic_decay is not None:
            numbers["synaptic_decay"] = neuron.synaptic_decay
        for name, value in numbers.items():
            held = tensor(broadcast(value, node.type))
            if trained.get(name, False):
                self.tensors[f"{node.name}.{name}"] = nn.Parameter(held)
            else:
                self.fixed[f"{node.name}.{name}"] = held

    def choose_grids(self, graph: Graph, nodes: Iterable[Node], config: Config) -> None:
        """Chooses the scales of the present weights of `nodes`."""
        for node in nodes:
            for index, synapse in enumerate(node.synapses):
                name = self.names.get((node.name, index))
                if name is not None:
                    assert isinstance(synapse.op, Linear | Conv2d)
                    op = self.with_real(node, index, synapse.op)
                    self.grids[name] = chosen_grid(node, op, config.node(node.name), config.scale)

    def masked(self, name: str) -> Tensor:
        """A trained tensor, 0 where its mask is."""
        held = self.tensors[name]
        return held * self.masks[name].to(held.device) if name in self.masks else held

    def real(self, node: Node, index: int) -> tuple[Tensor | None, Tensor | None]:
        """The real weight and bias of a synapse; None where it has none."""
        name = self.names.get((node.name, index))
        if name is None:
            own = f"{node.name}.{index}"
            return self.fixed.get(f"{own}.weight"), self.fixed.get(f"{own}.bias")
        bias = self.biases.get((node.name, index))
        return self.masked(f"{name}.weight"), None if bias is None else self.masked(bias)

    def levels(self, name: str, unit: Tensor) -> Tensor:
        """The weights as whole numbers of `unit`, their scale, with gradients."""
        grid = self.grids[name]
        return weight_levels(self.masked(f"{name}.weight") / unit, grid.limit, grid.bits == 1)

    def neuron(self, node: Node) -> Parameters:
        """The real numbers of a neuron with a state."""
        found = {
            name: self.fixed.get(f"{node.name}.{name}")
            for name in ("threshold", "decay", "gain", "offset", "synaptic_decay")
        }
        return Parameters(**{**found, **self.trained_neuron(node)})  # type: ignore[arg-type]

    def trained_neuron(self, node: Node) -> dict[str, Tensor]:
        """The trained numbers of a neuron by name, kept in their range: thresholds > 0, decays of
        0 .. 1."""
        found: dict[str, Tensor] = {}
        for name in NEURON_PARAMETERS:
            if (held := self.tensors.get(f"{node.name}.{name}")) is not None:
                low, high = (LEAST_THRESHOLD, None) if name == "threshold" else (0.0, 1.0)
                found[name] = held.clamp(low, high)
        return found

    def with_real(self, node: Node, index: int, op: Weighted) -> Weighted:
        """The op with the present real weights."""
        if (node.name, index) not in self.names:
            return op
        weight, bias = self.real(node, index)
        assert weight is not None
        held = None if bias is None else array(bias)
        return replace(op, weight=array(weight), bias=held)

    def with_levels(self, node: Node, index: int, op: Weighted, source_scale: float) -> Weighted:
        """The op with weights and bias on their grids, as float32."""
        name = self.names.get((node.name, index))
        if name is None:
            return op
        scale = self.grids[name].scale
        unit = tensor(spread(scale, op.weight.ndim)).to(self.tensors[f"{name}.weight"].device)
        with torch.no_grad():
            levels = self.levels(name, unit).cpu().numpy().astype(np.float64)
        weight = frozen(levels * spread(scale, op.weight.ndim), np.float32)
        bias = self.biases.get((node.name, index))
        if bias is None:
            return replace(op, weight=weight)
        unit_of_bias = scale * source_scale
        units = np.rint(array(self.masked(bias)).astype(np.float64) / unit_of_bias)
        return replace(op, weight=weight, bias=frozen(units * unit_of_bias, np.float32))

    def with_neuron(self, node: Node) -> Node:
        """The node with the trained numbers of its neuron."""
        changed = {
            name: _as_held(array(value), node) for name, value in self.trained_neuron(node).items()
        }
        return replace(node, neuron=replace(node.neuron, **changed)) if changed else node  # type: ignore[type-var, arg-type]


def tensor(values: object) -> Tensor:
    """float32 on the CPU."""
    return torch.tensor(np.asarray(values), dtype=torch.float32)


def array(held: Tensor) -> Array:
    """A read-only float32 array."""
    return frozen(held.detach().cpu().numpy(), np.float32)


def _as_held(values: Array, node: Node) -> float | Array:
    """A parameter as a graph holds it: a scalar, (channels,) or the whole shape."""
    if values.ndim == 0:
        return float(values)
    return values if values.shape == node.type.shape else frozen(values.reshape(-1), np.float32)
