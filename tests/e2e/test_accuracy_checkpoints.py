"""Every committed checkpoint of benchmarks/accuracy answers as recorded, on its first samples."""

from __future__ import annotations

import json

import pytest

from benchmarks.accuracy.evaluate import answers, correct
from benchmarks.accuracy.networks import load_network_of
from benchmarks.accuracy.results import CHECKPOINTS, checkpoint_of, read_result
from benchmarks.accuracy.rows import ROWS, row_of
from e3ne.lower import lower
from e3ne.network_file import load_network
from e3ne.training.datasets import MissingData

COMMITTED = [name for name in ROWS if checkpoint_of(name).is_file()]
LARGEST_BYTES = 1 << 20


@pytest.mark.parametrize("name", COMMITTED)
def test_a_checkpoint_is_as_good_as_recorded(name: str) -> None:
    result = read_result(name)
    assert result, f"benchmarks/accuracy/measured has no {name}.json; run make accuracy"
    network = load_network_of(row_of(name).network)
    try:
        split = network.split()
    except MissingData as error:
        pytest.skip(f"{error} (E3NE_DATA)")
    graph, config, info = load_network(checkpoint_of(name))
    integer = lower(graph, network.calibration(split), config)
    samples = result["subset"]["samples"]
    found = answers(integer, split.test_x[:samples])
    assert correct(found.classes, split.test_y[:samples]) == result["subset"]["correct"]
    assert info["command"] == result["checkpoint"]["command"]


@pytest.mark.parametrize("name", COMMITTED)
def test_a_row_reaches_what_it_must(name: str) -> None:
    row, result = row_of(name), read_result(name)
    if row.must_reach is not None:
        assert result["checkpoint"][row.figure] >= row.must_reach


def test_committed_files_are_small_and_belong_to_a_row() -> None:
    names = {*ROWS, *(f"{row.network}_float" for row in ROWS.values())}
    for path in sorted(CHECKPOINTS.glob("*")):
        assert path.stem in names
        assert path.stat().st_size < LARGEST_BYTES, path.name
    for path in sorted((CHECKPOINTS.parent / "measured").glob("*.json")):
        assert path.stem in names
        json.loads(path.read_text(encoding="utf-8"))
