"""What may vary: dials, each with the choices that are legal for the network at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..config import Config
from ..lower.sensitivity import Part, bits_of, with_bits

Choice = str | int | float | None
Choices = tuple[Choice, ...]
Values = dict[str, Choice]
"""A choice for every dial, by its name."""

SHARED = "/"
"""Separates a kind of dial from the node or input that it is for: `weight_bits/conv1`."""

OF_PARTS = {"weight_bits": "weight", "edge_bits": "edge", "input_bits": "input"}


@dataclass(frozen=True)
class Dial:
    """One thing that may vary. `start` is one of `choices`, the nearest to the user's own."""

    name: str
    choices: Choices
    start: Choice

    @property
    def kind(self) -> str:
        """`weight_bits` of `weight_bits/conv1`."""
        return self.name.split(SHARED)[0]


@dataclass(frozen=True)
class Space:
    """The dials of a network, the configuration they turn, and the parts that have bits."""

    dials: tuple[Dial, ...]
    base: Config
    parts: tuple[Part, ...]

    @property
    def size(self) -> int:
        """How many combinations of choices there are."""
        total = 1
        for dial in self.dials:
            total *= len(dial.choices)
        return total

    def config(self, values: Mapping[str, Choice]) -> Config:
        """The configuration of a choice for every dial.

        What does not matter is as in the base (edge bits under a rate code), so that equal
        networks have equal configurations.
        """
        config = self.base
        code = values.get("code")
        if code is not None:
            name, _, steps = str(code).partition(" ")
            config = replace(config, code=name, steps=int(steps) if steps else self.base.steps)  # type: ignore[arg-type]
        for dial in self.dials:
            if dial.kind in OF_PARTS:
                if not (dial.kind == "edge_bits" and config.code == "rate"):
                    config = self._with_bits(config, dial.name, values[dial.name])
            elif dial.name != "code":
                config = with_setting(config, dial.name, values[dial.name])
        return config

    def starts(self) -> list[Values]:
        """Where to begin: the user's own configuration, then the corners of the space."""
        own = {dial.name: dial.start for dial in self.dials}
        found = [own]
        for place in (0, -1):
            bits = {d.name: d.choices[place] for d in self.dials if d.kind in OF_PARTS}
            found.append(own | bits)
        for kind in ("utilisation", "target", "code", "steps"):
            for dial in self.dials:
                if dial.kind == kind:
                    few = (dial.choices[0], dial.choices[-1]) if len(dial.choices) > 4 else None
                    found += [own | {dial.name: choice} for choice in few or dial.choices]
        unique: list[Values] = []
        for values in found:
            if values not in unique:
                unique.append(values)
        return unique

    def _with_bits(self, config: Config, name: str, bits: Choice) -> Config:
        assert isinstance(bits, int | float)
        kind, _, only = name.partition(SHARED)
        for part in self.parts:
            if part.kind == OF_PARTS[kind] and only in ("", part.name):
                config = with_bits(config, part, bits)
        return config

    def figures(self) -> dict[str, Any]:
        """The dials as plain values."""
        return {dial.name: list(dial.choices) for dial in self.dials}


def with_setting(config: Config, name: str, value: Any) -> Config:
    """The configuration with one setting of the network, or of all nodes alike."""
    if name in NODE_SETTINGS:
        default = replace(config.default, **{name: value})
        nodes = {key: replace(node, **{name: value}) for key, node in config.nodes.items()}
        return replace(config, default=default, nodes=nodes)
    return replace(config, **{name: value})


NODE_SETTINGS = ("weight_scale", "per_channel", "fit_threshold")


def setting_of(config: Config, name: str, parts: Sequence[Part]) -> Choice:
    """What a configuration that is written out has for a dial."""
    kind, _, only = name.partition(SHARED)
    if kind in OF_PARTS:
        own = [p for p in parts if p.kind == OF_PARTS[kind] and only in ("", p.name)]
        return max(bits_of(config, part) for part in own)
    if name == "code":
        return "radix" if config.code == "radix" else f"rate {config.steps}"
    value: Choice = getattr(config.default if name in NODE_SETTINGS else config, name)
    return value
