"""The recipe of an example: float training, then training in the hardware's integers, export."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import click
import torch
from rich.logging import RichHandler
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from ..config import Config, load_config
from ..ir import Array, Graph
from ..lower import prepared
from ..lower.fidelity import quantized_state
from . import twin
from .datasets import Split, write_frames
from .fit import Augment, Schedule, Score, accuracy, fit, logits, make_deterministic, unchanged
from .network import QuantizedNetwork

LOG = logging.getLogger(__name__)


class Trace(Protocol):
    """How a torch module becomes a FLOAT graph: `e3ne.compile.trace_model`."""

    def __call__(
        self, model: nn.Module, example: Array, input_has_steps: bool, config: Config
    ) -> Graph: ...


@dataclass(frozen=True)
class Recipe:
    """Everything that decides an example's weights besides the model, its e3ne.yaml and the data.

    `score` makes logits of the torch module in the float phase. Test frames have a steps axis
    where `frames_have_steps`.
    """

    float_phase: Schedule
    quantized_phase: Schedule
    score: Score = logits
    augment: Augment = unchanged
    frames_have_steps: bool = False
    threads: int = 1


@dataclass(frozen=True)
class Trained:
    """The quantised weights under the plain model's names, and accuracies on the test set.

    `float_percent` is measured before quantisation, `quantized_percent` on the integers.
    """

    weights: dict[str, Tensor]
    float_percent: float
    quantized_percent: float


def train(
    factory: Callable[[], nn.Module], split: Split, config: Config, recipe: Recipe, trace: Trace
) -> Trained:
    """Trains a new model by the recipe. The same recipe gives the same bits on the same machine."""
    make_deterministic(recipe.float_phase.seed, recipe.threads)
    model = factory()
    x, y = torch.from_numpy(split.train_x), torch.from_numpy(split.train_y)
    test_x, test_y = torch.from_numpy(split.test_x), torch.from_numpy(split.test_y)
    fit(model, x, y, recipe.float_phase, recipe.score, recipe.augment)
    float_percent = accuracy(model, test_x, test_y, recipe.score)
    LOG.info("float: %.2f %% of %d test samples", float_percent, len(test_y))
    traced = trace(model.eval(), split.test_x[:2], recipe.frames_have_steps, config)
    network = QuantizedNetwork(prepared(traced, None, config), config)
    fit(network, x, y, recipe.quantized_phase, augment=recipe.augment)
    quantized_percent = twin.accuracy(network.export(), split.test_x, split.test_y)
    LOG.info("quantised: %.2f %% of %d test samples", quantized_percent, len(test_y))
    return Trained(tuned_state(model, traced, network), float_percent, quantized_percent)


def tuned_state(model: nn.Module, traced: Graph, network: QuantizedNetwork) -> dict[str, Tensor]:
    """The state of the plain `model` with the weights of `network` on their grids.

    `traced` is the FLOAT graph of the model, of which `lower.prepared` made the network's.
    """
    state = {name: value.detach().clone() for name, value in model.state_dict().items()}
    tuned = network.float_graph()
    loaded = quantized_state(traced, tuned, network.export(), network.config)
    for path, (weight, bias) in loaded.items():
        state[f"{path}.weight"] = torch.tensor(weight)
        if bias is not None:
            state[f"{path}.bias"] = torch.tensor(bias)
    return state


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
    factory: Callable[[], nn.Module],
    split: Callable[[], Split],
    recipe: Recipe,
    folder: Path,
    trace: Trace,
) -> None:
    """The command line of an example's train.py; `folder` is the example's, with its e3ne.yaml."""

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
        config = load_config(folder / "e3ne.yaml")
        save(train(factory, split(), config, recipe, trace), output)
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
