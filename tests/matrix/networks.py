"""Shapes of networks: layers and wiring around snnTorch's Leaky, and plain CNNs as radix nets."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from .case import Case
from .network_models import (
    IMAGE,
    Concatenation,
    Residual,
    ResidualReLU,
    Segmentation,
    Shared,
    Views,
    leaky,
)

LINE = (3, 12)


def seeded(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """The same model each time, with batch normalisations that are not the identity."""

    def build() -> nn.Module:
        torch.manual_seed(3)
        model = make()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.5, 1.5)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.3, 0.3)
        return model.eval()

    return build


def conv_net(*front: nn.Module, features: int) -> nn.Module:
    """The given layers on an image, then five neurons."""
    return nn.Sequential(*front, nn.Flatten(), nn.Linear(features, 5), leaky())


def conv(*args: int, **named: object) -> nn.Conv2d:
    return nn.Conv2d(*args, **named)  # type: ignore[arg-type]


SPIKING: tuple[tuple[str, str, Callable[[], nn.Module], tuple[int, ...]], ...] = (
    ("residual sum", "of spikes", lambda: Residual(True), IMAGE),
    ("residual sum", "of currents", lambda: Residual(False), IMAGE),
    ("concatenation", "of spikes", lambda: Concatenation(True), IMAGE),
    ("concatenation", "of currents", lambda: Concatenation(False), IMAGE),
    (
        "Conv2d",
        "depthwise",
        lambda: conv_net(
            conv(2, 6, 3, groups=2), leaky(), conv(6, 6, 3, groups=6), leaky(), features=96
        ),
        IMAGE,
    ),
    (
        "Conv2d",
        "grouped",
        lambda: conv_net(conv(2, 4, 1), leaky(), conv(4, 6, 3, groups=2), leaky(), features=216),
        IMAGE,
    ),
    ("Conv2d", "dilated", lambda: conv_net(conv(2, 4, 3, dilation=2), leaky(), features=64), IMAGE),
    (
        "Conv2d",
        "strided",
        lambda: conv_net(conv(2, 4, (3, 2), stride=(2, 1), padding=(1, 0)), leaky(), features=112),
        IMAGE,
    ),
    (
        "Conv1d",
        "two layers",
        lambda: conv_net(
            nn.Conv1d(3, 4, 3),
            leaky(),
            nn.Conv1d(4, 4, 3, stride=2, padding=1),
            leaky(),
            features=20,
        ),
        LINE,
    ),
    (
        "Conv1d",
        "pooling",
        lambda: conv_net(
            nn.Conv1d(3, 4, 3, padding=1),
            leaky(),
            nn.MaxPool1d(2),
            nn.Conv1d(4, 4, 2),
            leaky(),
            nn.AvgPool1d(5),
            features=4,
        ),
        LINE,
    ),
    (
        "ConvTranspose2d",
        "kernel 2, stride 2",
        lambda: Segmentation(nn.ConvTranspose2d(4, 3, 2, stride=2)),
        IMAGE,
    ),
    (
        "ConvTranspose2d",
        "kernel 3, stride 2, output padding",
        lambda: Segmentation(nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1)),
        IMAGE,
    ),
    (
        "ConvTranspose2d",
        "kernel 4, stride 2, padding",
        lambda: Segmentation(nn.ConvTranspose2d(4, 3, 4, stride=2, padding=1)),
        IMAGE,
    ),
    (
        "Upsample",
        "nearest, then Conv2d",
        lambda: Segmentation(
            nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(4, 3, 3, padding=1))
        ),
        IMAGE,
    ),
    (
        "MaxPool2d",
        "on spikes",
        lambda: conv_net(conv(2, 4, 3), leaky(), nn.MaxPool2d(2), features=36),
        IMAGE,
    ),
    (
        "MaxPool2d",
        "on currents",
        lambda: conv_net(conv(2, 4, 3), nn.MaxPool2d(2), leaky(), features=36),
        IMAGE,
    ),
    (
        "AvgPool2d",
        "on spikes",
        lambda: conv_net(conv(2, 4, 3), leaky(), nn.AvgPool2d(3, stride=1), features=64),
        IMAGE,
    ),
    (
        "AvgPool2d",
        "on currents",
        lambda: conv_net(conv(2, 4, 3), nn.AvgPool2d(2), leaky(), features=36),
        IMAGE,
    ),
    (
        "AdaptiveAvgPool2d",
        "where it divides",
        lambda: conv_net(conv(2, 4, 3), leaky(), nn.AdaptiveAvgPool2d(2), features=16),
        IMAGE,
    ),
    (
        "BatchNorm2d",
        "after Conv2d",
        lambda: conv_net(conv(2, 4, 3, bias=False), nn.BatchNorm2d(4), leaky(), features=144),
        IMAGE,
    ),
    (
        "BatchNorm2d",
        "before Conv2d",
        lambda: conv_net(nn.BatchNorm2d(2), conv(2, 4, 3), leaky(), features=144),
        IMAGE,
    ),
    (
        "BatchNorm1d",
        "after Linear",
        lambda: nn.Sequential(
            nn.Linear(8, 9), nn.BatchNorm1d(9), leaky(), nn.Linear(9, 4), leaky()
        ),
        (8,),
    ),
    (
        "Dropout",
        "in evaluation",
        lambda: nn.Sequential(nn.Linear(8, 9), leaky(), nn.Dropout(), nn.Linear(9, 4), leaky()),
        (8,),
    ),
    ("view, reshape", "flattening", Views, IMAGE),
    ("shared module", "Linear twice", Shared, (8,)),
)


def radix(*layers: nn.Module, features: int) -> nn.Module:
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, 5))


PLAIN: tuple[tuple[str, str, Callable[[], nn.Module]], ...] = (
    (
        "ReLU",
        "LeNet-like",
        lambda: radix(
            conv(2, 4, 3), nn.ReLU(), nn.AvgPool2d(2), conv(4, 6, 2), nn.ReLU(), features=24
        ),
    ),
    (
        "ReLU",
        "batch norm and maximum",
        lambda: radix(
            conv(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), features=36
        ),
    ),
    (
        "ReLU6",
        "depthwise separable",
        lambda: radix(conv(2, 4, 1), nn.ReLU6(), conv(4, 4, 3, groups=4), nn.ReLU6(), features=144),
    ),
    (
        "clipped ReLU",
        "Hardtanh from 0",
        lambda: radix(conv(2, 4, 3), nn.Hardtanh(0, 2), features=144),
    ),
)


CASES: tuple[Case, ...] = tuple(
    Case("networks", "", option, shape, seeded(make), size, rtl=True)
    for option, shape, make, size in SPIKING
) + tuple(
    Case("networks", "", option, shape, seeded(make), IMAGE, 1, "static", "real", rtl=True)
    for option, shape, make in (*PLAIN, ("ReLU", "residual", ResidualReLU))
)
