"""A graph as one file: `.npz` with every array and, in `graph`, the rest as JSON.

Reading executes nothing. Equal graphs give equal bytes.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from . import graph as graphs
from . import neurons, ops, spikes
from .arrays import Array, frozen
from .errors import BadInput
from .graph import Graph

FORMAT = 1

RECORDS: dict[str, type[Any]] = {
    record.__name__: record
    for record in (
        *(graphs.Graph, graphs.Input, graphs.Node, graphs.Output, graphs.Synapse),
        *(graphs.Mapping, graphs.SynapseMapping, spikes.SpikeType, neurons.Dyadic),
        *neurons.Neuron.__args__,
        *ops.Op.__args__,
    )
}
ENUMS: dict[str, type[Enum]] = {
    kind.__name__: kind for kind in (graphs.Stage, graphs.Engine, graphs.Readout)
}


def save(graph: Graph, path: Path) -> None:
    """Writes `graph` to the file `path`."""
    arrays: dict[str, Array] = {}
    body = json.dumps({"format": FORMAT, "graph": _pack(graph, arrays)}, sort_keys=True)
    arrays["graph"] = np.frombuffer(body.encode(), np.uint8)
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load(path: Path) -> Graph:
    """The graph of a file that `save` wrote; BadInput where it is anything else."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            body = json.loads(arrays["graph"].tobytes().decode())
            if body["format"] != FORMAT:
                raise ValueError(f"format {body['format']}")
            graph = _unpack(body["graph"], arrays)
    except (OSError, KeyError, TypeError, ValueError, BadZipFile) as error:
        raise BadInput(
            f"{path}: found no graph of format {FORMAT} ({error}); compile the model again"
        ) from error
    if not isinstance(graph, Graph):
        raise BadInput(f"{path}: found {type(graph).__name__}, accepted a Graph")
    return graph


def _pack(value: Any, arrays: dict[str, Array]) -> Any:
    """JSON values stand for themselves; everything else is a dict with one telling key."""
    if isinstance(value, Enum):
        return {"enum": [type(value).__name__, value.value]}
    if is_dataclass(value):
        members = {
            item.name: _pack(getattr(value, item.name), arrays)
            for item in fields(value)
            if item.init
        }
        return {"record": type(value).__name__, "fields": members}
    if isinstance(value, np.ndarray):
        name = f"array{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, tuple):
        return {"tuple": [_pack(item, arrays) for item in value]}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"cannot store {type(value).__name__}")


def _unpack(value: Any, arrays: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "enum" in value:
        name, member = value["enum"]
        return ENUMS[name](member)
    if "record" in value:
        members = {name: _unpack(item, arrays) for name, item in value["fields"].items()}
        return RECORDS[value["record"]](**members)
    if "array" in value:
        array = arrays[value["array"]]
        return frozen(array, array.dtype)
    return tuple(_unpack(item, arrays) for item in value["tuple"])
