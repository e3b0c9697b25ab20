"""Brevitas 0.13: quantised weights of every kind, activations, samples, and what lies between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import brevitas.nn as qnn
import torch
from brevitas import quant
from torch import nn

from .case import Case

VERSION = "0.13.4"
FEATURES, CLASSES = 12, 4
IMAGE = (2, 8, 8)
RETURNED = {"return_quant_tensor": True}

WEIGHTS: dict[str, dict[str, Any]] = {
    "8-bit weights": {"weight_bit_width": 8},
    "4-bit weights, scales a channel": {
        "weight_bit_width": 4,
        "weight_quant": quant.Int8WeightPerChannelFloat,
    },
    "3-bit weights, two-sided range": {"weight_bit_width": 3, "weight_narrow_range": False},
    "ternary weights": {
        "weight_quant": quant.SignedTernaryWeightPerTensorConst,
        "weight_scaling_init": 0.2,
    },
    "binary weights": {
        "weight_quant": quant.SignedBinaryWeightPerTensorConst,
        "weight_scaling_init": 0.1,
    },
    "5-bit weights, a power of two": {
        "weight_bit_width": 5,
        "weight_quant": quant.Int8WeightPerTensorFixedPoint,
    },
}


def options(weights: dict[str, Any]) -> dict[str, Any]:
    return {"bias": True, "bias_quant": quant.Int32Bias, **weights}


def last(weights: dict[str, Any]) -> dict[str, Any]:
    """The scores have one scale."""
    if weights.get("weight_quant") is not quant.Int8WeightPerChannelFloat:
        return options(weights)
    return options({**weights, "weight_quant": quant.Int8WeightPerTensorFloat})


def mlp(weights: dict[str, Any]) -> nn.Module:
    """Signed samples of 6 bits, activations of 4 and of 1 bit."""
    return nn.Sequential(
        qnn.QuantIdentity(bit_width=6, **RETURNED),
        qnn.QuantLinear(FEATURES, 10, **options(weights), **RETURNED),
        qnn.QuantReLU(bit_width=4, **RETURNED),
        qnn.QuantLinear(10, 8, **options(weights), **RETURNED),
        qnn.QuantReLU(bit_width=1, **RETURNED),
        qnn.QuantLinear(8, CLASSES, **last(weights)),
    )


def cnn(weights: dict[str, Any]) -> nn.Module:
    """Unsigned samples of 4 bits, pools, a depthwise convolution, activations of 3 and 8 bits."""
    unsigned = quant.Uint8ActPerTensorFloat
    return nn.Sequential(
        qnn.QuantIdentity(act_quant=unsigned, bit_width=4, **RETURNED),
        qnn.QuantConv2d(2, 4, 3, padding=1, **options(weights), **RETURNED),
        qnn.QuantReLU(bit_width=3, **RETURNED),
        nn.MaxPool2d(2),
        qnn.QuantConv2d(4, 4, 3, groups=4, **options(weights), **RETURNED),
        qnn.QuantReLU(bit_width=8, **RETURNED),
        nn.AvgPool2d(2),
        nn.Flatten(),
        qnn.QuantLinear(4, CLASSES, **last(weights)),
    )


def seen(
    make: Callable[[dict[str, Any]], nn.Module], weights: dict[str, Any], shape: tuple[int, ...]
) -> Callable[[], nn.Module]:
    """The same model each time; its scales have seen a few batches."""

    def build() -> nn.Module:
        torch.manual_seed(5)
        model = make(weights).train()
        with torch.no_grad():
            for _ in range(3):
                model(torch.rand(20, *shape) * 3 - 1)
        return model.eval()

    return build


SHAPES: dict[str, tuple[Callable[[dict[str, Any]], nn.Module], tuple[int, ...]]] = {
    "Linear": (mlp, (FEATURES,)),
    "Conv2d with pools": (cnn, IMAGE),
}


def listed() -> Iterator[Case]:
    for number, (option, weights) in enumerate(WEIGHTS.items()):
        for index, (shape, (make, size)) in enumerate(SHAPES.items()):
            yield Case(
                "brevitas",
                VERSION,
                option,
                shape,
                seen(make, weights, size),
                size,
                steps=1,
                feed="static",
                signal="real",
                rtl=index == number % len(SHAPES),
                single=True,
            )


CASES = tuple(listed())
