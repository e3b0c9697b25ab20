"""How long tracing a spiking ResNet-18 takes, and how much memory: prints one JSON object.

`python -m benchmarks.trace_resnet18 --size 224 --steps 4`
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time

import snntorch
import torch
from torch import nn

from e3ne.frontend import trace


class Block(nn.Module):
    """Two convolutions with leaky neurons and a shortcut, which is strided where the block is."""

    def __init__(self, channels: int, outs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, outs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outs)
        self.lif1 = snntorch.Leaky(0.9, init_hidden=True)
        self.conv2 = nn.Conv2d(outs, outs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outs)
        self.lif2 = snntorch.Leaky(0.9, init_hidden=True)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != outs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, outs, 1, stride, bias=False), nn.BatchNorm2d(outs)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One step: (frames, channels, rows, columns)."""
        out = self.lif1(self.bn1(self.conv1(x)))
        spikes: torch.Tensor = self.lif2(self.bn2(self.conv2(out)) + self.shortcut(x))
        return spikes


class ResNet18(nn.Module):
    """11 million weights; a 7x7 stem for large images, a 3x3 one for small ones."""

    def __init__(self, size: int, classes: int = 1000) -> None:
        super().__init__()
        large = size > 64
        self.stem = nn.Conv2d(3, 64, 7 if large else 3, 2 if large else 1, 3 if large else 1)
        self.bn = nn.BatchNorm2d(64)
        self.lif = snntorch.Leaky(0.9, init_hidden=True)
        self.pool: nn.Module = nn.MaxPool2d(3, 2, 1) if large else nn.Identity()
        widths = [(64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1)]
        widths += [(128, 256, 2), (256, 256, 1), (256, 512, 2), (512, 512, 1)]
        self.blocks = nn.Sequential(*(Block(*width) for width in widths))
        self.average = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512, classes)
        self.out = snntorch.Leaky(0.9, init_hidden=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One step: (frames, channels, rows, columns) to spikes (frames, classes)."""
        x = self.pool(self.lif(self.bn(self.stem(x))))
        spikes: torch.Tensor = self.out(self.fc(torch.flatten(self.average(self.blocks(x)), 1)))
        return spikes


def main() -> None:
    """Traces once and prints seconds, peak memory and the size of what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=224, help="rows and columns of the input")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--frames", type=int, default=2, help="frames of the example")
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    model = ResNet18(chosen.size).eval()
    example = torch.rand(chosen.frames, 3, chosen.size, chosen.size)
    began, began_cpu = time.perf_counter(), time.process_time()
    graph = trace(model, example, steps=chosen.steps)
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    json.dump(
        {
            "model": f"spiking ResNet-18, {chosen.size}x{chosen.size}, {chosen.steps} steps",
            "weights": sum(weight.numel() for weight in model.parameters()),
            "nodes": len(graph.nodes),
            "threads": chosen.threads,
            "wall_s": round(wall_s, 2),
            "cpu_s": round(cpu_s, 2),
            "peak_gib": round(peak / 2**20, 2),
        },
        sys.stdout,
        indent=2,
    )
    print()


if __name__ == "__main__":
    main()
