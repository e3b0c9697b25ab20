"""A graph on disk without loss and without pickle: `graph.json` (structure), `graph.npz` (arrays).

Integer arrays are stored in the narrowest dtype that holds them and come back as int64.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from .. import ir
from ..ir import Array, BadInput, Graph

RECORDS = {
    kind.__name__: kind
    for kind in (
        *(ir.Graph, ir.Input, ir.Node, ir.Output, ir.Synapse, ir.Mapping, ir.SynapseMapping),
        *(ir.SpikeType, ir.Dyadic, ir.Linear, ir.Conv2d, ir.ChannelAffine, ir.MaxPool2d),
        *(ir.SumPool2d, ir.Upsample2d, ir.Identity, ir.Flatten, ir.Relay, ir.Rectify),
        *(ir.Requantize, ir.IntegrateFire, ir.Integrate),
    )
}
ENUMS = {kind.__name__: kind for kind in (ir.Stage, ir.Engine, ir.Readout)}
INTEGERS = (np.int8, np.int16, np.int32, np.int64)


def save_graph(folder: Path, graph: Graph) -> None:
    """Writes `graph.json` and `graph.npz` into `folder`, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: list[Array] = []
    tree = _to_tree(graph, arrays)
    (folder / "graph.json").write_text(json.dumps(tree, indent=1) + "\n")
    named: dict[str, Any] = {f"array_{k}": array for k, array in enumerate(arrays)}
    np.savez(folder / "graph.npz", **named)


def load_graph(folder: Path) -> Graph:
    """The graph that `save_graph` wrote into `folder`; BadInput where there is no whole one."""
    try:
        tree = json.loads((folder / "graph.json").read_text())
        with np.load(folder / "graph.npz", allow_pickle=False) as stored:
            arrays = [stored[f"array_{k}"] for k in range(len(stored.files))]
        graph = _from_tree(tree, arrays)
    except (OSError, ValueError, LookupError, TypeError, BadZipFile) as error:
        raise BadInput(
            f"{folder}: found no readable graph ({error}), accepted graph.json and graph.npz as "
            "e3ne writes them; compile again"
        ) from error
    if not isinstance(graph, Graph):
        raise BadInput(f"{folder}: found no graph in graph.json; compile again")
    return graph


def _to_tree(value: Any, arrays: list[Array]) -> Any:
    if isinstance(value, np.ndarray):
        arrays.append(_narrowest(value))
        return {"array": len(arrays) - 1, "dtype": value.dtype.name}
    if isinstance(value, Enum):
        return {"enum": type(value).__name__, "value": value.value}
    if isinstance(value, tuple):
        return {"tuple": [_to_tree(item, arrays) for item in value]}
    if is_dataclass(value):
        content = {
            item.name: _to_tree(getattr(value, item.name), arrays)
            for item in fields(value)
            if item.init
        }
        return {"record": type(value).__name__, **content}
    if isinstance(value, np.integer | np.floating):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a graph does not hold {type(value).__name__}")


def _from_tree(tree: Any, arrays: list[Array]) -> Any:
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        return ir.frozen(arrays[tree["array"]], tree["dtype"])
    if "enum" in tree:
        return ENUMS[tree["enum"]](tree["value"])
    if "tuple" in tree:
        return tuple(_from_tree(item, arrays) for item in tree["tuple"])
    content = {key: _from_tree(item, arrays) for key, item in tree.items() if key != "record"}
    return RECORDS[tree["record"]](**content)


def _narrowest(array: Array) -> Array:
    if array.dtype != np.int64 or not array.size:
        return array
    low, high = array.min(), array.max()
    fits = (kind for kind in INTEGERS if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    return array.astype(next(fits))
