"""One forward pass of a trained network: in real numbers, or in the integers of its lowering."""

from __future__ import annotations

import torch
from torch import Tensor

from ..ir import (
    Encode,
    Graph,
    Integrate,
    IntegrateFire,
    Node,
    Rectify,
    Relay,
    Requantize,
)
from .integers import Integers
from .quantizers import requantized
from .scan import Dynamics, Parameters, scan
from .surrogate import Surrogate
from .torch_ops import EXACT_FLOAT32, largest_sum, largest_value, op_currents
from .trained_weights import TrainedWeights
from .twin_neurons import encoded
from .walk import State


class RealPass:
    """The FLOAT graph in float32, with gradients; see `walk.Arithmetic`."""

    def __init__(
        self, weights: TrainedWeights, surrogate: Surrogate, reset_gradient: bool = False
    ) -> None:
        self.weights, self.surrogate, self.reset_gradient = weights, surrogate, reset_gradient

    def currents(self, node: Node, index: int, spikes: Tensor) -> Tensor:
        """See `walk.Arithmetic`."""
        synapse = node.synapses[index]
        formed = op_currents(synapse.op, spikes, *self.weights_of(node, index))
        return formed if synapse.gain == 1 else formed * synapse.gain

    def weights_of(self, node: Node, index: int) -> tuple[Tensor | None, Tensor | None]:
        """The weight and bias of a synapse; None where it has none."""
        return self.weights.real(node, index)

    def sends(
        self, node: Node, current: Tensor, state: State | None
    ) -> tuple[Tensor, State | None]:
        """See `walk.Arithmetic`."""
        neuron = node.neuron
        if isinstance(neuron, Rectify):
            bound = self.weights.fixed.get(f"{node.name}.bound")
            positive = torch.relu(current)
            return positive if bound is None else torch.minimum(positive, bound), None
        if isinstance(neuron, Encode):
            return encoded(neuron, current, node.type).float(), None
        if isinstance(neuron, Relay):
            return current, None
        assert isinstance(neuron, IntegrateFire | Integrate)
        dynamics = Dynamics(
            neuron,
            torch.float32,
            (False, False, False),
            surrogate=self.surrogate,
            reset_gradient=self.reset_gradient,
        )
        return scan(dynamics, self.weights.neuron(node), current, state)

    def silence(self, node: Node, frames: int, steps: int) -> Tensor:
        """See `walk.Arithmetic`."""
        return torch.zeros((frames, steps, *node.type.shape), device=device_of(self.weights))


class WholePass:
    """The lowered graph in whole numbers, exactly, with gradients; see `walk.Arithmetic`.

    It walks the probe of `integers`: its options and constants, not its weights.
    """

    def __init__(
        self,
        integers: Integers,
        weights: TrainedWeights,
        surrogate: Surrogate,
        reset_gradient: bool = False,
    ) -> None:
        self.integers, self.weights = integers, weights
        self.surrogate, self.reset_gradient = surrogate, reset_gradient
        self.graph: Graph = integers.probe
        self._whole: dict[tuple[str, int], tuple[Tensor | None, Tensor | None]] = {}
        self._dtypes: dict[str, torch.dtype] = {}
        self._neurons: dict[str, Parameters] = {}

    def currents(self, node: Node, index: int, spikes: Tensor) -> Tensor:
        """See `walk.Arithmetic`."""
        synapse = node.synapses[index]
        weight, bias = self._held(node, index)
        dtype = self._dtype(node)
        weight = None if weight is None else weight.to(dtype)
        bias = None if bias is None else bias.to(dtype)
        formed = op_currents(synapse.op, spikes.to(dtype), weight, bias)
        return formed if synapse.gain == 1 else formed * synapse.gain

    def sends(
        self, node: Node, current: Tensor, state: State | None
    ) -> tuple[Tensor, State | None]:
        """See `walk.Arithmetic`."""
        neuron, type = node.neuron, node.type
        match neuron:
            case Relay():
                return current, None
            case Requantize():
                dtype = self.integers.dtypes[node.name]
                factor = self.integers.factor(node)
                return requantized(current, factor, type.low, type.high, dtype), None
            case Encode():
                return encoded(neuron, current, type).float(), None
            case IntegrateFire() | Integrate():
                cap = self.integers.config.node(node.name).membrane_bits
                dynamics = self.integers.dynamics(node, cap, self.surrogate, self.reset_gradient)
                if node.name not in self._neurons:
                    self._neurons[node.name] = self.integers.neuron(node, self.weights)
                return scan(dynamics, self._neurons[node.name], current, state)
            case _:
                raise AssertionError(neuron)

    def silence(self, node: Node, frames: int, steps: int) -> Tensor:
        """See `walk.Arithmetic`."""
        return torch.zeros((frames, steps, *node.type.shape), device=device_of(self.weights))

    def _held(self, node: Node, index: int) -> tuple[Tensor | None, Tensor | None]:
        """The whole weights and biases of a synapse, formed once a pass."""
        place = (node.name, index)
        if place not in self._whole:
            self._whole[place] = self.integers.weights(node, index, self.weights)
        return self._whole[place]

    def _dtype(self, node: Node) -> torch.dtype:
        """float32 where no sum of the present weights can reach 2**24, else float64."""
        if node.name not in self._dtypes:
            wide = self._largest(node, exact=False) >= EXACT_FLOAT32
            if wide and self._largest(node, exact=True) >= EXACT_FLOAT32:
                self._dtypes[node.name] = torch.float64
            else:
                self._dtypes[node.name] = torch.float32
        return self._dtypes[node.name]

    def _largest(self, node: Node, exact: bool) -> int:
        """A bound of the summed current: of the present weights where `exact`, else of any."""
        total, steps = 0, 1
        for index, synapse in enumerate(node.synapses):
            source = self.graph.edge(synapse.source)
            weight, bias = self._held(node, index)
            if weight is None:
                found = largest_sum(synapse.op, source)
            elif exact:
                rows = weight.detach().abs().flatten(1).double().sum(dim=1)
                found = int(rows.max()) * largest_value(source)
            else:
                found = self.integers.bounds[node.name, index]
            found += 0 if bias is None else int(bias.detach().abs().max())
            total += found * abs(synapse.gain)
            steps = source.steps if node.type.steps == 1 else 1
        return total * steps


def device_of(weights: TrainedWeights) -> torch.device:
    """Where a network computes."""
    tensors = (*weights.tensors.values(), *weights.fixed.values())
    return tensors[0].device if tensors else torch.device("cpu")
