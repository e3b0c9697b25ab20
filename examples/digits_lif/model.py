"""A spiking network for 8x8 digits: snnTorch `Leaky` neurons, 10 steps, direct coded input."""

import snntorch
import torch
from torch import Tensor, nn

STEPS = 10
DECAY = 0.875  # 7/8: exact in hardware


class DigitsLif(nn.Module):
    """conv1 - lif1 - pool - linear1 - lif2 - linear2 - lif3; the same image at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1, bias=False)
        self.lif1 = snntorch.Leaky(beta=DECAY)
        self.pool = nn.MaxPool2d(2)
        self.linear1 = nn.Linear(192, 48, bias=False)
        self.lif2 = snntorch.Leaky(beta=DECAY)
        self.linear2 = nn.Linear(48, 10, bias=False)
        self.lif3 = snntorch.Leaky(beta=DECAY)

    def forward(self, x: Tensor) -> Tensor:
        """Digits (batch, 1, 8, 8) in 0 .. 1 to output spikes (steps, batch, 10)."""
        membrane1 = self.lif1.init_leaky()
        membrane2 = self.lif2.init_leaky()
        membrane3 = self.lif3.init_leaky()
        spikes = []
        for _ in range(STEPS):
            hidden, membrane1 = self.lif1(self.conv1(x), membrane1)
            hidden = self.pool(hidden).flatten(1)
            hidden, membrane2 = self.lif2(self.linear1(hidden), membrane2)
            output, membrane3 = self.lif3(self.linear2(hidden), membrane3)
            spikes.append(output)
        return torch.stack(spikes)


def net() -> nn.Module:
    """The network; its class scores are the spike counts over the steps."""
    return DigitsLif()
