"""What the passes of lowering may look at besides the graph."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..config import Config
from ..ir import Array


@dataclass(frozen=True)
class Context:
    """The user's choices, and real-valued frames to measure ranges on.

    `calibration` has one array of reals (frames, steps, *shape) for each input of the graph, or
    is None where the user gave none.
    """

    config: Config = field(default_factory=Config)
    calibration: tuple[Array, ...] | None = None
