"""What the NIR tests share: random spikes, runs of a graph, where the shared files lie."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from e3ne.ir import Graph
from e3ne.reference import run

STEPS = 100


def spikes(
    shape: tuple[int, ...], steps: int = STEPS, frames: int = 4, density: float = 0.35
) -> Any:
    """Random spikes (frames, steps, *shape), `density` of the places, float64."""
    random = np.random.default_rng(7)
    return (random.random((frames, steps, *shape)) < density).astype(np.float64)


def sent(graph: Graph, x: Any) -> Any:
    """What the first output of the graph sends, (frames, steps, neurons)."""
    values = run(graph, x.reshape(*x.shape[:2], *graph.inputs[0].type.shape))
    trains = values[graph.outputs[0].source]
    return trains.reshape(*trains.shape[:2], -1)


def shared(name: str) -> Path:
    """A file of the shared data; a visible skip where it is not there."""
    roots = [Path("../shared/data"), Path(__file__).parents[2] / "shared/data"]
    if os.environ.get("E3NE_DATA"):
        roots.insert(0, Path(os.environ["E3NE_DATA"]))
    for root in roots:
        if (root / "nir" / name).is_file():
            return root / "nir" / name
    pytest.skip(
        f"no nir/{name}: get it from the NIR paper's repository (paper/01_lif, paper/03_rnn) and "
        "set E3NE_DATA to the folder that holds nir/"
    )
