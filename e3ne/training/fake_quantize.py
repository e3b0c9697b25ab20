"""Fake quantisation: torch models that already compute with the numbers of the hardware.

The rules, which lowering repeats on the exported weights:

    weight   scale = max|w| / q;  clip(round_half_even(w / scale), -q, q) * scale,
             q = 2**(bits - 1) - 1, one scale a tensor
    bias     round_half_even(b / s) * s,  s = scale of the weight * scale of the source edge
    edge     clip(floor(x / s + 1/2), 0, 2**bits - 1) * s,  s = bound / (2**bits - 1)
    input    clip(round_half_even(x / s), 0, 2**bits - 1) * s

A weight quantised with a given scale is a fixpoint of its rule as long as one element has the
largest magnitude, q * scale; `QuantizedWeight` puts the largest one there. Where every scale is
a power of two, float32 sums of these numbers are exact, and torch and the integers are equal.

`attach` wraps a plain model for training; the wrapping is gone from the exported weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class StraightThrough(torch.autograd.Function):
    """Forward: the second argument; backward: the gradient goes to the first, unchanged."""

    @staticmethod
    def forward(context: object, x: Tensor, rounded: Tensor) -> Tensor:
        return rounded

    @staticmethod
    def backward(context: object, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def straight_through(x: Tensor, rounded: Tensor) -> Tensor:
    """`rounded`, with the gradient of `x`."""
    return StraightThrough.apply(x, rounded)  # type: ignore[no-any-return, no-untyped-call]


def largest_level(bits: int) -> int:
    """q: weights of `bits` bits are the integers -q .. q."""
    return (1 << (bits - 1)) - 1


def max_scale(weight: Tensor, bits: int) -> float:
    """The scale of the rule: the largest magnitude becomes q. 1.0 for weights that are all 0."""
    return float(weight.detach().abs().max()) / largest_level(bits) or 1.0


def power_of_two_scale(weight: Tensor, bits: int) -> float:
    """The power of two that quantises `weight` (any shape) with the least squared error."""
    weight = weight.detach().double()
    highest = math.ceil(math.log2(max_scale(weight, bits)))
    scales = [2.0**exponent for exponent in range(highest, highest - bits - 4, -1)]
    errors = [float((quantize_weight(weight, bits, s) - weight).square().sum()) for s in scales]
    return scales[errors.index(min(errors))]


def quantize_weight(weight: Tensor, bits: int, scale: float) -> Tensor:
    """The rule for weights with a given scale; gradient 1 inside the range, 0 where it clips."""
    limit = largest_level(bits) * scale
    clipped = weight.clamp(-limit, limit)
    return straight_through(clipped, torch.round(clipped / scale) * scale)


def quantize_edge(x: Tensor, bits: int, scale: float) -> Tensor:
    """The rule for edges (round half up, unsigned); gradient 0 where it clips."""
    clipped = x.clamp(0.0, (2**bits - 1) * scale)
    return straight_through(clipped, torch.floor(clipped / scale + 0.5) * scale)


def quantize_input(x: Tensor, bits: int, scale: float) -> Tensor:
    """The rule for samples (round half to even, unsigned). No gradient is needed."""
    return (torch.round(x / scale) * scale).clamp(0.0, (2**bits - 1) * scale)


class QuantizedWeight(nn.Module):
    """Parametrization of a weight: `bits` bits with a fixed `scale`.

    The elements of the largest magnitude become +-q * scale, so that the rule for weights finds
    the same scale again.
    """

    def __init__(self, bits: int, scale: float) -> None:
        super().__init__()
        self.bits, self.scale = bits, scale

    def forward(self, weight: Tensor) -> Tensor:
        quantized = quantize_weight(weight, self.bits, self.scale)
        magnitude = weight.detach().abs()
        limit = largest_level(self.bits) * self.scale
        largest = torch.where(weight.detach() < 0, -limit, limit)
        return straight_through(
            quantized, torch.where(magnitude == magnitude.max(), largest, quantized.detach())
        )


class QuantizedBias(nn.Module):
    """Parametrization of a bias: a multiple of `scale`, one unit of the accumulator."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, bias: Tensor) -> Tensor:
        return straight_through(bias, torch.round(bias / self.scale) * self.scale)


@dataclass(frozen=True)
class Rules:
    """How a model is quantised.

    `weight_bits` for every Conv2d and Linear, or another number for the module paths in `nodes`.
    `edge_bits` for every Hardtanh(0, bound); None where all edges are spikes. Samples have
    `input_bits` bits of `input_scale`; None where they are spikes. `source_scale` is the scale of
    the edges that layers with a bias read (one for the whole network).
    """

    weight_bits: int
    edge_bits: int | None = None
    input_bits: int | None = None
    input_scale: float = 1.0
    source_scale: float = 1.0
    nodes: Mapping[str, int] = field(default_factory=dict)


def attach(model: nn.Module, rules: Rules) -> None:
    """Makes `model` compute with quantised numbers, in place.

    Weight scales are the powers of two that fit the present weights best and stay fixed from now
    on: attach after a phase of float training.
    """
    for path, module in list(model.named_modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            bits = rules.nodes.get(path, rules.weight_bits)
            scale = power_of_two_scale(module.weight, bits)
            parametrize.register_parametrization(module, "weight", QuantizedWeight(bits, scale))
            if module.bias is not None:
                unit = QuantizedBias(scale * rules.source_scale)
                parametrize.register_parametrization(module, "bias", unit)
        elif isinstance(module, nn.Hardtanh) and rules.edge_bits is not None:
            attach_edge(path, module, rules.edge_bits)
    if rules.input_bits is not None:
        input_bits, input_scale = rules.input_bits, rules.input_scale
        model.register_forward_pre_hook(
            lambda _, inputs: (quantize_input(inputs[0], input_bits, input_scale), *inputs[1:])
        )


def attach_edge(path: str, module: nn.Hardtanh, bits: int) -> None:
    """Rounds what a Hardtanh(0, bound) sends to `bits` bits."""
    if module.min_val != 0:
        raise ValueError(
            f"{path}: found Hardtanh({module.min_val}, {module.max_val}), accepted "
            "Hardtanh(0, bound); radix edges carry no negative numbers"
        )
    scale = module.max_val / (2**bits - 1)
    module.register_forward_hook(lambda _, __, sent: quantize_edge(sent, bits, scale))


def quantized_state(model: nn.Module) -> dict[str, Tensor]:
    """The weights that an attached model computes with, under the plain model's names."""
    state: dict[str, Tensor] = {}
    for key, value in model.state_dict().items():
        if ".parametrizations." not in f".{key}":
            state[key] = value.detach().clone()
    for path, module in model.named_modules():
        if not parametrize.is_parametrized(module):
            continue
        for name in module.parametrizations:  # type: ignore[union-attr]
            key = f"{path}.{name}" if path else name
            state[key] = getattr(module, name).detach().clone()
    return state
