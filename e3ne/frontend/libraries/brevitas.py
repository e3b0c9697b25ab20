"""Brevitas: layers that compute with quantised weights and activations.

A layer's weights reach its torch function as integers times a scale, so the trace takes them over
as they are. What its quantisers of activations do is computed by Brevitas alone; `levels_of` reads
from what one returned which integers an edge carries. Nothing here imports Brevitas: a model that
has its layers has imported it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ...ir import Graph, Rectify

LOG = logging.getLogger(__name__)

LAYERS = "brevitas.nn."
TENSORS = "brevitas.quant_tensor."
QUANTIZER = "brevitas.proxy.runtime_quant.ActQuantProxyFromInjectorBase"
TRUNCATION = "brevitas.proxy.runtime_quant.TruncQuantProxyFromInjector"
PARAMETERS = "brevitas.proxy.parameter_quant."
MOST_BITS = 8
ROUNDING = "ROUND"


@dataclass(frozen=True)
class Levels:
    """What a quantiser sends: whole numbers of `bits` bits (two's complement if signed) x scale."""

    bits: int
    signed: bool
    scale: float


def is_layer(module: nn.Module) -> bool:
    """Whether a module is a layer of Brevitas (its children are what it quantises with)."""
    return any(_dotted(cls).startswith(LAYERS) for cls in type(module).__mro__)


def is_quantizer(module: nn.Module) -> bool:
    """Whether a module quantises activations, and is not switched off."""
    if TRUNCATION in map(_dotted, type(module).__mro__):
        return bool(module.is_quant_enabled)
    if QUANTIZER not in map(_dotted, type(module).__mro__):
        return False
    return bool(module.is_quant_enabled) and module.fused_activation_quant_proxy is not None


def quantizes_parameters(module: nn.Module) -> bool:
    """Whether a module makes integers of weights or biases, whatever it is given beside them."""
    return any(_dotted(cls).startswith(PARAMETERS) for cls in type(module).__mro__)


def insists_on_float32(model: nn.Module) -> bool:
    """Whether a model has layers whose integers may be others when computed in float64."""
    return any(is_layer(module) for module in model.modules())


def plain(items: Any) -> Any:
    """The same nesting with the value of every tensor that Brevitas wraps."""
    if type(items).__module__.startswith(TENSORS):
        return items.value
    if isinstance(items, Mapping):
        return {key: plain(item) for key, item in items.items()}
    if type(items) in (list, tuple):
        return type(items)(map(plain, items))
    return items


def levels_of(module: nn.Module, sent: Any) -> Levels | str:
    """What a quantiser sends, from what one call of it returned; or why e3ne cannot: a problem."""
    kind = type(sent).__name__
    if kind != "IntQuantTensor":
        named = {"Tensor": "a call without scales (quant_inference_mode)"}
        return (
            f"found {named.get(kind, kind)}, accepted integers with one scale (IntQuantTensor); "
            "use one of the Int or Uint quantisers"
        )
    for problem in _problems(module, sent):
        return problem
    return Levels(int(sent.bit_width), bool(sent.signed), float(sent.scale))


def _problems(module: nn.Module, sent: Any) -> Iterator[str]:
    """Why the integers of a quantiser are none that an edge carries."""
    if sent.scale.numel() != 1:
        yield (
            f"found {sent.scale.numel()} scales of activations, accepted one a layer; set "
            "scaling_per_output_channel=False"
        )
    elif bool(sent.zero_point.any()):
        yield (
            "found activations with a zero point, accepted zero point 0; use "
            "Uint8ActPerTensorFloat (unsigned) or Int8ActPerTensorFloat"
        )
    elif not 1 <= float(sent.bit_width) <= MOST_BITS or float(sent.bit_width) % 1:
        yield (
            f"found activations of {float(sent.bit_width):g} bits, accepted 1 .. {MOST_BITS}; set "
            "bit_width"
        )
    elif module.is_narrow_range and not _is_truncation(module):
        yield "found activations of narrow range, accepted the whole one; set narrow_range=False"
    elif str(module.rounding_mode).upper() != ROUNDING:
        mode = module.rounding_mode or type(module.tensor_quant).__name__
        yield (
            f"found activations that are rounded by {mode}, accepted rounding to the nearest; set "
            "float_to_int_impl_type=ROUND and quant_type=INT"
        )
    else:
        yield from _function_problems(module)


def _function_problems(module: nn.Module) -> Iterator[str]:
    """An activation function in front of the rounding that is no clipped ReLU."""
    if _is_truncation(module):
        return
    function = module.fused_activation_quant_proxy.activation_impl  # type: ignore[union-attr]
    if not isinstance(function, nn.ReLU | nn.Identity | nn.Hardtanh):
        yield f"found {type(function).__name__}, accepted ReLU; use QuantReLU"


def _is_truncation(module: nn.Module) -> bool:
    return TRUNCATION in map(_dotted, type(module).__mro__)


def signed_problem(levels: Levels) -> str:
    """The problem with activations below zero behind a layer."""
    return (
        f"found signed activations of {levels.bits} bits behind a layer, accepted unsigned ones: "
        "radix edges carry no negative numbers; use QuantReLU, or quantise with "
        "Uint8ActPerTensorFloat, and leave the quantiser of the scores out"
    )


def weighted_layers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """(`path (Class)`, layer) of every layer with weights."""
    for path, module in model.named_modules():
        if is_layer(module) and hasattr(module, "weight_quant") and hasattr(module, "quant_weight"):
            yield f"{path} ({type(module).__name__})", module


def layer_problems(model: nn.Module) -> list[str]:
    """Every layer whose quantised weights are no integers of at most 8 bits."""
    return [
        f"{where}: {problem}"
        for where, module in weighted_layers(model)
        if module.weight_quant.is_quant_enabled  # type: ignore[union-attr]
        for problem in _weight_problems(module)
    ]


def warn_of_layers(model: nn.Module) -> None:
    """Logs by name which weights and biases Brevitas leaves to rounding by e3ne."""
    for where, module in weighted_layers(model):
        if not module.weight_quant.is_quant_enabled:  # type: ignore[union-attr]
            LOG.warning(
                "%s: found weights without a quantiser; they become integers by the configuration",
                where,
            )
        elif module.bias is not None and not _follows_its_sum(module.bias_quant):
            LOG.warning(
                "%s: found a bias without a quantiser that follows its sum; it is rounded to the "
                "unit of the sum, which may be off by half of it; use bias_quant=Int32Bias",
                where,
            )


def _follows_its_sum(proxy: Any) -> bool:
    """Whether biases are whole numbers of the scale of weights times that of the input."""
    scaled = type(proxy.tensor_quant).__name__.startswith("Prescaled")
    return bool(proxy.is_quant_enabled) and scaled


def warn_of_edges(model: nn.Module, graph: Graph) -> None:
    """Logs by name which edges of a model with layers of Brevitas it does not quantise itself."""
    if not any(True for _ in weighted_layers(model)):
        return
    loose = [source.name for source in graph.inputs if not source.type.bits]
    loose += [
        node.name
        for node in graph.nodes
        if isinstance(node.neuron, Rectify) and node.neuron.bits is None
    ]
    for name in loose:
        LOG.warning(
            "%s: found values that the model does not quantise; calibration and configuration "
            "choose their bits; use QuantReLU, or QuantIdentity for the input",
            name,
        )


def _weight_problems(module: nn.Module) -> Iterator[str]:
    with torch.no_grad():
        weight = module.quant_weight()  # type: ignore[operator]
    if type(weight).__name__ != "IntQuantTensor":
        yield (
            f"found weights of {type(weight).__name__}, accepted integers with a scale a tensor "
            "or a channel; use Int8WeightPerTensorFloat or another Int quantiser"
        )
    elif bool(weight.zero_point.any()):
        yield (
            "found weights with a zero point, accepted zero point 0; use Int8WeightPerTensorFloat"
        )
    elif float(weight.bit_width) > MOST_BITS:
        yield (
            f"found weights of {float(weight.bit_width):g} bits, accepted at most {MOST_BITS}; "
            "set weight_bit_width"
        )


def _dotted(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
