"""A pass in real numbers whose quantisation is itself trained: bits, bounds, scales of weights.

Values are near to those of the integers, not equal (a requantisation's factor is not rounded, a
bias is not either); `settle` of what learns here gives the network its choice, in integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from ..ir import Node, Rectify
from ..lower.factors import scale_of_kind
from .passes import RealPass
from .quantizers import requantized
from .walk import State, walk

if TYPE_CHECKING:
    from .network import QuantizedNetwork

Named = Mapping[str, Tensor]


def mixed_logits(
    network: QuantizedNetwork,
    x: Sequence[Tensor],
    bits: Named | None = None,
    bounds: Named | None = None,
    units: Named | None = None,
) -> Tensor | tuple[Tensor, ...]:
    """Real logits of real samples, with some numbers of the quantisation as tensors by name.

    `bits` of ReLUs may lie between two whole numbers; `bounds` are those of ReLUs, `units` those
    of trained weights, to broadcast over them. What is not given is the network's own.
    """
    inputs = {}
    for source, samples in zip(network.integers.probe.inputs, x, strict=True):
        inputs[source.name] = network.entering(source, samples) * source.scale
    arithmetic = _MixedPass(network, bits or {}, bounds or {}, units or {})
    return network.real_logits(walk(network.graph, arithmetic, inputs))


class _MixedPass(RealPass):
    """Real numbers with quantised weights and edges; see `walk.Arithmetic`."""

    def __init__(self, network: QuantizedNetwork, bits: Named, bounds: Named, units: Named) -> None:
        super().__init__(network.trained, network.surrogate, network.reset_gradient)
        self.network, self.integers = network, network.integers
        self.bits, self.bounds, self.units = bits, bounds, units
        self.edge_bits = network.edge_bits()

    def weights_of(self, node: Node, index: int) -> tuple[Tensor | None, Tensor | None]:
        """The weights on their grids, as reals."""
        weight, bias = self.weights.real(node, index)
        name = self.weights.names.get((node.name, index))
        if name is not None:
            unit = self.units.get(name, self.integers.held[f"{node.name}.{index}.weight_unit"])
            weight = self.weights.levels(name, unit) * unit
        return weight, bias

    def sends(
        self, node: Node, current: Tensor, state: State | None
    ) -> tuple[Tensor, State | None]:
        """See `walk.Arithmetic`."""
        neuron = node.neuron
        if not isinstance(neuron, Rectify):
            return super().sends(node, current, state)
        assert neuron.bound is not None
        bound = self.bounds.get(node.name, current.new_tensor(neuron.bound))
        bits = self.bits.get(node.name)
        if bits is None:
            return self._rounded(current, bound, self.edge_bits[node.name]), None
        below = bits.detach().floor()
        fewer = self._rounded(current, bound, int(below))
        more = self._rounded(current, bound, int(below) + 1)
        return fewer + (bits - below) * (more - fewer), None

    def _rounded(self, current: Tensor, bound: Tensor, bits: int) -> Tensor:
        levels = (1 << bits) - 1
        unit = bound / levels
        if self.network.config.scale == "power_of_two":
            unit = current.new_tensor(float(scale_of_kind(float(unit), "power_of_two")))
        return requantized(current, 1 / unit, 0, levels, current.dtype) * unit
