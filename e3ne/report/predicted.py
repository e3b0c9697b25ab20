"""What a report says before anything has run: predictions of the cost model and its energy."""

from __future__ import annotations

from typing import Any

from ..boards import Board
from ..cost.activity import Trains
from ..cost.clock import clock_hz_estimate
from ..cost.energy import Energy, energy, memory_bits
from ..cost.predict import Prediction, predict
from ..ir import Graph, text
from ..progress import Stages, peak_memory_bytes
from ..synthesis import resources_available
from .document import Report, new_report

RESOURCES = ("luts", "ffs", "brams", "bram_bits", "dsps", "spram_bits")


def first_report(
    mapped: Graph, trains: Trains | None, board: Board, title: str, stages: Stages
) -> Report:
    """The report after a compile: predictions, times, memory; the rest is measured later.

    `trains`: what inputs and nodes send on some calibration frames, (frames, steps, *shape).
    """
    predicted = predict(mapped, board.family, trains)
    report = new_report(title, board.name, board.clock_hz)
    report["graph"] = graph_summary(mapped)
    report["cycles"] = {
        "predicted_latency": predicted.latency_cycles,
        "predicted_latency_p50": predicted.latency_p50_cycles,
        "predicted_latency_worst": predicted.latency_worst_cycles,
        "predicted_interval": predicted.interval_cycles,
        "predicted_frames": predicted.frames,
        "predicted_is_exact": predicted.is_exact,
    }
    report["resources"] = {
        "predicted": {name: getattr(predicted, name) for name in RESOURCES},
        "available": resources_available(board.resources),
    }
    report["fmax_hz"] = {"predicted": clock_hz_estimate(mapped, board)}
    report["energy"] |= energy_figures(mapped, trains, board, predicted)
    report["wall_s"] = stages.wall_s
    report["memory"] = {"compile_peak_bytes": peak_memory_bytes()}
    return report


def energy_figures(
    mapped: Graph, trains: Trains | None, board: Board, predicted: Prediction
) -> dict[str, Any]:
    """`energy` of report.json after a compile: the model, in nJ a frame, and bits of memories."""
    from ..optimize.stages import ones_among_bits

    shares = None if trains is None else ones_among_bits(mapped, trains)
    read, written = memory_bits(mapped, board.family, trains)
    return {
        "proxies": {"memory_bits_read": read, "memory_bits_written": written},
        **model_figures(energy(mapped, board, predicted, shares, trains=trains)),
        "toggles_from": "assumed",
    }


def model_figures(found: Energy) -> dict[str, Any]:
    """The model's joules, watts and time by the names of the report."""
    return {
        "unit": "nJ a frame",
        "model_low": round(found.low_nj, 3),
        "model_nominal": round(found.nominal_nj, 3),
        "model_high": round(found.high_nj, 3),
        "power_w": round(found.power_w, 6),
        "time_us": round(found.time_s * 1e6, 3),
    }


def graph_summary(graph: Graph) -> dict[str, Any]:
    """Size and text of a graph for the report."""
    weights = [getattr(s.op, "weight", None) for node in graph.nodes for s in node.synapses]
    return {
        "nodes": len(graph.nodes),
        "neurons": sum(node.type.neurons for node in graph.nodes),
        "weights": sum(weight.size for weight in weights if weight is not None),
        "text": text(graph),
    }
