"""What each option of post-training quantisation does to the accuracy of float-trained networks.

    python -m benchmarks.accuracy.ptq_options [--cache DIR] [NETWORK ...]

Trains each network in float first (a minute or two each; kept in the cache), calibrates on 200
training frames, and prints a Markdown table: percent of the whole test set on the integer graph.
docs/quantisation.md shows it between its markers; `--update-docs` writes it there.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import torch
from torch import Tensor, nn

from e3ne.compile import trace_model
from e3ne.config import Config, parse_config
from e3ne.frontend import trace
from e3ne.ir import Array, Graph
from e3ne.lower import lower
from e3ne.measure import float_accuracy
from e3ne.training.datasets import Split, digits, mnist
from e3ne.training.fit import Schedule, fit, make_deterministic
from e3ne.training.twin import accuracy

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "quantisation.md"
MARKERS = ("<!-- written by benchmarks.accuracy.ptq_options -->", "<!-- end -->")
CALIBRATION_FRAMES = 200
BITS = ((8, 6), (4, 4), (3, 3))


def mlp() -> nn.Module:
    """Biases everywhere."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(),
        nn.Linear(64, 10),
    )  # fmt: skip


def separable() -> nn.Module:
    """Depthwise convolutions behind batch normalisations: channels of very unequal weights."""

    def block(ins: int, outs: int, **options: Any) -> list[nn.Module]:
        return [
            nn.Conv2d(ins, outs, bias=False, **options), nn.BatchNorm2d(outs), nn.ReLU()
        ]  # fmt: skip

    return nn.Sequential(
        *block(1, 8, kernel_size=3, padding=1), nn.MaxPool2d(2),
        *block(8, 8, kernel_size=3, padding=1, groups=8), *block(8, 24, kernel_size=1),
        nn.MaxPool2d(2),
        *block(24, 24, kernel_size=3, padding=1, groups=24), *block(24, 32, kernel_size=1),
        nn.AvgPool2d(7), nn.Flatten(), nn.Linear(32, 10),
    )  # fmt: skip


def _example(name: str) -> ModuleType:
    path = ROOT / "examples" / name / "model.py"
    spec = importlib.util.spec_from_file_location(f"ptq_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def counts(model: nn.Module, x: Tensor) -> Tensor:
    """The score of networks that send spikes (steps, batch, classes)."""
    return model(x).sum(dim=0)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Trained:
    """How a network is trained in float, and on what."""

    factory: Callable[[], nn.Module]
    split: Callable[[], Split]
    epochs: int
    spiking: bool = False


NETWORKS: Mapping[str, Trained] = {
    "digits_radix": Trained(lambda: _example("digits_radix").net(), digits, 40),  # type: ignore[no-any-return]
    "digits_lif": Trained(lambda: _example("digits_lif").net(), digits, 40, spiking=True),  # type: ignore[no-any-return]
    "mlp_relu": Trained(mlp, mnist, 4),
    "lenet5": Trained(lambda: _example("mnist_lenet5").net(), lambda: mnist(2), 3),  # type: ignore[no-any-return]
    "separable_cnn": Trained(separable, mnist, 3),
}

OPTIONS: Mapping[str, dict[str, Any]] = {
    "correct_biases: false": {"correct_biases": False},
    "the defaults": {},
    "calibration: percentile(99.9)": {"calibration": "percentile(99.9)"},
    "calibration: mse": {"calibration": "mse"},
    "weight_scale: mse": {"default": {"weight_scale": "mse"}},
    "per_channel": {"default": {"per_channel": True}},
    "equalize": {"equalize": True},
    "fit_threshold": {"default": {"fit_threshold": True}},
    "all but per_channel": {
        "calibration": "mse",
        "equalize": True,
        "default": {"weight_scale": "mse", "fit_threshold": True},
    },
    "all": {
        "calibration": "mse",
        "equalize": True,
        "default": {"weight_scale": "mse", "fit_threshold": True, "per_channel": True},
    },
}


def trained(name: str, cache: Path) -> tuple[nn.Module, Split]:
    """The float-trained model, from the cache where it is there."""
    chosen = NETWORKS[name]
    split = chosen.split()
    make_deterministic(0, threads=1)
    model = chosen.factory()
    file = cache / f"{name}.pt"
    if file.exists():
        model.load_state_dict(torch.load(file, weights_only=True))
    else:
        score = counts if chosen.spiking else (lambda model, x: model(x))
        x, y = torch.from_numpy(split.train_x), torch.from_numpy(split.train_y)
        fit(model, x, y, Schedule(chosen.epochs, 64, 2e-3), score=score)
        cache.mkdir(parents=True, exist_ok=True)
        torch.save(model.state_dict(), file)
    return model.eval(), split


def config_of(options: dict[str, Any], weight_bits: float, edge_bits: int) -> Config:
    """The options at these bits."""
    default = {"weight_bits": weight_bits, "edge_bits": edge_bits, **options.get("default", {})}
    return parse_config({**options, "default": default})


def percents(graph: Graph, split: Split, bits: tuple[float, int]) -> dict[str, float]:
    """Percent of the test set for each option."""
    frames: Array = split.train_x[:CALIBRATION_FRAMES]
    found = {}
    for name, options in OPTIONS.items():
        integer = lower(graph, frames, config_of(options, *bits))
        found[name] = accuracy(integer, split.test_x, split.test_y)
    return found


def measured(name: str, cache: Path) -> tuple[float, dict[tuple[float, int], dict[str, float]]]:
    """(percent in float, those of each bits and option) of one network."""
    model, split = trained(name, cache)
    example = torch.from_numpy(split.train_x[:2])
    graph = (
        trace(model, example, readout="count")
        if NETWORKS[name].spiking
        else trace_model(model, example, False, Config())
    )
    exact = float_accuracy(graph, [split.test_x[:, None]], split.test_y)
    return exact, {bits: percents(graph, split, bits) for bits in BITS}


def table(found: Mapping[str, Any]) -> str:
    """Markdown: a row an option and bits, a column a network."""
    lines = [
        "| weights / edges | option | " + " | ".join(found) + " |",
        "|---|---|" + "---|" * len(found),
        "| float | | " + " | ".join(f"{exact:.2f}" for exact, _ in found.values()) + " |",
    ]
    for bits in BITS:
        for option in OPTIONS:
            cells = [f"{by_bits[bits][option]:.2f}" for _, by_bits in found.values()]
            lines.append(f"| {bits[0]} / {bits[1]} | {option} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_document(text: str) -> None:
    """Puts the table between the markers of docs/quantisation.md."""
    before, rest = DOCUMENT.read_text().split(MARKERS[0])
    after = rest.split(MARKERS[1], 1)[1]
    DOCUMENT.write_text(f"{before}{MARKERS[0]}\n{text}\n{MARKERS[1]}{after}")


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(list(NETWORKS)))
@click.option("--cache", type=click.Path(path_type=Path), default=ROOT / "build" / "ptq")
@click.option("--update-docs", is_flag=True, help="Writes the table into docs/quantisation.md.")
def main(names: tuple[str, ...], cache: Path, update_docs: bool) -> None:
    found = {}
    for name in names or NETWORKS:
        start = time.time()
        found[name] = measured(name, cache)
        click.echo(f"{name}: {time.time() - start:.0f} s", err=True)
    text = table(found)
    if update_docs:
        write_document(text)
    click.echo(text)


if __name__ == "__main__":
    main()
