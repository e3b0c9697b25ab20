"""Measured numbers on disk: one small JSON file a row, one a network; both are committed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "measured"
CHECKPOINTS = FOLDER / "checkpoints"
SUBSET_SAMPLES = 500


def checkpoint_of(row: str) -> Path:
    """The network file of a row, of its first seed."""
    return CHECKPOINTS / f"{row}.safetensors"


def float_checkpoint_of(network: str) -> Path:
    """The network file of a network before quantisation (float16 weights)."""
    return CHECKPOINTS / f"{network}_float.safetensors"


def read_result(name: str) -> dict[str, Any]:
    """What is known of a row, or of a network under `<network>_float`; {} where nothing is."""
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def merge_result(name: str, part: dict[str, Any]) -> dict[str, Any]:
    """Adds `part` to what is known; dicts are merged key by key. Returns the whole."""
    merged = _merged(read_result(name), part)
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps(merged, indent=2, sort_keys=True) + "\n"
    (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")
    return merged


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    result = dict(old)
    for key, value in new.items():
        known = result.get(key)
        both = isinstance(known, dict) and isinstance(value, dict)
        result[key] = _merged(known, value) if both else value  # type: ignore[arg-type]
    return result
