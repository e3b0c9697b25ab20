"""A graph survives the disk without loss, and nothing else is taken for one."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e3ne.emit import load_graph, save_graph
from e3ne.ir import (
    BadInput,
    Engine,
    Graph,
    Neuron,
    Op,
    OutputWords,
    Readout,
    Stage,
    Storage,
    neurons,
    text,
)
from e3ne.ir.tree import ENUMS, RECORDS
from tests.small_networks import convolution, spiking
from tests.strategies import mapped_graphs


def same(a: Any, b: Any) -> bool:
    """Equal in every field, dtype and element."""
    if isinstance(a, np.ndarray):
        return bool(a.dtype == b.dtype and np.array_equal(a, b) and not b.flags.writeable)
    if is_dataclass(a) and not isinstance(a, type):
        names = [item.name for item in fields(a) if item.init]
        return type(a) is type(b) and all(same(getattr(a, n), getattr(b, n)) for n in names)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_graphs_come_back_equal(data: st.DataObject) -> None:
    graph = data.draw(mapped_graphs())
    with TemporaryDirectory() as folder:
        save_graph(Path(folder, "deep", "er"), graph)
        found = load_graph(Path(folder, "deep", "er"))
    assert same(graph, found)
    assert text(graph) == text(found)


def test_equal_graphs_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_graph(tmp_path / name, spiking())
    for file in ("graph.json", "graph.npz"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_every_kind_of_record_is_known() -> None:
    kinds = (*Op.__args__, *Neuron.__args__, neurons.Dyadic, Graph)
    assert {kind.__name__ for kind in kinds} <= set(RECORDS)
    assert set(ENUMS.values()) == {Stage, Engine, Storage, Readout, OutputWords}


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "graph.json").unlink(),
        lambda folder: (folder / "graph.npz").unlink(),
        lambda folder: (folder / "graph.json").write_text("{"),
        lambda folder: (folder / "graph.npz").write_bytes(b"PK\x03\x04 cut"),
        lambda folder: (folder / "graph.json").write_text('{"record": "Popen", "args": "ls"}'),
        lambda folder: (folder / "graph.json").write_text('{"record": "Identity"}'),
        lambda folder: (folder / "graph.json").write_text("[1, 2]"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, damage: Any) -> None:
    save_graph(tmp_path, convolution())
    damage(tmp_path)
    with pytest.raises(BadInput, match="compile again"):
        load_graph(tmp_path)


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    save_graph(tmp_path, convolution())
    with np.load(tmp_path / "graph.npz") as stored:
        names = stored.files
    objects: dict[str, Any] = {name: np.array([object()], dtype=object) for name in names}
    np.savez(tmp_path / "graph.npz", **objects)
    with pytest.raises(BadInput, match="found no readable graph"):
        load_graph(tmp_path)


def test_the_structure_is_readable_json(tmp_path: Path) -> None:
    save_graph(tmp_path, convolution())
    tree = json.loads((tmp_path / "graph.json").read_text())
    assert tree["record"] == "Graph"
    assert tree["stage"] == {"enum": "Stage", "value": "mapped"}
