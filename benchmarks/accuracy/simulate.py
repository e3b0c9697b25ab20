"""The hardware of a row in Verilator: first test samples, every word of every node compared."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import e3ne
from e3ne.progress import Tell

from .networks import load_network_of
from .results import checkpoint_of, merge_result
from .rows import Row

LOG = logging.getLogger(__name__)
BUILDS = Path("build") / "accuracy"


def simulate_row(
    row: Row, frames: int, board: str = "ulx3s-85f", progress: Tell | None = None
) -> dict[str, Any]:
    """Compiles the committed checkpoint and simulates the emitted Verilog.

    Returns what measured/<row>.json got under `simulated`; `mismatches` counts words that differ
    from the reference.
    """
    network = load_network_of(row.network)
    split = network.split()
    hardware = e3ne.compile(
        str(checkpoint_of(row.name)),
        board=board,
        calibration=network.calibration(split),
        output=BUILDS / row.name,
        progress=progress,
    )
    found = hardware.simulate(split.test_x, split.test_y, frames=frames, progress=progress)
    report = hardware.report()
    part = {
        "board": board,
        "frames": found.frames,
        "nodes": report["bit_exact"]["nodes_checked"],
        "mismatches": report["bit_exact"]["mismatches"],
        "interval_cycles": round(report["cycles"]["interval_mean"]),
        "latency_cycles": round(report["cycles"]["latency_mean"]),
        "rtl_percent": report["accuracy"]["rtl"],
    }
    LOG.info("%s: %d frames, %d mismatches", row.name, part["frames"], part["mismatches"])
    merge_result(row.name, {"simulated": part})
    return part
