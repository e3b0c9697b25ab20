"""LeNet-5 with bits chosen for each layer, beside equal bits everywhere: docs/choosing.md.

    python -m benchmarks.accuracy.lenet5_bits choose              # bits, on training images only
    python -m benchmarks.accuracy.lenet5_bits tune NAME --seed N  # a short training of one network
    python -m benchmarks.accuracy.lenet5_bits table               # the table, into docs/choosing.md

All networks start from the checkpoint lenet5_radix4 (3-bit weights, 4-bit edges) and get the same
short training. Bits are chosen on the last 10,000 training images, of which training saw 5,000;
the test images decide nothing.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from e3ne.choosing import best_run, choose_precision, networks, part_rows
from e3ne.config import Config
from e3ne.ir import Array, Graph, Rectify
from e3ne.lower import prepared, quantized
from e3ne.lower.evaluation import Evaluator
from e3ne.lower.sensitivity import bits_of, parts, with_bits, written_out
from e3ne.network_file import load_network

from .networks.mnist_lenet5 import SPLIT
from .page import write_between
from .recipes_mnist import CALIBRATION_FRAMES, Phase, fine_tune

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "chosen_bits"
START = FOLDER / "checkpoints" / "lenet5_radix4.safetensors"
CHOICES = RESULTS / "choices.json"
FLOORS = (99.5, 99.45, 99.4, 99.35)
EQUAL = (4, 3, 2)
CHOOSE_FRAMES = 10_000
PHASE = Phase(epochs=2, learning_rate=5e-4, most_pixels=1)
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Start:
    """The float graph without bits, the configuration of its bits, and the images."""

    graph: Graph
    config: Config
    calibration: Array
    train: tuple[Array, Array]
    test: tuple[Array, Array]


def start() -> Start:
    """The committed checkpoint, whose ReLUs may have other bits again."""
    graph, config, _ = load_network(START)
    nodes = [
        replace(node, neuron=Rectify(node.neuron.bound))
        if isinstance(node.neuron, Rectify)
        else node
        for node in graph.nodes
    ]
    split = SPLIT()
    order = np.random.default_rng(0).permutation(CHOOSE_FRAMES) - CHOOSE_FRAMES
    return Start(
        graph.with_nodes(nodes),
        config,
        split.train_x[:CALIBRATION_FRAMES],
        (split.train_x[order], split.train_y[order]),
        (split.test_x, split.test_y),
    )


def config_of(given: Start, bits: dict[str, int]) -> Config:
    """The configuration in which each part has these bits."""
    ready = prepared(given.graph, given.calibration, given.config)
    integer = quantized(ready, given.calibration, given.config)
    config = written_out(given.config, ready, integer)
    for part in parts(ready, integer, ("input", "edge")):
        config = with_bits(config, part, bits[str(part)])
    return config


def measured(given: Start, graph: Graph, config: Config, x: Array, y: Array) -> dict[str, Any]:
    """Accuracy and operations of the integers of a FLOAT graph."""
    integer = quantized(graph, given.calibration, config)
    frames = (x.reshape(len(x), 1, *integer.inputs[0].type.shape),)
    found = Evaluator(frames, y, best_run()).measure(integer)
    return {
        "percent": round(found.accuracy(), 2),
        "synaptic_ops": round(found.cost("synaptic_ops")),
        "value_ops": round(found.cost("value_ops")),
        "spikes": round(found.spikes),
    }


@click.group(help=__doc__)
def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@main.command()
def choose() -> None:
    """Chooses bits for each floor, on training images, and keeps the tables."""
    given = start()
    found: dict[str, Any] = {}
    names: list[str] = []
    for floor in FLOORS:
        chosen = choose_precision(
            given.graph, *given.train, floor, calibration=given.calibration, config=given.config
        )
        names = [str(part) for part in chosen.parts]
        found[f"chosen, floor {floor:g}"] = {
            "floor": floor,
            "bits": {str(part): bits_of(chosen.config, part) for part in chosen.parts},
            "steps": list(chosen.steps),
            "networks": networks(chosen),
            "parts": part_rows(chosen),
        }
    for bits in EQUAL:
        found[f"{bits} bits everywhere"] = {"bits": dict.fromkeys(names, bits)}
    RESULTS.mkdir(exist_ok=True)
    CHOICES.write_text(json.dumps(found, indent=2) + "\n")


@main.command()
@click.argument("name")
@click.option("--seed", type=int, default=0, show_default=True)
def tune(name: str, seed: int) -> None:
    """Trains the network NAME of the choices a little, and measures it on the test images."""
    given = start()
    bits = json.loads(CHOICES.read_text())[name]["bits"]
    config = config_of(given, bits)
    before = measured(given, prepared(given.graph, given.calibration, config), config, *given.test)
    graph, config = fine_tune(given.graph, config, SPLIT(), PHASE, seed, "cpu")
    result = {
        "name": name,
        "seed": seed,
        "bits": bits,
        "before": before,
        "test": measured(given, graph, config, *given.test),
        "train": measured(given, graph, config, *given.train),
    }
    file = "".join(letter if letter.isalnum() else "_" for letter in name)
    (RESULTS / f"{file}_{seed}.json").write_text(json.dumps(result, indent=2) + "\n")
    click.echo(json.dumps(result))


def rows() -> list[str]:
    """One line a network: means over the seeds that were trained."""
    lines = [
        "| bits (input, conv1, conv2, conv3, linear1) | before training, % | seeds | test, % "
        "(mean, least .. most) | synaptic operations | values used | spikes |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, choice in json.loads(CHOICES.read_text()).items():
        runs = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*_?.json"))]
        runs = [run for run in runs if run["name"] == name]
        if not runs:
            continue
        test = {key: [run["test"][key] for run in runs] for key in runs[0]["test"]}
        percent = test["percent"]
        bits = ", ".join(str(bits) for bits in choice["bits"].values())
        lines.append(
            f"| {name}: {bits} | {runs[0]['before']['percent']:.2f} | {len(runs)} | "
            f"**{np.mean(percent):.2f}** ({min(percent):.2f} .. {max(percent):.2f}) | "
            f"{np.mean(test['synaptic_ops']):,.0f} | {np.mean(test['value_ops']):,.0f} | "
            f"{np.mean(test['spikes']):,.0f} |"
        )
    return lines


@main.command()
def table() -> None:
    """Writes the table into docs/choosing.md."""
    write_between("lenet5_bits", rows())


if __name__ == "__main__":
    main()
