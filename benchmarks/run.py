"""Runs one row: compile, whole test set through the emitted Verilog, synthesis, routing."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import e3ne
from e3ne.config import Config, config_as_dict, load_config, parse_config
from e3ne.data import Frames, checked_frames, first_frames
from e3ne.frontend import load_model
from e3ne.ir import Array
from e3ne.ir.frames import input_format, output_format
from e3ne.network_file import load_network
from e3ne.progress import Stages, Tell
from e3ne.report import merge_report, write_html

from .accuracy.networks import load_network_of
from .accuracy.results import checkpoint_of
from .accuracy.rows import row_of
from .roofline import roofline_cycles
from .rows import Row

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
ROUTE_TIMEOUT_S = 1_500.0  # now and then the router finds no end with one seed


@dataclass(frozen=True)
class Benchmark:
    """A row's network, its own configuration, its test frames with labels, calibration frames."""

    model: Any
    config: Config
    frames: Frames
    calibration: Array


def run_row(
    row: Row,
    folder: Path,
    progress: Tell | None = None,
    seeds: int | None = None,
    jobs: int = 1,
    timeout_s: float = ROUTE_TIMEOUT_S,
) -> dict[str, Any]:
    """The whole report of a row; its build goes to `folder`.

    `seeds` is the number of nextpnr runs, the row's own where None; 0 stops after Yosys. `jobs` of
    them, and of simulators, run side by side; a routing is given up after `timeout_s`.
    """
    stages = Stages(progress)
    with stages("load"):
        given = load_row(row)
    is_file = row.network.startswith("accuracy/")
    hardware = e3ne.compile(
        given.model,
        None if is_file else given.calibration[:2],
        input_has_steps=row.input_has_steps,
        board=row.board,
        calibration=given.calibration,
        config=settings_of(row, given.config),
        output=folder,
        name=row.name,
        progress=progress,
    )
    x = first_frames(given.frames.x, row.frames)
    y = None if given.frames.y is None else given.frames.y[: row.frames]
    hardware.simulate(x, y, jobs=jobs, progress=progress)
    runs = row.seeds if seeds is None else seeds
    hardware.synthesize(runs, progress, jobs, timeout_s)
    roofline = round(roofline_cycles(hardware.graph, hardware.board), 1)
    ports = {
        "in": input_format(hardware.graph, hardware.graph.inputs[0]).beats_per_frame,
        "out": output_format(hardware.graph, hardware.graph.outputs[0]).words,
    }
    figures = {"cycles": {"roofline": roofline, "port_beats": ports}, "wall_s": stages.wall_s}
    report = merge_report(folder, figures)
    write_html(folder)
    return report


def settings_of(row: Row, own: Config) -> Config:
    """The network's own configuration with the row's settings laid over it."""
    return parse_config(laid_over(config_as_dict(own), row.settings), f"row {row.name}")


def laid_over(base: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `settings`; tables are merged key by key."""
    merged = dict(base)
    for key, value in settings.items():
        known = merged.get(key)
        tables = isinstance(known, Mapping) and isinstance(value, Mapping)
        merged[key] = laid_over(known, value) if tables else value  # type: ignore[arg-type]
    return merged


def load_row(row: Row) -> Benchmark:
    """The network and the data of a row."""
    kind, name = row.network.split("/")
    if kind == "accuracy":
        network = load_network_of(row_of(name).network)
        split = network.split()
        graph, config, _ = load_network(checkpoint_of(name))
        frames = checked_frames(row.name, split.test_x, split.test_y)
        return Benchmark(graph, config, frames, network.calibration(split))
    folder = EXAMPLES / name
    module = example_module(folder / "data.py")
    x, y = module.test_frames()
    model = load_model(f"{folder / 'model.py'}:net", folder / "weights.safetensors")
    config = load_config(folder / "e3ne.yaml")
    return Benchmark(model, config, checked_frames(row.name, x, y), module.calibration_frames())


def example_module(path: Path) -> ModuleType:
    """The Python file `path` as a module of its own name."""
    name = f"e3ne_example_{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
