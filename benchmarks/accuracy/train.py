"""Trains a row: float training (once a network and seed), fine-tuning, measuring, files."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import torch

from e3ne.ir import Graph
from e3ne.lower import lower
from e3ne.network_file import load_network, save_network
from e3ne.training.fit import make_deterministic

from .evaluate import all_figures, answers, correct, percent, reference_answers
from .networks import Network, load_network_of
from .results import checkpoint_of, float_checkpoint_of, merge_result
from .rows import Row

LOG = logging.getLogger(__name__)
BUILDS = Path("build") / "accuracy"


def command_of(row: Row, seed: int) -> str:
    """The command that trains the row again."""
    return f"python -m benchmarks.accuracy train {row.name} --seed {seed}"


def train_row(row: Row, seed: int, device: str = "cpu", threads: int = 1) -> dict[str, Any]:
    """Trains, lowers, measures the whole test set; returns what measured/<row>.json got.

    The checkpoint of the row's first seed goes to `checkpoints/`, of others to build/accuracy.
    """
    make_deterministic(seed, threads)
    network = load_network_of(row.network)
    begun = time.perf_counter()
    from_nothing = not float_file(row, seed).exists()
    graph = float_graph(row, network, seed, device)
    float_s = time.perf_counter() - begun
    trained, config = network.fine_tune(row.name, graph, seed, device)
    split = network.split()
    integer = lower(trained, network.calibration(split), config)
    found = answers(integer, split.test_x, device)
    part: dict[str, Any] = {
        "percent": percent(found.classes, split.test_y),
        "correct": correct(found.classes, split.test_y),
        **all_figures(network, integer, found.classes, split),
        "command": command_of(row, seed),
        "torch": torch.__version__,
    }
    if from_nothing:
        part["wall_s"] = {"float": round(float_s), "all": round(time.perf_counter() - begun)}
    path = checkpoint_of(row.name)
    if seed != row.seeds[0]:
        path = BUILDS / f"{row.name}_{seed}.safetensors"
    info = {key: part[key] for key in ("command", "percent", "torch")} | {"seed": seed}
    save_network(path, trained, config, info)
    merge_result(row.name, {"samples": len(split.test_y), "seeds": {str(seed): part}})
    LOG.info("%s, seed %d: %.2f %%; wrote %s", row.name, seed, part["percent"], path)
    return part


def float_file(row: Row, seed: int) -> Path:
    """Where the float network of this seed is kept."""
    return BUILDS / f"{row.network}_float_{seed}.safetensors"


def float_graph(row: Row, network: Network, seed: int, device: str) -> Graph:
    """The float network of this seed: from its file, or trained now and written there."""
    path = float_file(row, seed)
    if path.exists():
        return load_network(path)[0]
    graph = network.train_float(seed, device)
    split = network.split()
    found = percent(reference_answers(graph, split.test_x)[1], split.test_y)
    info = {"command": command_of(row, seed), "percent": found, "seed": seed}
    save_network(path, graph, network.post_training, info)
    if seed == row.seeds[0]:
        save_network(
            float_checkpoint_of(row.network), graph, network.post_training, info, half=True
        )
    merge_result(f"{row.network}_float", {"seeds": {str(seed): {"percent": found}}})
    LOG.info("%s, seed %d: float %.2f %%", row.network, seed, found)
    return graph
