"""What a search leaves: a table, a CSV, a picture, JSON, and a configuration for each point."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..choosing.figures import save_config
from ..config import parse_config
from ..lower.evaluation import half_width
from ..toolchain.process import clear_os_errors
from . import Explored, Point
from .objectives import KNOWN, row_of
from .picture import pareto_svg

CSV_FILE, SVG_FILE, JSON_FILE, FOLDER = "pareto.csv", "pareto.svg", "explore.json", "pareto"
CONFIG_FILE = "e3ne.yaml"


def front_rows(found: Explored) -> list[dict[str, Any]]:
    """The front as plain values: trial, objectives, held out accuracy and error, choices."""
    return [_row(found, point) for point in found.front]


def _row(found: Explored, point: Point) -> dict[str, Any]:
    trial, seen = point.trial, point.held_out
    percent, frames = seen["accuracy"], seen["frames"]
    return {
        "trial": trial.number,
        **{name: trial.figures[name] for name in found.plan.objectives},
        "held_out_accuracy": percent,
        "held_out_error": half_width(percent, frames),
        "confirmed": point.confirmed,
        **{name: trial.figures[name] for name in other_figures(found) if name in trial.figures},
        **trial.values,
    }


def other_figures(found: Explored) -> list[str]:
    """The figures that are known beside the objectives."""
    return [name for name in KNOWN if name not in found.plan.objectives]


def all_figures(found: Explored) -> dict[str, Any]:
    """Everything: what was searched, every trial, the front."""
    counts, plan = found.counts, found.plan
    return {
        "network": found.subject.title,
        "board": found.subject.board.name,
        "objectives": list(plan.objectives),
        "measure": plan.measure,
        "kinds": {"predicted": "modelled", "synthesis": "post-synthesis", "route": "post-route"},
        "sampler": plan.sampler,
        "seed": plan.seed,
        "frames": {
            "search": found.subject.search_frames,
            "held_out": len(found.subject.y) - found.subject.search_frames,
        },
        "space": found.space.figures(),
        "counts": {
            "finished": counts.finished,
            "cached": counts.cached,
            "infeasible": counts.infeasible,
            "failed": counts.failed,
        },
        "front": front_rows(found),
        "trials": [
            {
                "trial": trial.number,
                "values": trial.values,
                "figures": dict(trial.figures),
                "infeasible": trial.infeasible,
                "message": trial.message,
                "config": dict(trial.tree),
            }
            for trial in found.trials
        ],
    }


def write_all(found: Explored, folder: Path, command: str) -> None:
    """CSV, picture, JSON and `pareto/<trial>/e3ne.yaml` into `folder`; ToolFailed.

    `command` is the `e3ne compile` that takes a configuration, told at its head. Configurations
    of trials that have left the front are removed.
    """
    with clear_os_errors("explore", folder):
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / CSV_FILE, csv_text(front_rows(found)))
        replace_file(folder / SVG_FILE, picture(found))
        replace_file(folder / JSON_FILE, json.dumps(all_figures(found), indent=2) + "\n")
        _write_configs(found, folder / FOLDER, command)


def _write_configs(found: Explored, folder: Path, command: str) -> None:
    numbers = {str(point.trial.number) for point in found.front}
    for old in folder.glob(f"*/{CONFIG_FILE}"):
        if old.parent.name not in numbers and old.parent.name.isdecimal():
            old.unlink()
            if not any(old.parent.iterdir()):
                old.parent.rmdir()
    for point in found.front:
        path = folder / str(point.trial.number) / CONFIG_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        save_config(parse_config(point.trial.tree), path)
        told = ", ".join(
            f"{name} {point.trial.figures[name]:.6g}" for name in found.plan.objectives
        )
        text = path.read_text(encoding="utf-8")
        text = "" if text.strip() == "{}" else text
        replace_file(path, f"# trial {point.trial.number}: {told}\n# {command} -c {path}\n{text}")


def picture(found: Explored) -> str:
    """The front among all trials that gave a design."""
    names = found.plan.objectives
    rows = [(t.number, row_of(names, t.figures)) for t in found.trials if t.figures]
    front = [point.trial.number for point in found.front]
    unconfirmed = [point.trial.number for point in found.front if not point.confirmed]
    title = f"{found.subject.title} on {found.subject.board.name}"
    kind = "modelled" if found.plan.measure == "predicted" else f"after {found.plan.measure}"
    return pareto_svg(f"{title}: {len(rows)} designs, {kind}", names, rows, front, unconfirmed)


def csv_text(rows: Sequence[dict[str, Any]]) -> str:
    """A header and a line for each row; a cell is empty where a row has none."""
    names: dict[str, None] = {}
    for row in rows:
        names |= dict.fromkeys(row)
    file = io.StringIO()
    writer = csv.DictWriter(file, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def replace_file(path: Path, text: str) -> None:
    """Writes a whole file in the place of `path`, or leaves what is there."""
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}.partial-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
