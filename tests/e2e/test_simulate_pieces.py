"""`e3ne simulate --jobs` and `--scheduler`: pieces of a simulation give what one run gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import e3ne
from e3ne.check import Cycles, simulate
from e3ne.check.pieces import pieces_of
from e3ne.cli.commands import main
from e3ne.emit import Build, load_build
from e3ne.hardware import Hardware
from e3ne.ir import BadInput
from tests.unit.explore_cases import cluster_here, labelled, relu_network

FRAMES = 60


@pytest.fixture(scope="module")
def hardware(tmp_path_factory: pytest.TempPathFactory) -> Hardware:
    x, _ = labelled()
    folder = tmp_path_factory.mktemp("pieces") / "build"
    config = {"target": "area", "utilisation": 0.3}
    return e3ne.compile(relu_network(), calibration=x, config=config, output=folder)


def integers() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 16, (FRAMES, 1, 6))


def test_pieces_cover_all_frames_once(hardware: Hardware) -> None:
    for frames, jobs in ((1, 4), (7, 3), (60, 1), (60, 7), (5000, 2)):
        pieces = pieces_of(hardware.graph, frames, 0, jobs)
        own = [frame for piece in pieces for frame in range(piece.start, piece.stop)]
        assert own == list(range(frames))
        assert all(0 <= piece.before <= piece.start for piece in pieces)
        assert pieces[0].before == 0


def test_jobs_change_nothing(hardware: Hardware) -> None:
    one = simulate(hardware.build, integers(), np.zeros(FRAMES, int), jobs=1)
    assert one.equal
    for jobs in (2, 5, 60):
        several = simulate(hardware.build, integers(), np.zeros(FRAMES, int), jobs=jobs)
        assert replace(several, wall_s={}, classes=one.classes) == replace(one, wall_s={})
        assert np.array_equal(several.classes, one.classes)


def test_a_cluster_changes_nothing_either(
    hardware: Hardware, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    one = simulate(hardware.build, integers(), jobs=1)
    told: list[int] = []
    with cluster_here(workers=2) as address:
        far = simulate(
            hardware.build,
            integers(),
            scheduler=address,
            progress=lambda done, total: told.append(done),
        )
    assert replace(far, wall_s={}, classes=one.classes) == replace(one, wall_s={})
    assert np.array_equal(far.classes, one.classes)
    assert told[-1] == FRAMES
    (kept,) = (tmp_path / "e3ne" / "simulations").glob("*[!.lock]")  # one for both workers
    assert load_build(kept).manifest == hardware.build.manifest


def test_a_wrong_graph_is_found_in_every_piece(hardware: Hardware) -> None:
    """The broken twin: a reference of other weights, the same differences in one run as in many."""
    graph = hardware.graph
    node = graph.nodes[0]
    op = node.synapses[0].op
    bias = op.bias + 40  # type: ignore[union-attr, operator]
    bias.setflags(write=False)
    synapse = replace(node.synapses[0], op=replace(op, bias=bias))  # type: ignore[type-var, call-arg]
    wrong = graph.with_nodes([replace(node, synapses=(synapse,)), *graph.nodes[1:]])
    build = Build(hardware.folder, wrong, hardware.build.manifest)
    one = simulate(build, integers(), jobs=1)
    several = simulate(build, integers(), jobs=4)
    assert not one.equal
    assert several.mismatches == one.mismatches
    assert several.differences == one.differences
    assert isinstance(several.cycles, Cycles)


def test_streaming_networks_run_in_one(hardware: Hardware) -> None:
    streaming = replace(hardware.graph, streaming=True)
    build = Build(hardware.folder, streaming, hardware.build.manifest)
    with pytest.raises(BadInput, match="--jobs: found a streaming network"):
        simulate(build, integers(), jobs=2)
    with pytest.raises(BadInput, match="--scheduler: found a streaming network"):
        simulate(build, integers(), scheduler="tcp://127.0.0.1:1")


def test_only_verilator_runs_on_a_cluster(hardware: Hardware) -> None:
    with pytest.raises(BadInput, match="found simulator icarus, accepted verilator"):
        simulate(hardware.build, integers(), simulator="icarus", scheduler="tcp://127.0.0.1:1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"simulator": "icarus", "jobs": 2}, "--jobs: found simulator icarus, accepted verilator"),
        ({"simulator": "reference", "jobs": 2}, "--jobs: found simulator reference"),
        (
            {"jobs": 2, "scheduler": "tcp://127.0.0.1:1"},
            "--jobs: found --scheduler beside it, accepted one of them",
        ),
    ],
)
def test_jobs_that_nothing_would_run(
    options: dict[str, Any], message: str, hardware: Hardware
) -> None:
    with pytest.raises(BadInput, match=message):
        simulate(hardware.build, integers(), **options)


def test_the_command(hardware: Hardware, tmp_path: Path) -> None:
    x, y = labelled(30)
    np.savez(tmp_path / "test.npz", x=x, y=y)
    arguments = ["simulate", str(hardware.folder), "--data", str(tmp_path / "test.npz")]
    found = CliRunner().invoke(main, [*arguments, "--jobs", "3"])
    assert found.exit_code == 0, found.output
    assert "0 mismatches" in found.output
    found = CliRunner().invoke(main, [*arguments, "--scheduler", "here"])
    assert found.exit_code == 1
    assert "accepted an address like tcp://host:8786" in found.output
