"""report.json: its keys, the kind of each number, and how the stages add to it.

model, board, clock_hz, graph
accuracy:   {float, reference, rtl: percent; samples}
fidelity:   {spikes_compared, spikes_equal, percent, by_node}: quantised torch model against
            the integer reference
bit_exact:  {simulator, frames, nodes_checked, mismatches}
cycles:     {latency_min, latency_mean, latency_p50, latency_max, interval_mean, interval_p50,
            interval_max, predicted_latency, predicted_latency_p50, predicted_latency_worst,
            predicted_interval, predicted_frames, predicted_is_exact}: predicted latency and
            interval are means over so many calibration frames, p50 their median, the worst that
            of a frame without zeros; exact: of these frames to the last cycle, else estimates of
            the schedule (frames too long to be followed part by part)
resources:  {predicted | synthesis | routed: {luts, ffs, bram_bits, brams, dsps}, available}
fmax_hz:    {predicted, routed: [one a seed], median, worst, unrouted: [seeds given up after
            timeout_s], router}; predicted is null without a fit
activity:   {node: {spikes_per_frame, synaptic_ops_effective, synaptic_ops_dense}}
energy:     {proxies, unit, model_low, model_nominal, model_high, power_w, time_us}: modelled for
            frames back to back at clock_hz; nominal = power_w times time_us. toggles_from says
            whether they rest on `assumed` changes of logic or on `counted` ones, which are in
            toggles: {frames, cycles, by_node: {node: {register_bits, toggles_per_frame,
            toggles_per_bit_and_cycle}}} (`e3ne simulate --toggles`)
wall_s:     {trace, lower, optimize, emit, simulate, synthesize, route, ...}
memory:     {compile_peak_bytes, ...}
kinds:      {dotted path: measured | simulated | post-synthesis | post-route | modelled |
            quoted}; a path stands for everything below it, the longest one wins
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..ir.errors import BadInput

REPORT_FILE = "report.json"

Report = dict[str, Any]

KEYS = (
    *("model", "board", "clock_hz", "graph", "accuracy", "fidelity", "bit_exact", "cycles"),
    *("resources", "fmax_hz", "activity", "energy", "wall_s", "memory", "kinds"),
)

KINDS = {
    "accuracy": "measured",
    "accuracy.rtl": "simulated",
    "activity": "measured",
    "bit_exact": "simulated",
    "cycles": "simulated",
    "cycles.predicted_frames": "modelled",
    "cycles.predicted_interval": "modelled",
    "cycles.predicted_is_exact": "modelled",
    "cycles.predicted_latency": "modelled",
    "cycles.predicted_latency_p50": "modelled",
    "cycles.predicted_latency_worst": "modelled",
    "cycles.roofline": "modelled",
    "energy": "modelled",
    "energy.proxies.toggles": "simulated",
    "energy.toggles": "simulated",
    "fidelity": "measured",
    "fmax_hz": "post-route",
    "fmax_hz.predicted": "modelled",
    "memory": "measured",
    "resources.available": "quoted",
    "resources.predicted": "modelled",
    "resources.routed": "post-route",
    "resources.synthesis": "post-synthesis",
    "wall_s": "measured",
}

WHOLE = ("activity", "by_node")
"""Keys of dicts by node, which a stage replaces as a whole."""


def new_report(model: str, board: str, clock_hz: int) -> Report:
    """A report with every key and no figures yet."""
    return {
        "model": model,
        "board": board,
        "clock_hz": clock_hz,
        "graph": {},
        "accuracy": {"float": None, "reference": None, "rtl": None, "samples": 0},
        "fidelity": {},
        "bit_exact": {},
        "cycles": {},
        "resources": {},
        "fmax_hz": {},
        "activity": {},
        "energy": {
            "proxies": {},
            "model_low": None,
            "model_nominal": None,
            "model_high": None,
        },
        "wall_s": {},
        "memory": {},
        "kinds": dict(KINDS),
    }


def kind_of(report: Report, path: str) -> str:
    """The kind of the number at the dotted `path`; "" where none is told."""
    kinds: dict[str, str] = report["kinds"]
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        kind = kinds.get(".".join(parts[:length]))
        if kind is not None:
            return kind
    return ""


def read_report(build: Path) -> Report:
    """The report of the folder `build`; BadInput where it has none that can be read."""
    path = build / REPORT_FILE
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path}: found no readable report ({error}); run `e3ne compile` into this folder"
        ) from error
    missing = [key for key in KEYS if not isinstance(report, dict) or key not in report]
    if missing:
        raise BadInput(f"{path}: found no {', '.join(missing)}; compile the model again")
    return report  # type: ignore[no-any-return]


def merge_report(build: Path, part: Report) -> Report:
    """Adds the figures of one stage to the report of `build`, and returns the whole.

    Dicts merge key by key, except that lists of nodes (`activity`, `by_node`) and the routed seeds
    are replaced as a whole; everything else replaces what was there. The file changes all at once.
    """
    report = read_report(build)
    unknown = sorted(set(part) - set(KEYS))
    if unknown:
        raise KeyError(f"report: found {unknown}, accepted {KEYS}")
    write_report(build, merged(report, part))
    return read_report(build)


def merged(report: Report, part: Report) -> Report:
    """`report` with the values of `part`, dict by dict."""
    result = dict(report)
    for key, value in part.items():
        old = result.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and key not in WHOLE:
            result[key] = merged(old, value)
        else:
            result[key] = value
    return result


def write_report(build: Path, report: Report) -> None:
    """Writes the report; a reader sees the old file or the new one, never half of it."""
    path = build / REPORT_FILE
    half = path.with_suffix(".json.part")
    try:
        half.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)
