"""The training loop: deterministic, it learns, and the recipe exports what it trained."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from e3ne.compile import trace_model
from e3ne.config import parse_config
from e3ne.lower import prepared
from e3ne.training.datasets import Split
from e3ne.training.fit import Schedule, accuracy, fit, make_deterministic, shifted
from e3ne.training.network import QuantizedNetwork
from e3ne.training.recipe import Recipe, Trained, save, train

CONFIG = parse_config({"default": {"weight_bits": 4}, "input": {"bits": 4, "scale": 1 / 16}})
ONE_EPOCH = Schedule(epochs=1, batch_size=16, learning_rate=1e-2)


def two_classes(samples: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (samples, 1, 4, 4); the class says whether the upper half is brighter."""
    x = torch.rand(samples, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    return x, (x[:, 0, :2].sum((1, 2)) > x[:, 0, 2:].sum((1, 2))).long()


def network() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(16, 8, bias=False), nn.Hardtanh(0, 15 / 16), nn.Linear(8, 2)
    )


def split() -> Split:
    x, y = (tensor.numpy() for tensor in two_classes())
    return Split(x[:150], y[:150], x[150:], y[150:])


def trained(recipe: Recipe) -> Trained:
    return train(network, split(), CONFIG, recipe, trace_model)


@pytest.fixture(autouse=True)
def torch_as_before():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def test_the_same_recipe_gives_the_same_bits() -> None:
    recipe = Recipe(ONE_EPOCH, ONE_EPOCH, augment=shifted(1))
    first, second = trained(recipe), trained(recipe)
    assert first.weights.keys() == second.weights.keys()
    assert all(torch.equal(first.weights[key], second.weights[key]) for key in first.weights)
    assert (first.float_percent, first.quantized_percent) == (
        second.float_percent,
        second.quantized_percent,
    )


def test_another_seed_gives_other_weights() -> None:
    first, second = (trained(Recipe(Schedule(epochs=1, seed=seed), ONE_EPOCH)) for seed in (1, 2))
    assert any(not torch.equal(first.weights[k], second.weights[k]) for k in first.weights)


def test_training_learns_and_reports_every_epoch() -> None:
    make_deterministic(seed=5, threads=1)
    model = network()
    x, y = two_classes()
    before = accuracy(model, x, y)
    history = fit(model, x, y, Schedule(epochs=15, batch_size=16, learning_rate=1e-2))
    assert len(history) == 15
    assert history[-1].loss < 0.6 * history[0].loss
    assert accuracy(model, x, y) > max(90.0, before)


def test_quantised_training_learns_too() -> None:
    make_deterministic(seed=5, threads=1)
    model = network()
    x, y = two_classes()
    schedule = Schedule(epochs=15, batch_size=16, learning_rate=1e-2)
    fit(model, x, y, schedule)
    ready = prepared(trace_model(model.eval(), x[:2].numpy(), False, CONFIG), None, CONFIG)
    quantized = QuantizedNetwork(ready, CONFIG)
    seen: list[tuple[int, float]] = []
    history = fit(
        quantized,
        x,
        y,
        schedule,
        after_epoch=lambda number, epoch: seen.append((number, epoch.loss)),
    )
    assert history[-1].loss < history[0].loss
    assert accuracy(quantized, x, y) > 90.0
    assert seen == [(number, epoch.loss) for number, epoch in enumerate(history, start=1)]


def test_shifted_images_move_whole_pixels_and_lose_only_the_border() -> None:
    x = torch.zeros(64, 1, 5, 5)
    x[:, 0, 2, 2] = 1.0
    moved = shifted(1)(x, torch.Generator().manual_seed(0))
    places = {tuple(place) for place in moved.nonzero()[:, 2:].tolist()}
    assert moved.shape == x.shape
    assert np.array_equal(moved.sum((1, 2, 3)), np.ones(64))
    assert places == {(row, column) for row in (1, 2, 3) for column in (1, 2, 3)}


def test_saved_weights_load_into_the_plain_model(tmp_path: Path) -> None:
    found = trained(Recipe(ONE_EPOCH, ONE_EPOCH))
    save(found, tmp_path / "made" / "weights.safetensors")
    plain = network()
    plain.load_state_dict(load_file(tmp_path / "made" / "weights.safetensors"))
    assert torch.equal(plain.state_dict()["1.weight"], found.weights["1.weight"])
    assert "quantized_percent" in (tmp_path / "made" / "training.json").read_text()
