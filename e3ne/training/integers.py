"""The constants of a lowered network as tensors, for passes that train its weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..config import Config
from ..ir import (
    Conv2d,
    Dyadic,
    Graph,
    Integrate,
    IntegrateFire,
    Linear,
    Node,
    Requantize,
    UnsupportedModel,
)
from .grids import Weighted, loaded, probe_weights, spread
from .named_tensors import NamedTensors
from .quantizers import rounded
from .scan import Dynamics, Parameters
from .surrogate import Surrogate
from .torch_ops import largest_sum
from .trained_weights import TrainedWeights
from .twin_neurons import broadcast, working_dtype


def probe_of(graph: Graph, weights: TrainedWeights) -> Graph:
    """The FLOAT graph with probe weights in the place of the trained ones."""

    def load(node: Node, index: int, op: Weighted) -> Weighted:
        name = weights.names.get((node.name, index))
        return op if name is None else probe_weights(op, weights.grids[name])

    return loaded(graph, load)


class Integers(nn.Module):
    """Of `probe`, the graph with probe weights lowered with `config`: units, factors, thresholds.

    `dtypes` has for each node the dtype in which its neurons are exact, `bounds` for each synapse
    (node, index) with weights the largest sum without the bias. UnsupportedModel where a neuron
    needs more than 53 bits.
    """

    def __init__(self, probe: Graph, config: Config, weights: TrainedWeights) -> None:
        super().__init__()
        self.probe, self.config = probe, config
        self.held = NamedTensors(persistent=False)
        self.dtypes = {node.name: working_dtype(probe, node) for node in probe.nodes}
        self.bounds: dict[tuple[str, int], int] = {}
        for node in probe.nodes:
            if self.dtypes[node.name] is torch.int64:
                raise UnsupportedModel(
                    f"{node.name}: found numbers of more than 53 bits, accepted fewer in training; "
                    "choose fewer membrane_fraction_bits or decay_bits"
                )
            for index, synapse in enumerate(node.synapses):
                if isinstance(synapse.op, Linear | Conv2d):
                    self._add_synapse(node, index, synapse.op, weights)
            self._add_neuron(node)

    def _add_synapse(self, node: Node, index: int, op: Weighted, weights: TrainedWeights) -> None:
        source, where = node.synapses[index].source, f"{node.name}.{index}"
        edge = self.probe.edge(source)
        self.bounds[node.name, index] = largest_sum(replace(op, bias=None), edge)
        name = weights.names.get((node.name, index))
        if name is None:
            self._hold(f"{where}.weight", op.weight, torch.float32)
            if op.bias is not None:
                self._hold(f"{where}.bias", op.bias, torch.float64)
            return
        scale = weights.grids[name].scale
        self._hold(f"{where}.weight_unit", spread(scale, op.weight.ndim), torch.float32)
        self._hold(f"{where}.bias_unit", scale * self.probe.scale(source), torch.float64)

    def _add_neuron(self, node: Node) -> None:
        neuron, dtype = node.neuron, self.dtypes[node.name]
        numbers: dict[str, Any] = {}
        if isinstance(neuron, Requantize):
            numbers["factor"] = Dyadic(neuron.multiplier, neuron.shift)
        elif isinstance(neuron, IntegrateFire | Integrate):
            numbers = {"decay": neuron.decay, "gain": neuron.gain, "offset": neuron.offset}
            numbers["threshold"] = neuron.threshold if isinstance(neuron, IntegrateFire) else 1
            if neuron.synaptic_decay is not None:
                numbers["synaptic_decay"] = neuron.synaptic_decay
        for name, value in numbers.items():
            real = (
                np.asarray(value.multiplier) / 2.0**value.shift
                if isinstance(value, Dyadic)
                else value
            )
            self._hold(f"{node.name}.{name}", broadcast(real, node.type), dtype)

    def _hold(self, name: str, value: Any, dtype: torch.dtype) -> None:
        self.held[name] = torch.tensor(np.asarray(value), dtype=dtype)

    def weights(
        self, node: Node, index: int, weights: TrainedWeights
    ) -> tuple[Tensor | None, Tensor | None]:
        """The whole weights and biases of a synapse, with gradients."""
        where = f"{node.name}.{index}"
        name = weights.names.get((node.name, index))
        if name is None:
            return self.held.get(f"{where}.weight"), self.held.get(f"{where}.bias")
        whole = weights.levels(name, self.held[f"{where}.weight_unit"])
        bias = weights.biases.get((node.name, index))
        if bias is None:
            return whole, None
        return whole, rounded(weights.masked(bias).double() / self.held[f"{where}.bias_unit"])

    def factor(self, node: Node) -> Tensor:
        """What a Requantize multiplies with."""
        return self.held[f"{node.name}.factor"]

    def neuron(self, node: Node) -> Parameters:
        """The whole numbers and the factors of a neuron with a state."""
        names = ("threshold", "decay", "gain", "offset", "synaptic_decay")
        found = {name: self.held.get(f"{node.name}.{name}") for name in names}
        return Parameters(**found)  # type: ignore[arg-type]

    def dynamics(
        self, node: Node, cap_bits: int | None, surrogate: Surrogate, reset_gradient: bool
    ) -> Dynamics:
        """The options of a neuron with a state, whose membrane saturates where `cap_bits` says."""
        neuron = node.neuron
        assert isinstance(neuron, IntegrateFire | Integrate)
        factors = (neuron.decay, neuron.gain, neuron.synaptic_decay)
        rounds = [isinstance(factor, Dyadic) and factor.shift > 0 for factor in factors]
        reach = None
        if cap_bits is not None:
            reach = (-(1 << (cap_bits - 1)), (1 << (cap_bits - 1)) - 1)
        return Dynamics(
            neuron,
            self.dtypes[node.name],
            (rounds[0], rounds[1], rounds[2]),
            reach,
            surrogate,
            reset_gradient,
        )
