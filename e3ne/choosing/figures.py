"""What a choice was decided from, as plain values, and the configuration it makes, as a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..config import Config, config_as_dict
from ..lower.choose_encoding import ChosenCode
from ..lower.choose_precision import Chosen
from ..lower.evaluation import half_width
from ..lower.sensitivity import COST_KINDS, bits_of


def part_rows(found: Chosen) -> list[dict[str, Any]]:
    """For each part: its bits at the start and as chosen, and what it loses alone, by bits."""
    rows = []
    for part in found.parts:
        tried = [row for row in found.table if row.part == part]
        rows.append(
            {
                "part": str(part),
                "kind": part.kind,
                "start": bits_of(found.start_config, part),
                "chosen": bits_of(found.config, part),
                "points": {row.bits: round(row.points, 4) for row in tried},
                "entropy": {row.bits: round(row.entropy, 6) for row in tried},
                "divergence": {row.bits: round(row.divergence, 6) for row in tried},
                "cost": {row.bits: round(row.cost, 3) for row in tried},
            }
        )
    return rows


def networks(found: Chosen) -> list[dict[str, Any]]:
    """Accuracy and costs of the start, the cheapest network of equal bits, and the choice."""
    measured = [("start", found.start)]
    if found.uniform is not None:
        measured.append(("equal bits", found.uniform[1]))
    measured.append(("chosen", found.measured))
    held = found.checked_on
    return [
        {
            "name": name,
            "percent": one.accuracy(found.chosen_on),
            "held_out_percent": one.accuracy(held) if held.stop > held.start else None,
            "error_points": half_width(one.accuracy(), len(one.right)),
            **{kind: one.cost(kind) for kind in COST_KINDS},
            "spikes": one.spikes,
        }
        for name, one in measured
    ]


def bits_figures(found: Chosen) -> dict[str, Any]:
    """Everything that a choice of bits was decided from, as plain values."""
    return {
        "floor": found.floor,
        "cost": found.cost,
        "parts": part_rows(found),
        "networks": networks(found),
        "steps": list(found.steps),
    }


def code_figures(found: ChosenCode) -> dict[str, Any]:
    """Everything that a choice of code was decided from, as plain values."""
    return {
        "floor": found.floor,
        "cost": found.cost,
        "chosen": found.row.name,
        "codes": [
            {"name": row.name, "refused": row.refused}
            if row.measured is None
            else {
                "name": row.name,
                "percent": row.measured.accuracy(),
                "error_points": half_width(row.measured.accuracy(), len(row.measured.right)),
                "synaptic_ops": row.measured.cost("synaptic_ops"),
                "value_ops": row.measured.cost("value_ops"),
                "spikes": row.measured.spikes,
                "predicted_cycles": row.cycles,
            }
            for row in found.table
        ],
    }


def save_config(config: Config, path: str | Path) -> None:
    """Writes a configuration as YAML that `-c` reads; what is as by default is left out."""
    tree = config_as_dict(config)
    plain = config_as_dict(Config())
    nodes = {name: _less(node, tree["default"]) for name, node in tree["nodes"].items()}
    mapping = {
        name: {key: value for key, value in lanes.items() if value is not None}
        for name, lanes in tree["mapping"].items()
    }
    inputs = {
        name: _less(own, tree["input"])
        for name, own in tree["input"].items()
        if isinstance(own, Mapping)
    }
    tree["input"] = {key: own for key, own in tree["input"].items() if key not in inputs}
    short = _less(tree, plain) | {
        "input": _less(tree["input"], plain["input"])
        | {name: own for name, own in inputs.items() if own},
        "nodes": {name: node for name, node in nodes.items() if node},
        "mapping": {name: lanes for name, lanes in mapping.items() if lanes},
    }
    kept = {key: value for key, value in short.items() if value != {}}
    Path(path).write_text(yaml.safe_dump(kept, sort_keys=False), encoding="utf-8")


def _less(tree: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    """What of `tree` differs from `plain`."""
    kept: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            inner = _less(value, plain.get(key) or {})
            if inner:
                kept[key] = inner
        elif key not in plain or value != plain[key]:
            kept[key] = value
    return kept
