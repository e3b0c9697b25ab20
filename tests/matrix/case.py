"""One case of the matrix: a small model of a library, and its input."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import nn

from e3ne.frontend import trace
from e3ne.ir import Array, Graph

FRAMES = 3
STEPS = 100

LIBRARIES: dict[str, str | None] = {
    "snntorch": None,
    "rockpool": None,
    "spikingjelly": None,
    "norse": None,
    "networks": None,
    "brevitas": None,
    "spikingjelly_0_0_0_0_14": "spikingjelly-0.0.0.0.14",
    "sinabs": "sinabs-3.1.3",
}
"""The case files, and the folder below `.venv/separate` of a library that cannot stand beside
the others (None: it stands in `.venv`)."""

Feed = Literal["loop", "steps first", "frames first", "merged", "static"]


@dataclass(frozen=True)
class Case:
    """A model with one neuron option in one shape.

    `library` and `version` name the framework, `option` the neuron and its options (a row of the
    table), `shape` the model around it ("mlp", "conv", "recurrent", ...). `build` makes the model
    in evaluation mode, the same weights each time (seed it).

    `feed` is how a user calls it: "loop": one step a call, (frames, *input_shape) each; "steps
    first" and "frames first": all steps in one call; "merged": (frames * steps, *input_shape);
    "static": one call without steps, the model loops over time itself (`steps` is its number).
    `signal`: "spikes" are zeros and ones, "real" is uniform in -1 .. 2.

    `rtl`: also run in Verilator; at least one case of each option is. `single`: the library's own
    forward is in float32 (Brevitas, which keeps tensors of the first dtype that it saw).
    """

    library: str
    version: str
    option: str
    shape: str
    build: Callable[[], nn.Module]
    input_shape: tuple[int, ...]
    steps: int = STEPS
    feed: Feed = "loop"
    signal: Literal["spikes", "real"] = "spikes"
    rtl: bool = False
    single: bool = False

    @property
    def name(self) -> str:
        """For test ids and tables."""
        return f"{self.library} {self.option} / {self.shape}"


def cases(library: str) -> tuple[Case, ...]:
    """The cases of a file of `LIBRARIES`."""
    found: tuple[Case, ...] = importlib.import_module(f"tests.matrix.{library}").CASES
    return found


def draw(case: Case, seed: int, frames: int = FRAMES) -> Array:
    """Random input, float32 (frames, steps, *input_shape), or without steps where static."""
    generator = np.random.default_rng(seed)
    lead = (frames,) if case.feed == "static" else (frames, case.steps)
    shape = (*lead, *case.input_shape)
    if case.signal == "spikes":
        return (generator.random(shape) < 0.4).astype(np.float32)
    return generator.uniform(-1, 2, shape).astype(np.float32)


def traced(case: Case) -> Graph:
    """The FLOAT graph that e3ne reads from the model."""
    return trace(case.build(), draw(case, 1), input_has_steps=case.feed != "static")
