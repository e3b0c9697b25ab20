"""A graph as a tree of plain values, which JSON can hold, and arrays beside it.

Whoever writes a file decides how an array is stored: `to_tree` hands each array over and keeps
what comes back in its place, `from_tree` asks for it again. A tree from a file may hold anything:
it makes the records of a graph alone, and each field has the type that its record says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from .arrays import Array
from .graph import (
    Engine,
    Graph,
    Input,
    Mapping,
    Node,
    Output,
    OutputWords,
    Readout,
    Stage,
    Storage,
    Synapse,
    SynapseMapping,
)
from .neurons import Dyadic, Neuron
from .ops import Op
from .spikes import SpikeType

RECORDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *(Graph, Input, Node, Output, Synapse, Mapping, SynapseMapping, SpikeType, Dyadic),
        *get_args(Op),
        *get_args(Neuron),
    )
}
ENUMS: dict[str, Any] = {
    kind.__name__: kind for kind in (Stage, Engine, Storage, Readout, OutputWords)
}

Store = Callable[[str, Array], dict[str, Any]]
"""(where in the graph, array) to the leaf that stands for it: a dict with the key "array"."""
Fetch = Callable[[dict[str, Any]], Array]
"""A leaf to its array, read-only; ValueError or LookupError where there is none."""


def to_tree(value: Any, store: Store, where: str = "") -> Any:
    """`value` (a graph or a part of one) as dicts, lists, numbers, text and leaves of arrays.

    `where` grows by names of fields, of nodes and inputs, and by indices: conv1/synapses/0/op/bias.
    TypeError where a graph holds no such thing.
    """
    if isinstance(value, np.ndarray):
        return store(where, value)
    if isinstance(value, Enum):
        return {"enum": type(value).__name__, "value": value.value}
    if isinstance(value, tuple):
        return {
            "tuple": [
                to_tree(item, store, _joined(where, getattr(item, "name", str(index))))
                for index, item in enumerate(value)
            ]
        }
    if is_dataclass(value):
        names = [item.name for item in fields(value) if item.init]
        places = {name: "" if isinstance(value, Graph) else _joined(where, name) for name in names}
        content = {name: to_tree(getattr(value, name), store, places[name]) for name in names}
        return {"record": type(value).__name__, **content}
    if isinstance(value, np.integer | np.floating):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a graph does not hold {type(value).__name__}")


def from_tree(tree: Any, fetch: Fetch) -> Any:
    """What `to_tree` made a tree of.

    ValueError, TypeError or LookupError where the tree holds something else: unknown records or
    fields, values of other types than their field's. Whether a graph is legal, `verify` says.
    """
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        return fetch(tree)
    if "enum" in tree:
        return ENUMS[tree["enum"]](tree["value"])
    if "tuple" in tree:
        return tuple(from_tree(item, fetch) for item in tree["tuple"])
    content = {key: from_tree(item, fetch) for key, item in tree.items() if key != "record"}
    kind = RECORDS[tree["record"]]
    for name, value in content.items():
        if name in _types(kind) and not _fits(value, _types(kind)[name]):
            raise ValueError(f"found {value!r:.60} as {kind.__name__}.{name}")
    return kind(**content)


def _joined(where: str, name: str) -> str:
    return f"{where}/{name}" if where else name


@cache
def _types(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _fits(value: Any, hint: Any) -> bool:
    """Does `value` have the type that an annotation of a record says?"""
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inside)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in inside)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        hints = inside[:1] * len(value) if inside[-1] is Ellipsis else inside
        return len(hints) == len(value) and all(map(_fits, value, hints))
    if hint in (int, float):
        kinds = (int, float) if hint is float else (int,)
        return isinstance(value, kinds) and not isinstance(value, bool)
    kind = {None: NoneType}.get(hint, origin or hint)
    return isinstance(value, kind)
