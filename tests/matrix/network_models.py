"""Wiring around snnTorch's Leaky (and a ReLU), as models of the matrix."""

from __future__ import annotations

import snntorch
import torch
from torch import nn
from torch.nn import functional

IMAGE = (2, 8, 8)


def leaky() -> snntorch.Leaky:
    return snntorch.Leaky(beta=0.8, threshold=0.5, init_hidden=True)


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


class ResidualReLU(nn.Module):
    """Two branches and a ReLU on their sum."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4 * 8 * 8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before = functional.relu(self.first(x))
        return self.head(functional.relu(self.second(before) + before).flatten(1))
