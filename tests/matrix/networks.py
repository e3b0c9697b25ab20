"""Shapes of networks: layers and wiring around snnTorch's Leaky, and plain CNNs as radix nets."""

from __future__ import annotations

from collections.abc import Callable

import snntorch
import torch
from torch import nn
from torch.nn import functional

from .case import Case

IMAGE = (2, 8, 8)
LINE = (3, 12)


def leaky() -> snntorch.Leaky:
    return snntorch.Leaky(beta=0.8, threshold=0.5, init_hidden=True)


class Chain(nn.Sequential):
    """Layers in a row, the last a Linear with its own neurons or plain scores."""


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


class Residual(nn.Module):
    """A sum of two branches, of spikes or of currents."""

    def __init__(self, of_spikes: bool) -> None:
        super().__init__()
        self.of_spikes = of_spikes
        self.first, self.first_neurons = nn.Conv2d(2, 4, 3, padding=1), leaky()
        self.second, self.second_neurons = nn.Conv2d(4, 4, 3, padding=1), leaky()
        self.short = nn.Conv2d(4, 4, 1)
        self.head, self.head_neurons = nn.Linear(4 * 8 * 8, 5), leaky()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before = self.first_neurons(self.first(x))
        if self.of_spikes:
            after = self.second_neurons(self.second(before)) + before
        else:
            after = self.second_neurons(self.second(before) + self.short(before))
        return self.head_neurons(self.head(after.flatten(1)))


class Concatenation(nn.Module):
    """Two branches side by side, of spikes or of currents."""

    def __init__(self, of_spikes: bool) -> None:
        super().__init__()
        self.of_spikes = of_spikes
        self.left, self.left_neurons = nn.Conv2d(2, 3, 3, padding=1), leaky()
        self.right, self.right_neurons = nn.Conv2d(2, 4, 1), leaky()
        self.both_neurons = leaky()
        self.merge, self.merge_neurons = nn.Conv2d(7, 3, 3, stride=2), leaky()
        self.head, self.head_neurons = nn.Linear(27, 4), leaky()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.of_spikes:
            parts = (self.left_neurons(self.left(x)), self.right_neurons(self.right(x)))
            both = torch.cat(parts, dim=1)
        else:
            both = self.both_neurons(torch.cat((self.left(x), self.right(x)), dim=1))
        return self.head_neurons(self.head(self.merge_neurons(self.merge(both)).flatten(1)))


class Shared(nn.Module):
    """One layer in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)
        self.first, self.second = leaky(), leaky()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.layer(self.first(self.layer(x))))


class Segmentation(nn.Module):
    """Down and up again: scores a pixel."""

    def __init__(self, up: nn.Module) -> None:
        super().__init__()
        self.down, self.down_neurons = nn.Conv2d(2, 4, 3, stride=2, padding=1), leaky()
        self.up = up
        self.up_neurons = leaky()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.up_neurons(self.up(self.down_neurons(self.down(x))))


class Views(nn.Module):
    """Reshaping that keeps the meaning, in several spellings."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.neurons = nn.Conv2d(2, 3, 3), leaky()
        self.fc, self.last = nn.Linear(3 * 6 * 6, 6), leaky()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spikes = self.neurons(self.conv(x.reshape(x.shape[0], *IMAGE)))
        spikes = spikes.view(spikes.size(0), -1).unsqueeze(1).squeeze(1).contiguous()
        return self.last(self.fc(spikes))


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


class ResidualReLU(nn.Module):
    """Two branches and a ReLU on their sum."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4 * 8 * 8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before = functional.relu(self.first(x))
        return self.head(functional.relu(self.second(before) + before).flatten(1))


CASES: tuple[Case, ...] = tuple(
    Case("networks", "", option, shape, seeded(make), size, rtl=True)
    for option, shape, make, size in SPIKING
) + tuple(
    Case("networks", "", option, shape, seeded(make), IMAGE, 1, "static", "real", rtl=True)
    for option, shape, make in (*PLAIN, ("ReLU", "residual", ResidualReLU))
)
