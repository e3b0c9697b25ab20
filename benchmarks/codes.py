"""Input codes on one small network: `python -m benchmarks.codes`, the table of docs/codes.md.

64 - 48 - 10 `Leaky` neurons on scikit-learn's digits, 8 steps, trained once for every code (the
encoder is part of the model) and for a few seeds, 40 epochs each; half a minute a network on one
core. Accuracies are those of the integer network, all 360 test images; operations are weights that
met a spike.
"""

from __future__ import annotations

from collections.abc import Iterator

import click
import numpy as np
import torch
from torch import Tensor, nn

from e3ne.config import parse_config
from e3ne.data import encoded_inputs
from e3ne.frontend import trace
from e3ne.hardware import answers
from e3ne.ir import Graph
from e3ne.lower import lower
from e3ne.reference import run
from e3ne.report.activity import Activity
from e3ne.training.datasets import Split, digits
from e3ne.training.encoders import Bernoulli, BitPlanes, Encoder, Latency, Regular

STEPS = 8
EPOCHS = 40
DECAY = 0.875
ENCODERS = {
    "direct": None,
    "regular": Regular(STEPS),
    "bernoulli": Bernoulli(STEPS),
    "latency": Latency(STEPS),
    "radix": BitPlanes(STEPS),
}


class Network(nn.Module):
    """Samples (frames, 1, 8, 8) of 0 .. 1 to spikes (steps, frames, 10)."""

    def __init__(self, encoder: Encoder | None) -> None:
        import snntorch

        super().__init__()
        self.encoder = encoder
        self.fc1, self.fc2 = nn.Linear(64, 48), nn.Linear(48, 10)
        self.lif1, self.lif2 = snntorch.Leaky(beta=DECAY), snntorch.Leaky(beta=DECAY)

    def forward(self, x: Tensor) -> Tensor:
        """Without an encoder the samples are the current of every step."""
        hidden, output, sent = self.lif1.init_leaky(), self.lif2.init_leaky(), []
        for step in [x] * STEPS if self.encoder is None else self.encoder(x):
            spikes, hidden = self.lif1(self.fc1(step.flatten(1)), hidden)
            spikes, output = self.lif2(self.fc2(spikes), output)
            sent.append(spikes)
        return torch.stack(sent)


def trained(encoder: Encoder | None, data: Split, seed: int) -> Network:
    """The network after 40 epochs of Adam on the spike counts."""
    torch.manual_seed(seed)
    network = Network(encoder)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    x, y = torch.from_numpy(data.train_x), torch.from_numpy(data.train_y)
    for _ in range(EPOCHS):
        for part in torch.randperm(len(x)).split(64):  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(x[part]).sum(0), y[part])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return network.eval()


def measured(network: Network, data: Split, weight_bits: int) -> tuple[float, float, float]:
    """(percent right, spikes of the input, synaptic operations), both a frame, in integers."""
    traced = trace(network, torch.from_numpy(data.train_x[:2]))
    config = parse_config({"default": {"weight_bits": weight_bits}})
    graph = lower(traced, data.train_x[:256], config)
    words = encoded_inputs(graph.inputs, data.test_x)
    right = answers(graph, words).classes == data.test_y
    return 100 * float(right.mean()), *_activity(graph, words)


def _activity(graph: Graph, words: tuple[np.ndarray, ...]) -> tuple[float, float]:
    activity = Activity(graph)
    activity.add(run(graph, *words))
    found = activity.summary()
    operations = float(activity.proxies()["synaptic_ops_effective"])
    return found.get("encoder", {}).get("spikes_per_frame", float("nan")), operations


def rows(seeds: int) -> Iterator[str]:
    """One line of the table for each code."""
    data = digits()
    for name, encoder in ENCODERS.items():
        networks = [trained(encoder, data, seed) for seed in range(seeds)]
        eight = np.array([measured(network, data, 8) for network in networks])
        four = np.array([measured(network, data, 4) for network in networks])
        spikes = "-" if np.isnan(eight[0, 1]) else f"{eight[:, 1].mean():.0f}"
        yield (
            f"| {name} | {_spread(eight[:, 0])} | {_spread(four[:, 0])} | {spikes} | "
            f"{eight[:, 2].mean():,.0f} |"
        )


def _spread(percents: np.ndarray) -> str:
    return f"{percents.mean():.1f} ({percents.min():.1f} .. {percents.max():.1f})"


@click.command()
@click.option("--seeds", default=3, show_default=True, help="networks trained for each code")
def main(seeds: int) -> None:
    """Prints the table of docs/codes.md."""
    print("| input | 8-bit weights, % | 4-bit weights, % | input spikes | synaptic operations |")
    print("|---|---|---|---|---|")
    for line in rows(seeds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
