"""Seconds that the search for a mapping takes: `python -m benchmarks.search_seconds --write`.

Writes the table of docs/mapping.md. LeNet-5 needs MNIST (`$E3NE_DATA`); VGG-11 has random weights,
which the search does not look at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from e3ne.boards import load_board
from e3ne.compile import calibration_trains
from e3ne.config import Config
from e3ne.config.records import Target
from e3ne.ir import (
    Array,
    Conv2d,
    Graph,
    Input,
    Linear,
    MaxPool2d,
    Neuron,
    Node,
    Op,
    Output,
    Readout,
    Relay,
    Requantize,
    SpikeType,
    Stage,
    Synapse,
    frozen,
    verify,
)
from e3ne.lower import lowered
from e3ne.optimize import choose_mapping

from .accuracy.lenet5_bits import start
from .accuracy.page import write_between
from .accuracy.rate_or_radix import digits_case

PAGE = Path(__file__).resolve().parents[1] / "docs" / "mapping.md"
TARGETS: tuple[Target, ...] = ("throughput", "latency")
BITS, WEIGHT_BITS = 4, 3
VGG_11 = (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool", 512, 512, "pool")
Trains = dict[str, Array] | None


def vgg_11() -> tuple[Graph, Trains, Config]:
    """Eight convolutions and one Linear: 32 x 32 pixels, 10 classes, radix trains of 4 bits."""
    random = np.random.default_rng(0)
    most = 1 << (WEIGHT_BITS - 1)
    shape, source, nodes = (3, 32, 32), "input", list[Node]()

    def weights(*axes: int) -> Array:
        return frozen(random.integers(1 - most, most, axes), np.int64)

    for place, width in enumerate(VGG_11):
        op: Op
        neuron: Neuron
        if isinstance(width, int):
            op, neuron = Conv2d(weights(width, shape[0], 3, 3), padding=(1, 1)), Requantize(1, 8)
            shape = (width, *shape[1:])
        else:
            op, neuron = MaxPool2d((2, 2), (2, 2)), Relay()
            shape = (shape[0], shape[1] // 2, shape[2] // 2)
        name = f"{place}_{width}"
        nodes.append(Node(name, (Synapse(op, source),), neuron, SpikeType(shape, 1, BITS)))
        source = name
    last = Linear(weights(10, int(np.prod(shape))))
    nodes.append(Node("classes", (Synapse(last, source),), Relay(), SpikeType((10,), 1, 20, True)))
    first = Input("input", SpikeType((3, 32, 32), 1, BITS))
    output = Output("classes", Readout.LAST)
    return verify(Graph(Stage.INTEGER, (first,), tuple(nodes), (output,))), None, Config()


def lenet_5() -> tuple[Graph, Trains, Config]:
    """The checkpoint lenet5_radix4."""
    given = start()
    return integers(given.graph, given.calibration, given.config)


def digits_radix() -> tuple[Graph, Trains, Config]:
    """The example, with 60 % of the board."""
    case = digits_case()
    return integers(case.graph, case.calibration, case.config)


def integers(graph: Graph, frames: Array, config: Config) -> tuple[Graph, Trains, Config]:
    """The INTEGER graph, and what it sends on the first calibration frames."""
    _, integer = lowered(graph, frames, config)
    return integer, calibration_trains(integer, frames), config


CASES: dict[str, tuple[Callable[[], tuple[Graph, Trains, Config]], str]] = {
    "digits_radix": (digits_radix, "ulx3s-85f"),
    "LeNet-5, radix 4": (lenet_5, "ulx3s-85f"),
    "VGG-11, radix 4": (vgg_11, "xcvu13p"),
}


def rows() -> Iterator[str]:
    """A line of the table for each network and target."""
    for name, (build, board) in CASES.items():
        graph, trains, config = build()
        for target in TARGETS:
            began = time.process_time()
            choose_mapping(graph, load_board(board), replace(config, target=target), trains)
            yield f"| {name} | {board} | {target} | {time.process_time() - began:.1f} |"


@click.command(help=__doc__)
@click.option("--write", is_flag=True, help="Write the table into docs/mapping.md.")
def main(write: bool) -> None:
    lines = ["| network | board | target | CPU seconds |", "|---|---|---|---|"]
    for row in rows():
        lines.append(row)
        click.echo(row)
    if write:
        write_between("search_seconds", lines, PAGE)


if __name__ == "__main__":
    main()
