"""Accuracy of the examples without hardware: float, and the integer reference.

    .venv/bin/python examples/evaluate.py [NAME ...] [--json FILE] [--update-readme]

The reference's integers are those of the Verilog, so its accuracy is the hardware's.
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

import click
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from e3ne import reference
from e3ne.compile import trace_model
from e3ne.config import Config, load_config
from e3ne.data import chunks, encoded
from e3ne.frontend import load_model
from e3ne.ir import Array, E3neError, Graph
from e3ne.lower import prepared, quantized
from e3ne.lower.fidelity import dequantized, spike_agreement

EXAMPLES = Path(__file__).resolve().parent
NAMES = ("digits_radix", "digits_lif", "peer_a", "peer_b", "mnist_lenet5")
AGREEMENT_FRAMES = 360
MARKER = "<!-- accuracy: written by examples/evaluate.py -->"


@dataclass(frozen=True)
class Example:
    """An example's network as traced, right before the integer line and behind it; its test set."""

    name: str
    config: Config
    traced: Graph
    ready: Graph
    integer: Graph
    x: Array
    y: Array


@dataclass(frozen=True)
class Accuracy:
    """Percent of the test frames; `equal_percent` of the spikes and radix values of all nodes.

    `training_float_percent` was measured in training before quantisation, `training_percent` after
    it. `float_percent` belongs to the torch model with the committed weights, `reference_percent`
    to the integers. Trains are compared with that model on the first frames, the input (and radix
    edges) rounded as in the hardware.
    """

    name: str
    samples: int
    training_float_percent: float
    training_percent: float
    float_percent: float
    reference_percent: float
    equal_percent: float


def data_module(name: str) -> ModuleType:
    """The example's data.py."""
    path = EXAMPLES / name / "data.py"
    spec = importlib.util.spec_from_file_location(f"e3ne_example_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_example(name: str) -> Example:
    """Traces and lowers an example as `e3ne compile` does."""
    folder, data = EXAMPLES / name, data_module(name)
    config = load_config(folder / "e3ne.yaml")
    model = load_model(f"{folder / 'model.py'}:net", folder / "weights.safetensors")
    x, y = data.test_frames()
    calibration = data.calibration_frames()
    has_steps = bool(getattr(data, "FRAMES_HAVE_STEPS", False))
    traced = trace_model(model, calibration[:2].astype(np.float32), has_steps, config)
    ready = prepared(traced, calibration, config)
    return Example(name, config, traced, ready, quantized(ready, calibration, config), x, y)


def classes(graph: Graph, x: Array) -> Array:
    """The classes (frames,) that the reference finds for real frames x (frames, ...)."""
    source, found = graph.inputs[0], []
    for part in chunks(graph, len(x)):
        frames = x[part] if source.type.bits == 0 else encoded(source, x[part])
        found.append(reference.read_out(graph.outputs[0], reference.run(graph, frames))[1])
    return np.concatenate(found)


def percent(found: Array, y: Array) -> float:
    """Percent of equal elements."""
    return round(100.0 * float(np.mean(found == y)), 2)


def evaluate(name: str) -> Accuracy:
    """Measures one example over its whole test set."""
    example = load_example(name)
    training = json.loads((EXAMPLES / name / "training.json").read_text())
    real = dequantized(example.ready, example.integer, example.config)
    agreements = spike_agreement(real, example.integer, example.x[:AGREEMENT_FRAMES]).values()
    equal = sum(found.equal for found in agreements) / sum(found.compared for found in agreements)
    return Accuracy(
        name,
        len(example.y),
        training["float_percent"],
        training["quantized_percent"],
        percent(classes(example.traced, example.x), example.y),
        percent(classes(example.integer, example.x), example.y),
        round(100.0 * equal, 3),
    )


def table(found: list[Accuracy]) -> Table:
    """The figures for people."""
    shown = Table(title="accuracy on the test set, percent")
    heads = ("example", "frames", "trained float", "trained quantised", "float", "reference")
    for head in (*heads, "values equal to torch"):
        shown.add_column(head, justify="left" if head == "example" else "right")
    for row in found:
        name, samples, *percents = asdict(row).values()
        shown.add_row(name, str(samples), *(f"{number:.2f}" for number in percents))
    return shown


def readme_lines(found: Accuracy) -> str:
    """The block of figures in an example's README, without its marker."""
    return f"""
| measured on {found.samples} test frames | percent |
|---|---|
| float training, before quantisation | {found.training_float_percent:.2f} |
| quantised training | {found.training_percent:.2f} |
| torch model with the committed weights | {found.float_percent:.2f} |
| **integer reference (= Verilog)** | **{found.reference_percent:.2f}** |
| spikes or radix values equal to it, edges rounded as in training | {found.equal_percent:.3f} |
"""


def write_readme(found: Accuracy) -> None:
    """Replaces everything after the marker in the example's README."""
    path = EXAMPLES / found.name / "README.md"
    head = path.read_text().split(MARKER)[0]
    path.write_text(head + MARKER + "\n" + readme_lines(found))


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="File for the figures.")
@click.option("--update-readme", is_flag=True, help="Writes the figures into each README.md.")
def main(names: tuple[str, ...], json_file: Path | None, update_readme: bool) -> None:
    found: list[Accuracy] = []
    with Progress(transient=True, console=Console(stderr=True)) as progress:
        for name in progress.track(names or NAMES, description="examples"):
            try:
                found.append(evaluate(name))
            except E3neError as error:
                raise click.ClickException(f"{name}: {error}") from error
    if update_readme:
        for accuracy in found:
            write_readme(accuracy)
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(row) for row in found], indent=2) + "\n")
    Console().print(table(found))


if __name__ == "__main__":
    main()
