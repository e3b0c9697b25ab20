"""Counted changes of registers as figures of the report, and the model of energy that uses them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from ..boards import Board
from ..check.toggles import Changes, Toggles
from ..cost.energy import PORTS, energy
from ..cost.predict import predict
from ..ir import Graph
from .document import KINDS
from .predicted import model_figures

PORTS_NAME = "(ports)"
"""The row of what belongs to no node; no node has such a name."""


def toggle_figures(
    graph: Graph, board: Board, found: Toggles, interval_cycles: float
) -> dict[str, Any]:
    """The part of report.json that follows from counted toggles of a MAPPED graph.

    `interval_cycles`: the simulated mean between two frames back to back, 0 where there was one
    frame; then the predicted one.
    """
    predicted = predict(graph, board.family)
    if interval_cycles:
        predicted = replace(predicted, interval_cycles=math.ceil(interval_cycles))
    changes = {name: part.share for name, part in found.nodes.items() if part.register_bits}
    changes[PORTS] = found.ports.share
    rows = {**found.nodes, PORTS_NAME: found.ports}
    paths = [path for path in KINDS if path.startswith("energy.") and "toggles" in path]
    return {
        "energy": {
            "proxies": {"toggles": round(found.total, 3)},
            **model_figures(energy(graph, board, predicted, changes=changes)),
            "toggles_from": "counted",
            "toggles": {
                "frames": found.frames,
                "cycles": found.cycles,
                "by_node": {name: row(part, found) for name, part in rows.items()},
            },
        },
        "kinds": {path: KINDS[path] for path in paths},
    }


def row(part: Changes, found: Toggles) -> dict[str, float]:
    """A node's bits of registers, changes in a frame, and changes of a bit in a cycle."""
    per_cycle = part.share * found.frames / found.cycles
    return {
        "register_bits": part.register_bits,
        "toggles_per_frame": round(part.toggles, 3),
        "toggles_per_bit_and_cycle": round(per_cycle, 5),
    }
