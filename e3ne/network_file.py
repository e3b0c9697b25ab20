"""A network in one file: a graph of stage FLOAT, its configuration, and where it comes from.

The file is safetensors. Each array of the graph is a tensor, named by its place
(`conv1/synapses/0/op/weight`); weights that lie on a grid of at most 8 bits are int8 with a scale
beside them (`.../weight.scale`, one or one an output channel) and come back as the same float32
numbers; the others are float32, or with `half` float16. The one entry of the metadata, `e3ne`, is
JSON: format, graph (`ir/tree.py`), config, info. Reading executes nothing from the file.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .config import Config, config_as_dict, parse_config
from .ir import Array, BadInput, Graph, Stage, UnsupportedModel, frozen, verify
from .ir.grids import grid_of, grids_of_channels
from .ir.tree import Fetch, from_tree, to_tree
from .ir.well_formed import misshapen

FORMAT = 1
SUFFIX = ".safetensors"
KEY = "e3ne"
LEVELS = (-128, 127)  # of int8
ACCEPTED = "accepted a network as e3ne.save_network writes it"


def is_network_file(model: Any) -> bool:
    """Does `model` name a file that may hold a network (a path with the suffix .safetensors)?"""
    return isinstance(model, str | Path) and Path(model).suffix == SUFFIX


def save_network(
    path: str | Path,
    graph: Graph,
    config: Config | None = None,
    info: Mapping[str, Any] | None = None,
    half: bool = False,
) -> None:
    """Writes a graph of stage FLOAT with its configuration to `path` (.safetensors), at once.

    `info` is anything that JSON holds by name: the command that trained it, seed, accuracies.
    `half` stores weights that lie on no grid as float16, which rounds them; everything else comes
    back bit for bit. Equal arguments give equal bytes. BadInput for other stages, and
    for an `info` that JSON does not hold.
    """
    from safetensors.numpy import save

    path = Path(path)
    if graph.stage is not Stage.FLOAT:
        raise BadInput(
            f"{path}: found a graph of stage {graph.stage.value}, accepted float; save the graph "
            "that was traced or trained"
        )
    tensors = _Tensors(half)
    tree = to_tree(verify(graph), tensors.store)
    content = {"format": FORMAT, "graph": tree, "config": config_as_dict(config or Config())}
    try:
        text = json.dumps({**content, "info": dict(info or {})}, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadInput(
            f"{path}: found an info that JSON does not hold ({error}), accepted text, numbers, "
            "lists and dicts of them"
        ) from error
    _write(path, save(tensors.by_name, {KEY: text}))


def load_network(path: str | Path) -> tuple[Graph, Config, dict[str, Any]]:
    """(graph of stage FLOAT, configuration, info) of a file of `save_network`.

    BadInput where there is no such file, or it is damaged, holds something else, or was written by
    a later e3ne.
    """
    path = Path(path)
    tensors, content = _read(path)
    if content.get("format") != FORMAT:
        raise BadInput(
            f"{path}: found format {content.get('format')!r:.40}, accepted {FORMAT}; read it with "
            "the version of e3ne that wrote it"
        )
    try:
        graph = from_tree(content["graph"], _fetcher(tensors))
        if not isinstance(graph, Graph) or graph.stage is not Stage.FLOAT:
            raise ValueError("no graph of stage float")
        problems = misshapen(graph)
        if not problems:
            verify(graph)
    except UnsupportedModel as error:
        problems = list(error.problems)
    except (ValueError, LookupError, TypeError, ArithmeticError, RecursionError) as error:
        raise BadInput(f"{path}: found a damaged graph ({error!r:.200}), {ACCEPTED}") from error
    if problems:
        raise BadInput([f"{path}: {problem}" for problem in problems])
    info = content.get("info")
    if not isinstance(info, dict):
        raise BadInput(f"{path}: found info {info!r:.40}, {ACCEPTED}")
    return graph, parse_config(content.get("config"), f"{path}: config"), info


class _Tensors:
    """The tensors of a file by name; an array that a graph holds twice is one of them."""

    def __init__(self, half: bool) -> None:
        self.half = half
        self.by_name: dict[str, Array] = {}
        self._leaves: dict[int, dict[str, Any]] = {}

    def store(self, where: str, array: Array) -> dict[str, Any]:
        """Adds an array of float32; the leaf that stands for it in the tree."""
        if id(array) in self._leaves:
            return self._leaves[id(array)]
        name = where
        while {name, f"{name}.scale"} & set(self.by_name):
            name += "_"
        leaf = self._leaves[id(array)] = {"array": name}
        found = _on_grid(array)
        if found is not None:
            leaf["scale"] = f"{name}.scale"
            self.by_name[name], self.by_name[leaf["scale"]] = found
        elif self.half and array.ndim > 1 and np.abs(array).max() < np.finfo(np.float16).max:
            self.by_name[name] = array.astype(np.float16)
        else:
            self.by_name[name] = array
        return leaf


def _on_grid(array: Array) -> tuple[Array, Array] | None:
    """(int8, scale () or (outputs,)) of weights on a grid; None for other arrays."""
    if array.ndim < 2 or not array.size:
        return None
    found: Any = grid_of(array) or grids_of_channels(array)
    if found is None or found[0].min() < LEVELS[0] or found[0].max() > LEVELS[1]:
        return None
    exact = np.asarray(found[1], np.float64)
    narrow = exact.astype(np.float32)
    scale: Array = narrow if (narrow == exact).all() else exact
    return (found[0].astype(np.int8), scale) if array.size + scale.nbytes < array.nbytes else None


def _fetcher(tensors: dict[str, Array]) -> Fetch:
    """Leaves to arrays, each tensor made into an array once."""
    arrays: dict[str, Array] = {}

    def fetch(leaf: dict[str, Any]) -> Array:
        name = leaf["array"]
        if name not in arrays:
            arrays[name] = _fetch(tensors, leaf)
        return arrays[name]

    return fetch


def _fetch(tensors: dict[str, Array], leaf: dict[str, Any]) -> Array:
    """The float32 array of a leaf; ValueError or LookupError where its tensors do not fit."""
    array = tensors[leaf["array"]]
    if "scale" not in leaf:
        if array.dtype not in (np.float32, np.float16):
            raise ValueError(f"{leaf['array']} of {array.dtype}")
        return frozen(array, np.float32)
    scale = tensors[leaf["scale"]]
    if array.dtype != np.int8 or scale.dtype not in (np.float32, np.float64):
        raise ValueError(f"{leaf['array']} of {array.dtype} with a scale of {scale.dtype}")
    if scale.shape not in ((), array.shape[:1]):
        raise ValueError(f"{leaf['array']} of {array.shape} with scales of {scale.shape}")
    by_channel = scale.astype(np.float64).reshape(-1, *(1,) * (array.ndim - 1))
    return frozen((array * by_channel).astype(np.float32), np.float32)


def _read(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """The tensors and the JSON of a file; BadInput where it has none."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise BadInput(f"{path}: found no such file, {ACCEPTED}")
    try:
        with safe_open(path, framework="np") as stored:
            metadata = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (no dict)
    except (OSError, SafetensorError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise BadInput(
            f"{path}: found a damaged file ({error!s:.200}), {ACCEPTED}; save or copy it again"
        ) from error
    if KEY not in metadata:
        raise BadInput(
            f"{path}: found a file of weights alone, {ACCEPTED}; give file.py:factory, the "
            "function that makes the model, and this file as weights"
        )
    try:
        content = json.loads(metadata[KEY], parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: found damaged metadata ({error!s:.200}), {ACCEPTED}") from error
    if not isinstance(content, dict):
        raise BadInput(f"{path}: found no network in the metadata, {ACCEPTED}")
    return tensors, content


def _no_number(name: str) -> float:
    raise ValueError(f"{name}, which is no number")


def _write(path: Path, content: bytes) -> None:
    """Puts a whole file in the place of `path`, or leaves what is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}.partial-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(partial, 0o666 & ~mask)
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
