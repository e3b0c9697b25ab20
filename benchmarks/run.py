"""Runs one row: compile, whole test set through the emitted Verilog, synthesis, routing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import e3ne
from e3ne.data import Frames, checked_frames
from e3ne.frontend import load_model
from e3ne.progress import Stages, Tell
from e3ne.report import merge_report, write_html

from .rows import Row

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"


def run_row(
    row: Row, folder: Path, progress: Tell | None = None, seeds: int | None = None
) -> dict[str, Any]:
    """The whole report of a row; its build goes to `folder`.

    `seeds` is the number of nextpnr runs, the row's own where None; 0 stops after Yosys.
    """
    stages = Stages(progress)
    with stages("load"):
        frames, calibration = load_data(row)
        model = load_example(row)
    hardware = e3ne.compile(
        model,
        calibration[:2],
        input_has_steps=row.input_has_steps,
        board=row.board,
        calibration=calibration,
        config=EXAMPLES / row.example / "e3ne.yaml",
        output=folder,
        name=row.name,
        progress=progress,
    )
    hardware.simulate(frames.x, frames.y, progress=progress)
    hardware.synthesize(seeds=row.seeds if seeds is None else seeds, progress=progress)
    report = merge_report(folder, {"wall_s": stages.wall_s})
    write_html(folder)
    return report


def load_data(row: Row) -> tuple[Frames, Any]:
    """The test frames with labels, and the calibration frames."""
    module = example_module(EXAMPLES / row.example / "data.py")
    x, y = module.test_frames()
    return checked_frames(row.name, x, y), module.calibration_frames()


def load_example(row: Row) -> Any:
    """The trained torch module of the row's example."""
    folder = EXAMPLES / row.example
    return load_model(f"{folder / 'model.py'}:net", folder / "weights.safetensors")


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
