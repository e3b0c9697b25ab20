"""Radix or rate: one network of ReLUs in both codes, into docs/choosing.md.

    python -m benchmarks.accuracy.rate_or_radix measure [digits|lenet5]
    python -m benchmarks.accuracy.rate_or_radix table

LeNet-5 is the checkpoint lenet5_radix4 (3-bit weights), digits the example digits_radix (4-bit
weights); both were trained with 4-bit edges, and not for the other codes. Frames are test images:
all 360 of digits, the first 2,000 of MNIST.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from e3ne.boards import load_board
from e3ne.choosing import best_run
from e3ne.compile import trace_model
from e3ne.config import Config, InputConfig, load_config
from e3ne.cost import predict
from e3ne.frontend import load_model
from e3ne.ir import Array, DoesNotFit, Graph
from e3ne.lower import prepared, quantized
from e3ne.lower.choose_encoding import with_edge_bits
from e3ne.lower.convert_to_rate import pools_in_front, spiking
from e3ne.lower.evaluation import Evaluator, Measured
from e3ne.optimize import choose_mapping
from e3ne.training.datasets import digits

from .lenet5_bits import RESULTS, start
from .page import write_between

BOARD = "ulx3s-85f"
RADIX_BITS = (3, 4, 5, 6)
RATE_STEPS = (4, 8, 16, 32, 64)
CHOICE_STEPS = (4, 8, 32)
PART_FRAMES = 250
LENET_FRAMES = 2000
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "digits_radix"


@dataclass(frozen=True)
class Case:
    """A network of ReLUs with its frames."""

    graph: Graph
    config: Config
    calibration: Array
    x: Array
    y: Array


def digits_case() -> Case:
    """The example digits_radix."""
    split = digits()
    calibration = split.train_x[:200]
    config = replace(load_config(EXAMPLE / "e3ne.yaml"), scale="integer", utilisation=0.6)
    model = load_model(f"{EXAMPLE / 'model.py'}:net", EXAMPLE / "weights.safetensors")
    graph = trace_model(model, calibration[:2], False, config)
    return Case(graph, config, calibration, split.test_x, split.test_y)


def lenet5_case() -> Case:
    """The checkpoint lenet5_radix4."""
    given = start()
    x, y = given.test
    return Case(given.graph, given.config, given.calibration, x[:LENET_FRAMES], y[:LENET_FRAMES])


CASES: dict[str, Callable[[], Case]] = {"digits": digits_case, "lenet5": lenet5_case}


def measured(case: Case, graph: Graph) -> dict[str, Any]:
    """Accuracy and activity of an integer graph; parts of the frames, for their memory."""
    found: list[Measured] = []
    for first in range(0, len(case.y), PART_FRAMES):
        x, y = case.x[first : first + PART_FRAMES], case.y[first : first + PART_FRAMES]
        frames = (x.reshape(len(x), *[graph.inputs[0].type.steps, *graph.inputs[0].type.shape]),)
        found.append(Evaluator(frames, y, best_run()).measure(graph))
    weights = [len(one.right) for one in found]

    def mean(values: list[float]) -> int:
        return round(float(np.average(values, weights=weights)))

    return {
        "percent": round(float(np.concatenate([one.right for one in found]).mean()) * 100, 2),
        "spikes": mean([one.spikes for one in found]),
        "synaptic_ops": mean([one.cost("synaptic_ops") for one in found]),
        "value_ops": mean([one.cost("value_ops") for one in found]),
    }


def cycles(graph: Graph, config: Config) -> int | None:
    """Predicted cycles between two frames; None where the board is too small."""
    board = load_board(BOARD)
    try:
        return predict(choose_mapping(graph, board, config), board.family).interval_cycles
    except DoesNotFit:
        return None


def codes(case: Case) -> list[dict[str, Any]]:
    """Every radix and every rate, samples sent directly and as regular trains."""
    configs = {f"radix {bits}": with_edge_bits(case.config, bits) for bits in RADIX_BITS}
    for steps in RATE_STEPS:
        rate = replace(case.config, code="rate", steps=steps)
        configs[f"rate {steps}"] = rate
        trains = replace(case.config.input_of("input"), encoder="regular")
        configs[f"rate {steps}, regular input"] = replace(
            rate, input=trains, inputs=dict[str, InputConfig]()
        )
    rows = []
    for name, config in configs.items():
        ready = prepared(case.graph, case.calibration, config)
        graph = quantized(ready, case.calibration, config)
        rows.append({"code": name, **measured(case, graph), "cycles": cycles(graph, config)})
        click.echo(rows[-1])
    return rows


def conversions(case: Case) -> list[dict[str, Any]]:
    """Where maxima stand, and whether neurons start half a threshold ahead."""
    ready = prepared(case.graph, case.calibration, case.config)
    pooled = {
        "in front where currents are constant, else of spikes": pools_in_front(ready),
        "in front of all neurons": pools_in_front(ready, everywhere=True),
        "of spikes everywhere (OR)": ready,
    }
    rows = []
    for steps in CHOICE_STEPS:
        for name, graph in pooled.items():
            row: dict[str, Any] = {"steps": steps, "maxima": name}
            for ahead in (0.5, 0.0):
                made = quantized(
                    spiking(graph, steps, case.config, ahead), case.calibration, case.config
                )
                found = measured(case, made)
                row[f"ahead {ahead}"] = found["percent"]
            row["synaptic_ops"] = found["synaptic_ops"]
            rows.append(row)
            click.echo(row)
    return rows


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@click.argument("names", nargs=-1, type=click.Choice(sorted(CASES)))
@click.option("--only", type=click.Choice(("codes", "conversions")), help="One of both tables.")
def measure(names: tuple[str, ...], only: str | None) -> None:
    """Measures both codes of the networks NAMES."""
    RESULTS.mkdir(exist_ok=True)
    for name in names or sorted(CASES):
        case = CASES[name]()
        path = RESULTS / f"rate_or_radix_{name}.json"
        found = json.loads(path.read_text()) if only else {}
        found["frames"] = len(case.y)
        for part in ("codes", "conversions") if only is None else (only,):
            found[part] = {"codes": codes, "conversions": conversions}[part](case)
        path.write_text(json.dumps(found, indent=2) + "\n")


@main.command()
def table() -> None:
    """Writes the tables into docs/choosing.md."""
    code_lines: list[str] = []
    choice_lines: list[str] = []
    for name in sorted(CASES):
        found = json.loads((RESULTS / f"rate_or_radix_{name}.json").read_text())
        code_lines += [
            f"| {name}, {found['frames']} test images | % | spikes | synaptic operations | "
            f"values used | cycles a frame (predicted, {BOARD}) |",
            "|---|---|---|---|---|---|",
            *(code_line(row) for row in found["codes"]),
            "",
        ]
        choice_lines += [
            f"| {name} | maxima | half a threshold ahead, % | from zero, % | "
            "synaptic operations (from zero) |",
            "|---|---|---|---|---|",
            *(
                f"| {row['steps']} steps | {row['maxima']} | {row['ahead 0.5']:.2f} | "
                f"{row['ahead 0.0']:.2f} | {row['synaptic_ops']:,} |"
                for row in found["conversions"]
            ),
            "",
        ]
    write_between("rate_or_radix", code_lines[:-1])
    write_between("conversions", choice_lines[:-1])


def code_line(row: dict[str, Any]) -> str:
    """One code of one network."""
    interval = "does not fit" if row["cycles"] is None else f"{row['cycles']:,}"
    return (
        f"| {row['code']} | {row['percent']:.2f} | {row['spikes']:,} | {row['synaptic_ops']:,} | "
        f"{row['value_ops']:,} | {interval} |"
    )


if __name__ == "__main__":
    main()
