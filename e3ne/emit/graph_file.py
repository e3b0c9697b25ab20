"""A graph on disk without loss and without pickle: `graph.json` (structure), `graph.npz` (arrays).

Integer arrays are stored in the narrowest dtype that holds them and come back as int64.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from ..ir import Array, BadInput, Graph, frozen
from ..ir.tree import from_tree, to_tree

INTEGERS = (np.int8, np.int16, np.int32, np.int64)


def save_graph(folder: Path, graph: Graph) -> None:
    """Writes `graph.json` and `graph.npz` into `folder`, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: list[Array] = []

    def store(where: str, array: Array) -> dict[str, Any]:
        arrays.append(_narrowest(array))
        return {"array": len(arrays) - 1, "dtype": array.dtype.name}

    tree = to_tree(graph, store)
    (folder / "graph.json").write_text(json.dumps(tree, indent=1) + "\n")
    named: dict[str, Any] = {f"array_{k}": array for k, array in enumerate(arrays)}
    np.savez(folder / "graph.npz", **named)


def load_graph(folder: Path) -> Graph:
    """The graph that `save_graph` wrote into `folder`; BadInput where there is no whole one."""
    try:
        tree = json.loads((folder / "graph.json").read_text())
        with np.load(folder / "graph.npz", allow_pickle=False) as stored:
            arrays = [stored[f"array_{k}"] for k in range(len(stored.files))]
        graph = from_tree(tree, lambda leaf: frozen(arrays[leaf["array"]], leaf["dtype"]))
    except (OSError, ValueError, LookupError, TypeError, BadZipFile) as error:
        raise BadInput(
            f"{folder}: found no readable graph ({error}), accepted graph.json and graph.npz as "
            "e3ne writes them; compile again"
        ) from error
    if not isinstance(graph, Graph):
        raise BadInput(f"{folder}: found no graph in graph.json; compile again")
    return graph


def _narrowest(array: Array) -> Array:
    if array.dtype != np.int64 or not array.size:
        return array
    low, high = array.min(), array.max()
    fits = (kind for kind in INTEGERS if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    return array.astype(next(fits))
