"""Measures committed checkpoints over whole test sets: float, post-training, trained."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from e3ne.config import Config
from e3ne.lower import lower
from e3ne.network_file import load_network

from .evaluate import all_figures, answers, correct, percent, reference_answers
from .networks import load_network_of
from .results import (
    SUBSET_SAMPLES,
    checkpoint_of,
    float_checkpoint_of,
    merge_result,
)
from .rows import Row

LOG = logging.getLogger(__name__)
POST_TRAINING = {"8/6": (8, 6), "4/4": (4, 4)}
"""Bits of weights and of ReLU edges; spikes have one bit in any case."""


def measure_row(row: Row, device: str = "cpu") -> dict[str, Any]:
    """The committed checkpoint over the whole test set; returns what measured/<row>.json got."""
    network = load_network_of(row.network)
    split = network.split()
    graph, config, info = load_network(checkpoint_of(row.name))
    integer = lower(graph, network.calibration(split), config)
    found = answers(integer, split.test_x, device)
    part = {
        "percent": percent(found.classes, split.test_y),
        "correct": correct(found.classes, split.test_y),
        **all_figures(network, integer, found.classes, split),
        "seed": info["seed"],
        "command": info["command"],
        "reference_samples": found.checked,
    }
    subset = {
        "samples": min(SUBSET_SAMPLES, len(split.test_y)),
        "correct": correct(found.classes[:SUBSET_SAMPLES], split.test_y[:SUBSET_SAMPLES]),
    }
    LOG.info("%s: %.2f %% of %d", row.name, part["percent"], len(split.test_y))
    samples = len(split.test_y)
    return merge_result(row.name, {"samples": samples, "checkpoint": part, "subset": subset})


def measure_network(name: str, device: str = "cpu") -> dict[str, Any]:
    """Float and post-training accuracies of a network; returns what <name>_float.json got."""
    network = load_network_of(name)
    split = network.split()
    graph, _, info = load_network(float_checkpoint_of(name))
    classes = reference_answers(graph, split.test_x)[1]
    result: dict[str, Any] = {
        "samples": len(split.test_y),
        "seed": info["seed"],
        "command": info["command"],
        "float": {
            "percent": percent(classes, split.test_y),
            "correct": correct(classes, split.test_y),
            **all_figures(network, graph, classes, split),
        },
        "post_training": {},
        "baselines": network.baselines(split),
    }
    for bits, (weight_bits, edge_bits) in POST_TRAINING.items():
        config = with_bits(network.post_training, weight_bits, edge_bits)
        integer = lower(graph, network.calibration(split), config)
        found = answers(integer, split.test_x, device)
        result["post_training"][bits] = {
            "percent": percent(found.classes, split.test_y),
            "correct": correct(found.classes, split.test_y),
            **all_figures(network, integer, found.classes, split),
            "reference_samples": found.checked,
        }
        LOG.info("%s at %s: %.2f %%", name, bits, percent(found.classes, split.test_y))
    return merge_result(f"{name}_float", result)


def with_bits(config: Config, weight_bits: int, edge_bits: int) -> Config:
    """`config` with these bits everywhere."""

    def changed(node: Any) -> Any:
        return replace(node, weight_bits=weight_bits, edge_bits=edge_bits)

    nodes = {name: changed(node) for name, node in config.nodes.items()}
    return replace(config, default=changed(config.default), nodes=nodes)
