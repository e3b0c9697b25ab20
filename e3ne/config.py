"""The configuration of a compile: what a user may choose, keyed by module path.

As YAML (or the same dict):

    steps: 10                        # time steps of the network; null: as traced
    readout: count                   # count | last | max | mean; null: as traced
    scale: integer                   # integer | power_of_two (pure shifts instead of multipliers)
    calibration: max                 # max | percentile(99.9), of what each ReLU sends
    calibration_frames: 256          # at most so many calibration frames are run
    window: null                     # time steps in one word of a stream; null: chosen by mapping
    input: {bits: 8, scale: null, signed: null}                     # null: from calibration
    #      several inputs: also a section for each, {left: {scale: 0.5}, right: {bits: 4}}
    default: {weight_bits: 8, edge_bits: 4, per_channel: false,
              membrane_fraction_bits: null, membrane_bits: null, decay_bits: null,
              multiplier_bits: 16, max_spikes: null}
    nodes: {conv1: {weight_bits: 3}}                                # the keys of `default`
    mapping: {conv1: {in_lanes: 25, out_lanes: 6}}                  # also pixel_lanes, step_lanes
    utilisation: 0.6                 # fraction of the board's LUTs that the mapper may use
    input_lanes: null                # elements in one beat of the input; null: chosen by mapping
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from .ir import BadInput, Graph, Readout

ScaleKind = Literal["integer", "power_of_two"]
Record = TypeVar("Record")


@dataclass(frozen=True)
class NodeConfig:
    """How one node is brought to integers.

    `weight_bits` 2..8; `edge_bits` 1..8 of what a ReLU sends; `per_channel`: one weight scale an
    output channel; `membrane_fraction_bits`: the membrane's unit is the accumulator's / 2**this
    (None: the least of 0 .. 14 that gives the threshold 15 bits); `membrane_bits`: at most so wide,
    saturating (None: as wide as range analysis asks); `decay_bits`: decays are m / 2**this (None:
    exact within 16 bits, else the nearest of 12 .. 16 bits); `multiplier_bits` of a ReLU's
    requantisation; `max_spikes`: the most spikes a step of neurons that have no limit of their own
    (None: as many as the calibration frames show).
    """

    weight_bits: int = 8
    edge_bits: int = 4
    per_channel: bool = False
    membrane_fraction_bits: int | None = None
    membrane_bits: int | None = None
    decay_bits: int | None = None
    multiplier_bits: int = 16
    max_spikes: int | None = None


@dataclass(frozen=True)
class InputConfig:
    """How samples become integers: clip(round(x / scale)); None: from calibration."""

    bits: int | None = None
    scale: float | None = None
    signed: bool | None = None


@dataclass(frozen=True)
class MappingConfig:
    """Lanes that the user fixes for one node; None: chosen by the mapper."""

    in_lanes: int | None = None
    out_lanes: int | None = None
    pixel_lanes: int | None = None
    step_lanes: int | None = None


@dataclass(frozen=True)
class Config:
    """The whole configuration; the module's docstring says what each key means.

    `inputs` holds what stands under `input` for one input by its name.
    """

    steps: int | None = None
    readout: str | None = None
    scale: ScaleKind = "integer"
    calibration: str = "max"
    calibration_frames: int = 256
    window: int | None = None
    input: InputConfig = InputConfig()
    inputs: Mapping[str, InputConfig] = field(default_factory=dict)
    default: NodeConfig = NodeConfig()
    nodes: Mapping[str, NodeConfig] = field(default_factory=dict)
    mapping: Mapping[str, MappingConfig] = field(default_factory=dict)
    utilisation: float = 0.6
    input_lanes: int | None = None

    def node(self, name: str) -> NodeConfig:
        """The settings of the node called `name`."""
        return self.nodes.get(name, self.default)

    def input_of(self, name: str) -> InputConfig:
        """The settings of the input called `name`."""
        return self.inputs.get(name, self.input)

    @property
    def percentile(self) -> float:
        """The percentile of `calibration`, 0..100; `max` is the 100th."""
        found = _PERCENTILE.fullmatch(self.calibration)
        return float(found[1]) if found else 100.0


_PERCENTILE = re.compile(r"percentile\((\d+(?:\.\d+)?)\)")
_RANGES: dict[str, tuple[float, float]] = {
    "steps": (1, 4096),
    "window": (1, 4096),
    "calibration_frames": (1, 1 << 20),
    "input_lanes": (1, 4096),
    "utilisation": (0.01, 1.0),
    "bits": (1, 16),
    "weight_bits": (2, 8),
    "edge_bits": (1, 8),
    "membrane_fraction_bits": (0, 16),
    "membrane_bits": (2, 48),
    "decay_bits": (1, 16),
    "multiplier_bits": (2, 24),
    "max_spikes": (1, 255),
    "in_lanes": (1, 4096),
    "out_lanes": (1, 4096),
    "pixel_lanes": (1, 4096),
    "step_lanes": (1, 4096),
}
_CHOICES: dict[str, tuple[str, ...]] = {
    "scale": ("integer", "power_of_two"),
    "readout": tuple(readout.value for readout in Readout),
}
_FRACTIONS = ("utilisation",)
_FLAGS = ("per_channel", "signed")


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
    chosen, inputs = _inputs(values.pop("input", None), f"{where}.input", problems)
    nodes = _sections(default, values.pop("nodes", None), f"{where}.nodes", problems)
    mapping = _sections(MappingConfig(), values.pop("mapping", None), f"{where}.mapping", problems)
    if "inputs" in values:
        problems.append(f"{where}.inputs: found an unknown key, accepted input")
        del values["inputs"]
    config = _section(Config(), values, where, problems)
    if problems:
        raise BadInput(problems)
    sections = {"default": default, "input": chosen, "inputs": inputs}
    return replace(config, nodes=nodes, mapping=mapping, **sections)  # type: ignore[arg-type]


def default_config(names: Graph | Iterable[str], config: Config | None = None) -> dict[str, Any]:
    """The editable configuration as a dict, with an entry for every node.

    `names` are the nodes' names, or a graph: the simplified one of `lower.simplify`, whose nodes
    are those that lowering, mapping and Verilog will name.
    """
    config = config or Config()
    if isinstance(names, Graph):
        names = [node.name for node in names.nodes]
    editable = asdict(replace(config, nodes={}, mapping={}, inputs={}))
    del editable["inputs"]
    editable["input"] |= {name: asdict(chosen) for name, chosen in config.inputs.items()}
    names = list(names)
    editable["nodes"] = {name: asdict(config.node(name)) for name in names}
    editable["mapping"] = {
        name: asdict(config.mapping.get(name, MappingConfig())) for name in names
    }
    return editable


def check_names(
    config: Config,
    names: Iterable[str],
    part_of: Mapping[str, str] | None = None,
    inputs: Iterable[str] | None = None,
) -> None:
    """BadInput with every module path of `config` that is not one of the nodes `names`.

    `part_of` knows the node that a module was merged into (a ReLU into the layer before it);
    `inputs` are the names of the inputs, where they are to be checked, too.
    """
    accepted = sorted(names)
    merged = part_of or {}
    known = sorted(config.inputs if inputs is None else inputs)
    problems = [
        f"config.input.{name}: found no such input, accepted {_nearest(name, known)}"
        for name in sorted(config.inputs)
        if name not in known
    ]
    for section in ("nodes", "mapping"):
        for name in sorted(getattr(config, section)):
            if name in merged:
                problems.append(
                    f"config.{section}.{name}: found a module that is part of the node "
                    f"{merged[name]}, accepted {merged[name]}; write the settings there"
                )
            elif name not in accepted:
                problems.append(
                    f"config.{section}.{name}: found no such node, accepted "
                    f"{_nearest(name, accepted)}"
                )
    if problems:
        raise BadInput(problems)


def _inputs(
    data: Any, where: str, problems: list[str]
) -> tuple[InputConfig, dict[str, InputConfig]]:
    """The settings of every input, and those of single inputs: the sections inside."""
    named: dict[Any, Any] = {}
    if isinstance(data, Mapping):
        named = {key: part for key, part in data.items() if isinstance(part, Mapping)}
        data = {key: value for key, value in data.items() if key not in named}
    chosen = _section(InputConfig(), data, where, problems)
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
                f"{where}.{key}: found an unknown key, accepted {_nearest(str(key), accepted)}"
            )
            continue
        problem = _problem(start, key, value)
        if problem:
            problems.append(f"{where}.{key}: {problem}")
        else:
            values[key] = value
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
    if key == "scale" and isinstance(record, InputConfig):
        return _unless(number and 0 < value < float("inf"), value, "a number > 0")
    if key in _CHOICES:
        return _unless(value in _CHOICES[key], value, " or ".join(_CHOICES[key]))
    if key in _FLAGS:
        return _unless(isinstance(value, bool), value, "true or false")
    if key == "calibration":
        percentile = _PERCENTILE.fullmatch(str(value))
        fits = value == "max" or (percentile is not None and 0 < float(percentile[1]) <= 100)
        return _unless(fits, value, "max or percentile(99.9)")
    low, high = _RANGES[key]
    kinds = (int, float) if key in _FRACTIONS else (int,)
    fits = number and isinstance(value, kinds) and low <= value <= high
    kind = "" if key in _FRACTIONS else "an integer "
    return _unless(fits, value, f"{kind}{low} .. {high}")


def _unless(fits: bool, value: Any, accepted: str) -> str | None:
    return None if fits else f"found {value!r}, accepted {accepted}"


def _nearest(name: str, accepted: Iterable[str]) -> str:
    """The nearest accepted names, or all of them where none is near."""
    names = list(accepted)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"{', '.join(near or names)}" + (" (the nearest)" if near else "")
