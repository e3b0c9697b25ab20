from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from e3ne.ir import (
    BadInput,
    Conv2d,
    Dyadic,
    Graph,
    Input,
    IntegrateFire,
    Linear,
    Mapping,
    Node,
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    SynapseMapping,
    frozen,
    text,
)
from e3ne.ir.store import load, save


def example() -> Graph:
    generator = np.random.default_rng(5)
    kernel = frozen(generator.integers(-4, 4, (3, 1, 3, 3)), np.int64)
    weight = frozen(generator.integers(-4, 4, (2, 12)), np.int64)
    fire = IntegrateFire(
        threshold=frozen([5, 6, 7], np.int64), decay=Dyadic(15, 4), membrane_bits=9, floor=-20
    )
    mapping = Mapping(synapses=(SynapseMapping(2, 1),), queue_words=4)
    return Graph(
        Stage.MAPPED,
        (Input("x", SpikeType((1, 4, 4), 3, 1), 0.5),),
        (
            Node("a.0", (Synapse(Conv2d(kernel), "x"),), fire, SpikeType((3, 2, 2), 3, 1), mapping),
            Node("b", (Synapse(Linear(weight), "a.0"),), Relay(), SpikeType((2,), 3, 9, True)),
        ),
        (Output("b", Readout.LAST),),
        steps_in_window=3,
    )


def test_graph_survives_the_file(tmp_path: Path) -> None:
    path = tmp_path / "graph.npz"
    save(example(), path)
    again = load(path)
    assert text(again) == text(example())
    assert again.node("a.0").mapping == example().node("a.0").mapping
    synapse = again.node("a.0").synapses[0]
    assert isinstance(synapse.op, Conv2d)
    assert not synapse.op.weight.flags.writeable


def test_equal_graphs_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save(example(), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "graph.npz"
    path.write_bytes(b"not a zip file")
    with pytest.raises(BadInput, match="found no graph of format 1"):
        load(path)
    with pytest.raises(BadInput, match="compile the model again"):
        load(tmp_path / "missing.npz")
    np.savez(path, x=np.zeros(3))
    with pytest.raises(BadInput, match="found no graph of format 1"):
        load(path)


def test_pickles_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "graph.npz"
    np.savez(path, graph=np.array([{"a": 1}], dtype=object))
    with pytest.raises(BadInput, match="found no graph"):
        load(path)


def test_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "graph.npz"
    save(example(), path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(BadInput, match="compile the model again"):
        load(path)


def test_stage_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "graph.npz"
    save(replace(example(), stage=Stage.INTEGER), path)
    assert load(path).stage is Stage.INTEGER
