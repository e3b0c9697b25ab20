"""The names in a configuration: those of the nodes and inputs of a network."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from ..ir import BadInput, Graph
from .records import Config, MappingConfig


def default_config(names: Graph | Iterable[str], config: Config | None = None) -> dict[str, Any]:
    """The editable configuration as a dict, with an entry for every node.

    `names` are the nodes' names, or a graph: the simplified one of `lower.simplify`, whose nodes
    are those that lowering, mapping and Verilog will name.
    """
    config = config or Config()
    if isinstance(names, Graph):
        names = [node.name for node in names.nodes]
    editable = config_as_dict(config)
    names = list(names)
    editable["nodes"] = {name: asdict(config.node(name)) for name in names}
    editable["mapping"] = {
        name: asdict(config.mapping.get(name, MappingConfig())) for name in names
    }
    return editable


def config_as_dict(config: Config) -> dict[str, Any]:
    """The configuration as the dict that `parse_config` makes it of."""
    whole = asdict(config)
    whole["input"] |= whole.pop("inputs")
    whole["output"] |= whole.pop("outputs")
    return whole


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
        f"config.input.{name}: found no such input, accepted {nearest(name, known)}"
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
                    f"{nearest(name, accepted)}"
                )
    if problems:
        raise BadInput(problems)


def nearest(name: str, accepted: Iterable[str]) -> str:
    """The nearest accepted names, or all of them where none is near."""
    names = list(accepted)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"{', '.join(near or names)}" + (" (the nearest)" if near else "")
