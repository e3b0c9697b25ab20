"""The space of a network: which dials it has, and what the user restricts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from ..config import Config, parse_config
from ..config.names import nearest
from ..ir import BadInput, Encode, Graph, Rectify
from ..ir.user_arrays import UserArrays
from ..lower import prepared, quantized
from ..lower.choose_encoding import STEP_PARTS
from ..lower.sensitivity import Part, parts
from .space import OF_PARTS, SHARED, Choice, Choices, Dial, Space, setting_of

CHOICES: dict[str, Choices] = {
    "code": ("radix", "rate 4", "rate 8", "rate 16"),
    "steps": (),  # parts of the network's own
    "input_bits": (2, 4, 6, 8),
    "edge_bits": (1, 2, 3, 4, 5, 6, 8),
    "weight_bits": (2, 3, 4, 5, 6, 8),
    "calibration": ("max", "mse"),
    "weight_scale": ("max", "mse"),
    "target": ("throughput", "latency", "area"),
    "utilisation": (0.1, 0.2, 0.4, 0.6, 0.8),
    "window": (),  # only where the user names some
}
"""What a dial may be unless the user says otherwise."""

VARIED = ("code", "input_bits", "edge_bits", "weight_bits", "target", "utilisation")
"""The dials that turn unless the user says otherwise; `steps` where the network has them."""


@dataclass(frozen=True)
class Wishes:
    """What the user restricts: `choices` of dials by name (none: the dial stands still), and the
    kinds of bits that each layer has for itself."""

    choices: Mapping[str, Choices]
    per_layer: tuple[str, ...] = ()


def read_space(path: Path) -> Wishes:
    """The restrictions in a YAML file, which may stand under the key `explore`; BadInput."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise BadInput(f"{path}: found no readable YAML ({error}); give a YAML file") from error
    if isinstance(data, Mapping) and set(data) == {"explore"}:
        data = data["explore"]
    if data is None:
        data = {}
    if not isinstance(data, Mapping):
        raise BadInput(f"{path}: found {type(data).__name__}, accepted dials by name: {_names()}")
    return wishes_of(data, str(path))


def wishes_of(data: Mapping[str, Any], where: str = "explore") -> Wishes:
    """`{weight_bits: [2, 4], conv1.edge_bits: 3, per_layer: [weight_bits]}`; BadInput."""
    problems: list[str] = []
    choices: dict[str, Choices] = {}
    per_layer: tuple[str, ...] = ()
    for name, value in data.items():
        if name == "per_layer":
            kinds = {True: tuple(OF_PARTS), False: (), None: ()}
            given = value if isinstance(value, list | tuple) else kinds.get(value, [value])
            wrong = [kind for kind in given if kind not in OF_PARTS]
            if wrong:
                problems.append(
                    f"{where}.per_layer: found {wrong[0]!r}, accepted true, or some of "
                    f"{', '.join(OF_PARTS)}"
                )
            per_layer = tuple(given)
            continue
        node, _, kind = str(name).rpartition(".")
        if kind not in CHOICES or (node and kind not in OF_PARTS):
            problems.append(
                f"{where}.{name}: found an unknown dial, accepted {nearest(kind, CHOICES)}, or "
                f"<layer>.{', <layer>.'.join(OF_PARTS)}"
            )
            continue
        values = list(value) if isinstance(value, list | tuple) else [value]
        problems += _problems(f"{where}.{name}", kind, values)
        choices[f"{kind}{SHARED}{node}" if node else kind] = tuple(map(_plain, values))
    if problems:
        raise BadInput(problems)
    return Wishes(choices, per_layer)


def space_of(
    traced: Graph,
    config: Config,
    calibration: UserArrays | None,
    wishes: Wishes,
    may_have_other_steps: bool = True,
) -> Space:
    """The dials of a traced network and its configuration.

    `may_have_other_steps`: a trace with other steps is the same network (spikes made of samples
    that stay; no file with steps of its own). BadInput for dials that the network has not, and
    where nothing is left to vary.
    """
    ready = prepared(traced, calibration, config)
    integer = quantized(ready, calibration, config)
    found = tuple(parts(ready, integer, ("input", "edge", "weight")))
    inputs = {
        source.name: replace(config.input_of(source.name), bits=source.type.bits)
        for source in integer.inputs
    }
    nodes = {node.name: config.node(node.name) for node in ready.nodes}
    base = replace(config, nodes=nodes, inputs=inputs)
    kinds = {kind: [p for p in found if p.kind == OF_PARTS[kind]] for kind in OF_PARTS}
    possible = _possible(traced, config, kinds, may_have_other_steps)
    problems = _unknown(wishes, possible, kinds)
    if problems:
        raise BadInput(problems)
    dials = []
    if "steps" in possible:
        base = replace(base, steps=max(node.type.steps for node in traced.nodes))
    for name, choices in _chosen(wishes, possible, kinds).items():
        start = setting_of(base, name, found)
        if len(choices) == 1 or start not in choices:
            start = _nearest(start, choices)
        dials.append(Dial(name, choices, start))
    if not dials:
        raise BadInput("explore: found nothing that may vary, accepted a dial with two choices")
    return Space(tuple(dials), base, found)


