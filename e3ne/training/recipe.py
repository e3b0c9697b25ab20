"""The recipe of an example: float training, then training with quantised numbers, then export."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import torch
from rich.logging import RichHandler
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from ..ir import Array
from .datasets import Split, write_frames
from .fake_quantize import Rules, attach, quantized_state
from .fit import Augment, Schedule, Score, accuracy, fit, logits, make_deterministic, unchanged

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides an example's weights besides the model and the data."""

    rules: Rules
    float_phase: Schedule
    quantized_phase: Schedule
    score: Score = logits
    augment: Augment = unchanged
    threads: int = 1


@dataclass(frozen=True)
class Trained:
    """The quantised weights under the plain model's names, and accuracies on the test set.

    `float_percent` is measured before quantisation, `quantized_percent` with every number of
    the network quantised as in the hardware (membranes in float).
    """

    weights: dict[str, Tensor]
    float_percent: float
    quantized_percent: float


def train(factory: Callable[[], nn.Module], split: Split, recipe: Recipe) -> Trained:
    """Trains a new model by the recipe. The same recipe gives the same bits on the same machine."""
    make_deterministic(recipe.float_phase.seed, recipe.threads)
    model = factory()
    x, y = torch.from_numpy(split.train_x), torch.from_numpy(split.train_y)
    test_x, test_y = torch.from_numpy(split.test_x), torch.from_numpy(split.test_y)
    fit(model, x, y, recipe.float_phase, recipe.score, recipe.augment)
    float_percent = accuracy(model, test_x, test_y, recipe.score)
    LOG.info("float: %.2f %% of %d test samples", float_percent, len(test_y))
    attach(model, recipe.rules)
    fit(model, x, y, recipe.quantized_phase, recipe.score, recipe.augment)
    quantized_percent = accuracy(model, test_x, test_y, recipe.score)
    LOG.info("quantised: %.2f %% of %d test samples", quantized_percent, len(test_y))
    return Trained(quantized_state(model), float_percent, quantized_percent)


def save(trained: Trained, weights: Path) -> None:
    """Writes the weights as safetensors and the accuracies beside them as training.json."""
    weights.parent.mkdir(parents=True, exist_ok=True)
    weights.write_bytes(to_safetensors({k: t.contiguous() for k, t in trained.weights.items()}))
    accuracies = {
        "float_percent": round(trained.float_percent, 2),
        "quantized_percent": round(trained.quantized_percent, 2),
        "torch": torch.__version__,
    }
    (weights.parent / "training.json").write_text(json.dumps(accuracies, indent=2) + "\n")


def train_main(
    factory: Callable[[], nn.Module], split: Callable[[], Split], recipe: Recipe, folder: Path
) -> None:
    """The command line of an example's train.py; `folder` is the example's."""

    @click.command(help="Trains this example and writes its checkpoint.")
    @click.option(
        "--output",
        type=click.Path(path_type=Path, dir_okay=False),
        default=folder / "weights.safetensors",
        show_default=True,
        help="File of the quantised weights; training.json goes beside it.",
    )
    def command(output: Path) -> None:
        logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[RichHandler()])
        save(train(factory, split(), recipe), output)
        LOG.info("wrote %s", output)

    command()


def data_main(
    test_frames: Callable[[], tuple[Array, Array]], calibration_frames: Callable[[], Array]
) -> None:
    """The command line of an example's data.py."""

    @click.command(help="Writes test.npz (x, y) and calibration.npz (x) for `e3ne compile`.")
    @click.option(
        "--output",
        type=click.Path(path_type=Path, file_okay=False),
        required=True,
        help="Folder of the two files, e.g. build/data/digits_radix.",
    )
    def command(output: Path) -> None:
        x, y = test_frames()
        for path in write_frames(output, x, y, calibration_frames()):
            click.echo(path)

    command()
