"""The constants of a lowered network as tensors, for passes that train its weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..config import Config
from ..ir import (
    Array,
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
from ..lower.parameters import aligned
from ..lower.quantize_neurons import step_unit
from ..lower.synapse_scales import integer_synapses
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


def membrane_unit(real: Graph, probe: Graph, node: Node, config: Config) -> Array:
    """The real value of one unit of a membrane, as `lower.quantize_neurons` chooses it.

    float64, to broadcast over (frames, *shape).
    """
    settings = config.node(node.name)
    wanted = real.node(node.name)
    neuron = wanted.neuron
    assert isinstance(neuron, IntegrateFire | Integrate)
    one_unit = isinstance(neuron, Integrate) or bool(
        neuron.sends == "membrane" or neuron.reset_value != 0 or neuron.floor is not None
    )
    scale = integer_synapses(probe, wanted, settings, config.scale).scale
    neuron, spread_scale = aligned(neuron, scale, node.type.shape)
    bits = settings.membrane_fraction_bits
    assert bits is not None
    return np.asarray(step_unit(neuron.gain, spread_scale, one_unit) / 2.0**bits)


class Integers(nn.Module):
    """Of `probe`, which is the FLOAT graph `real` with probe weights, lowered with `config`.

    `dtypes` has for each node the dtype in which its neurons are exact, `bounds` for each synapse
    (node, index) with weights the largest sum without the bias. UnsupportedModel where a neuron
    needs more than 53 bits.
    """

    def __init__(self, real: Graph, probe: Graph, config: Config, weights: TrainedWeights) -> None:
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
            if weights.trained_neuron(node):
                self.dtypes[node.name] = torch.float64
                self._hold(
                    f"{node.name}.unit", membrane_unit(real, probe, node, config), torch.float64
                )

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

    def neuron(self, node: Node, weights: TrainedWeights) -> Parameters:
        """The whole numbers and the factors of a neuron with a state."""
        names = ("threshold", "decay", "gain", "offset", "synaptic_decay")
        found = {name: self.held.get(f"{node.name}.{name}") for name in names}
        for name, value in weights.trained_neuron(node).items():
            if name == "threshold":
                units = rounded(value.double() / self.held[f"{node.name}.unit"])
                found[name] = units.clamp(min=1)
            else:
                bits = self.config.node(node.name).decay_bits
                assert bits is not None
                found[name] = rounded(value.double() * 2.0**bits) / 2.0**bits
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
        if self.held.get(f"{node.name}.unit") is not None:  # a trained decay may need rounding
            rounds = [True, rounds[1], True]
        return Dynamics(
            neuron,
            self.dtypes[node.name],
            (rounds[0], rounds[1], rounds[2]),
            reach,
            surrogate,
            reset_gradient,
        )