def _possible(
    traced: Graph, config: Config, kinds: Mapping[str, list[Part]], may_have_other_steps: bool
) -> dict[str, Choices]:
    """The choices of each kind of dial that the network has at all."""
    found = {kind: choices for kind, choices in CHOICES.items() if kind not in OF_PARTS}
    found |= {kind: CHOICES[kind] for kind, own in kinds.items() if own}
    relus = any(isinstance(node.neuron, Rectify) for node in traced.nodes)
    most = max(node.type.steps for node in traced.nodes)
    encoders = config.input.encoder or any(own.encoder for own in config.inputs.values())
    encoders = encoders or any(isinstance(node.neuron, Encode) for node in traced.nodes)
    if not relus or traced.streaming or most > 1 or encoders:
        del found["code"]
    trains = any(source.type.steps > 1 for source in traced.inputs)
    if most > 1 and not relus and not trains and not encoders and may_have_other_steps:
        found["steps"] = tuple(sorted({max(1, round(most * part)) for part in STEP_PARTS}))
    else:
        del found["steps"]
    return found


def _chosen(
    wishes: Wishes, possible: Mapping[str, Choices], kinds: Mapping[str, list[Part]]
) -> dict[str, Choices]:
    """The choices of every dial, by its name; a dial of a layer takes it from the shared one."""
    found: dict[str, Choices] = {}
    for kind, usual in possible.items():
        varied = kind in VARIED or kind == "steps"
        choices = wishes.choices.get(kind, usual if varied else ())
        own = {name: c for name, c in wishes.choices.items() if name.startswith(kind + SHARED)}
        if own or kind in wishes.per_layer:
            for part in kinds[kind]:
                name = f"{kind}{SHARED}{part.name}"
                if own.get(name, choices):
                    found[name] = own.get(name, choices)
        elif choices:
            found[kind] = choices
    return found


def _unknown(
    wishes: Wishes, possible: Mapping[str, Choices], kinds: Mapping[str, list[Part]]
) -> list[str]:
    problems = []
    for name in wishes.choices:
        kind, _, layer = name.partition(SHARED)
        if kind not in possible:
            problems.append(
                f"explore.{kind}: found a dial that this network has not, accepted "
                f"{', '.join(possible)}"
            )
        elif layer and layer not in [part.name for part in kinds[kind]]:
            names = ", ".join(part.name for part in kinds[kind])
            problems.append(f"explore.{layer}.{kind}: found no such layer, accepted {names}")
    return problems


def _problems(where: str, kind: str, values: Sequence[Any]) -> list[str]:
    """What the configuration would refuse; a code has words of its own."""
    problems = []
    for value in values:
        if kind == "code":
            name, _, steps = str(value).partition(" ")
            fits = value == "radix" or (name == "rate" and steps.isdecimal() and int(steps) > 0)
            if not fits:
                problems.append(f"{where}: found {value!r}, accepted radix, rate 4, rate 8, ...")
            continue
        section: dict[str, Any] = {kind: value}
        if kind in OF_PARTS:
            key = "bits" if kind == "input_bits" else kind
            section = {"input": {key: value}} if key == "bits" else {"default": {key: value}}
        elif kind == "weight_scale":
            section = {"default": section}
        try:
            parse_config(section, where)
        except BadInput as error:
            problems += [f"{where}: {problem.split(': ', 1)[1]}" for problem in error.problems]
    if not values:
        problems.append(f"{where}: found no choice, accepted one or more")
    return problems


def _plain(value: Any) -> Choice:
    named: dict[Any, Choice] = {"binary": 1, "ternary": 1.58}
    found: Choice = named.get(value, value) if isinstance(value, str) else value
    return found


def _nearest(value: Choice, choices: Choices) -> Choice:
    """The choice that is nearest to a number; the first one where it is none."""
    if isinstance(value, int | float) and all(isinstance(c, int | float) for c in choices):
        return min(choices, key=lambda choice: abs(float(choice or 0) - value))
    return choices[0]


def _names() -> str:
    return ", ".join(CHOICES)
