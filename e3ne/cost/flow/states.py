"""The state of a network of models: equal states go on equally, for ever.

What a model changes is a number, a list or another model; what it never changes is a tuple.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Any

from .network import FlowNetwork

RECORDS = ("cycle", "cycles", "firsts")
"""What `Frames` and `Sink` note about a run, on which nothing depends."""

Cell = tuple[dict[str, Any], str]


def state_cells(network: FlowNetwork) -> list[Cell]:
    """Where all models of a network keep what they change: (attributes, name)."""
    seen: set[int] = set()
    return list(_cells([*network.parts, *network.delays.values()], seen))


def read_state(cells: Iterable[Cell]) -> Hashable:
    """What the cells hold now."""
    return tuple(_frozen(attributes[name]) for attributes, name in cells)


def _cells(models: Iterable[Any], seen: set[int]) -> Iterator[Cell]:
    for model in models:
        if id(model) in seen:
            continue
        seen.add(id(model))
        for name, value in vars(model).items():
            inside = value if isinstance(value, list) else [value]
            if any(_is_model(item) for item in inside):
                yield from _cells(inside, seen)
            elif name not in RECORDS and (value is None or isinstance(value, int | list)):
                yield vars(model), name


def _is_model(value: Any) -> bool:
    return type(value).__module__.startswith(__package__)


def _frozen(value: Any) -> Hashable:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
