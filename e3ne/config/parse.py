"""From a dict or a YAML file to a configuration; every problem is found at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml

from ..ir import BadInput, Readout
from .budget import budget_problems
from .names import nearest
from .records import (
    PERCENTILE,
    Config,
    EngineName,
    InputConfig,
    MappingConfig,
    NodeConfig,
    OutputConfig,
    StorageName,
    Target,
)

Record = TypeVar("Record")

_RANGES: dict[str, tuple[float, float]] = {
    "steps": (1, 4096),
    "window": (1, 4096),
    "calibration_frames": (1, 1 << 20),
    "input_lanes": (1, 4096),
    "utilisation": (0.01, 1.0),
    "bits": (1, 16),
    "edge_bits": (1, 8),
    "membrane_fraction_bits": (0, 16),
    "membrane_bits": (2, 48),
    "decay_bits": (1, 16),
    "multiplier_bits": (2, 24),
    "max_spikes": (1, 255),
    "in_lanes": (1, 4096),
    "out_lanes": (1, 4096),
    "pixel_lanes": (1, 4096),
    "neuron_lanes": (1, 4096),
    "step_lanes": (1, 4096),
    "bit_lanes": (1, 16),
    "in_columns": (1, 64),
    "dsps": (0, 16384),
    "seed": (1, 65535),
}
_CHOICES: dict[str, tuple[str, ...]] = {
    "scale": ("integer", "power_of_two"),
    "readout": tuple(readout.value for readout in Readout),
    "code": ("radix", "rate"),
    "target": get_args(Target),
    "engine": get_args(EngineName),
    "storage": get_args(StorageName),
    "buffer_storage": get_args(StorageName),
    "words": ("all", "class"),
    "encoder": ("regular", "bernoulli", "latency", "radix", "delta"),
}
_WIDTHS: dict[tuple[type, str], tuple[int, ...]] = {
    (OutputConfig, "bits"): (8, 16, 32),
    (Config, "weight_port_bits"): (8, 16, 32, 64),
}
_FRACTIONS = ("utilisation",)
_FLAGS = (
    *("per_channel", "signed", "fit_threshold", "equalize", "correct_biases"),
    *("streaming", "events", "packed", "lane_rows"),
)
_METHODS = ("calibration", "weight_scale")
_WEIGHT_BITS: dict[object, int | float] = {
    **{"binary": 1, "ternary": 1.58, 1.58: 1.58},
    **{bits: bits for bits in range(1, 9)},
}


def load_config(path: str | Path) -> Config:
    """The configuration in a YAML file; BadInput with every problem found in it."""
    try:
        data = yaml.safe_load(Path(path).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise BadInput(f"{path}: found no readable YAML ({error}); give a YAML file") from error
    return parse_config({} if data is None else data, str(path))


def parse_config(data: Any, where: str = "config") -> Config:
    """The configuration in a dict as of the module's docstring; BadInput lists every problem."""
    if not isinstance(data, Mapping):
        raise BadInput(f"{where}: found {type(data).__name__}, accepted a mapping of keys")
    problems: list[str] = []
    values = dict(data)
    default = _section(NodeConfig(), values.pop("default", None), f"{where}.default", problems)
    chosen, inputs = _by_name(InputConfig(), values.pop("input", None), f"{where}.input", problems)
    sent, outputs = _by_name(
        OutputConfig(), values.pop("output", None), f"{where}.output", problems
    )
    nodes = _sections(default, values.pop("nodes", None), f"{where}.nodes", problems)
    mapping = _sections(MappingConfig(), values.pop("mapping", None), f"{where}.mapping", problems)
    budget = values.pop("budget", None)
    problems += budget_problems(budget, f"{where}.budget")
    for several in {"inputs", "outputs"} & set(values):
        problems.append(f"{where}.{several}: found an unknown key, accepted {several[:-1]}")
        del values[several]
    config = _section(Config(), values, where, problems)
    if problems:
        raise BadInput(problems)
    sections = {"default": default, "input": chosen, "inputs": inputs, "budget": budget or {}}
    sections |= {"output": sent, "outputs": outputs}
    return replace(config, nodes=nodes, mapping=mapping, **sections)  # type: ignore[arg-type]


def _by_name(
    start: Record, data: Any, where: str, problems: list[str]
) -> tuple[Record, dict[str, Record]]:
    """The settings of every input or output, and those of single ones: the sections inside."""
    named: dict[Any, Any] = {}
    if isinstance(data, Mapping):
        named = {key: part for key, part in data.items() if isinstance(part, Mapping)}
        data = {key: value for key, value in data.items() if key not in named}
    chosen = _section(start, data, where, problems)
    return chosen, _sections(chosen, named, where, problems)


def _section(start: Record, data: Any, where: str, problems: list[str]) -> Record:
    """`start` with the values of `data`, each checked; problems are added to `problems`."""
    if data is None:
        return start
    if not isinstance(data, Mapping):
        problems.append(f"{where}: found {type(data).__name__}, accepted a mapping of keys")
        return start
    accepted = {item.name: getattr(start, item.name) for item in fields(start)}  # type: ignore[arg-type]
    values = {}
    for key, value in data.items():
        if key not in accepted:
            problems.append(
                f"{where}.{key}: found an unknown key, accepted {nearest(str(key), accepted)}"
            )
            continue
        problem = _problem(start, key, value)
        if problem:
            problems.append(f"{where}.{key}: {problem}")
        else:
            values[key] = _WEIGHT_BITS[value] if key == "weight_bits" else value
    return replace(start, **values)  # type: ignore[type-var]


def _sections(start: Record, data: Any, where: str, problems: list[str]) -> dict[str, Record]:
    """One section a module path."""
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        problems.append(f"{where}: found {type(data).__name__}, accepted module paths as keys")
        return {}
    return {
        str(name): _section(start, part, f"{where}.{name}", problems) for name, part in data.items()
    }


def _problem(record: object, key: str, value: Any) -> str | None:
    """*found X, accepted Y* where `value` is not legal for the field `key` of `record`."""
    if value is None and getattr(type(record)(), key) is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if key == "threshold" or (key == "scale" and isinstance(record, InputConfig)):
        return _unless(number and 0 < value < float("inf"), value, "a number > 0")
    if key in _CHOICES:
        return _unless(value in _CHOICES[key], value, " or ".join(_CHOICES[key]))
    if key in _FLAGS:
        return _unless(isinstance(value, bool), value, "true or false")
    if key == "weight_bits":
        whole = isinstance(value, int) and not isinstance(value, bool)
        fits = (whole or value == 1.58 or isinstance(value, str)) and value in _WEIGHT_BITS
        return _unless(fits, value, "binary, ternary (or 1, 1.58) or an integer 2 .. 8")
    if key in _METHODS:
        percentile = PERCENTILE.fullmatch(str(value))
        fits = value in ("max", "mse") or (
            percentile is not None and 0 < float(percentile[1]) <= 100
        )
        return _unless(fits, value, "max, mse or percentile(99.9)")
    widths = _WIDTHS.get((type(record), key))
    if widths is not None:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return _unless(whole and value in widths, value, ", ".join(map(str, widths)))
    low, high = _RANGES[key]
    kinds = (int, float) if key in _FRACTIONS else (int,)
    fits = number and isinstance(value, kinds) and low <= value <= high
    kind = "" if key in _FRACTIONS else "an integer "
    return _unless(fits, value, f"{kind}{low} .. {high}")


def _unless(fits: bool, value: Any, accepted: str) -> str | None:
    return None if fits else f"found {value!r}, accepted {accepted}"
