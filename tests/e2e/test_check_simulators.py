"""The emitted hardware equals the reference, word by word, in every simulator; a broken one not."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from e3ne import check
from e3ne.check.compare import compare
from e3ne.check.runs import RunOptions, build_simulator, run_beats, run_icarus
from e3ne.emit import Build
from e3ne.ir import BadInput, Mismatch
from e3ne.ir.frames import to_beats
from e3ne.reference import run as reference_run
from e3ne.toolchain import yosys
from tests.random_frames import frames_of
from tests.small_networks import built, convolution, feedback, spiking, wide

NETWORKS = {"convolution": convolution, "wide": wide, "spiking": spiking, "feedback": feedback}


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Build]:
    folder = tmp_path_factory.mktemp("a folder with spaces")
    return {name: built(folder / name, make()) for name, make in NETWORKS.items()}


def broken_copy(build: Build, folder: Path) -> Build:
    shutil.copytree(build.folder, folder)
    return Build(folder, build.graph, build.manifest)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("stalls", [0, 3])
def test_verilator_equals_the_reference(builds: dict[str, Build], name: str, stalls: int) -> None:
    build = builds[name]
    x = frames_of(build.graph, 101)
    result = check.simulate(build, x, stalls=stalls)
    result.raise_for_mismatch()
    assert result.equal
    assert (result.frames, result.mismatches) == (101, 0)
    assert result.nodes_checked == len(build.graph.nodes)
    assert result.cycles is not None
    assert 0 < result.cycles.latency_min <= result.cycles.latency_mean <= result.cycles.latency_max
    assert result.cycles.interval_mean > 0


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("simulator", ["icarus", "amaranth"])
def test_slow_simulators_equal_the_reference(
    builds: dict[str, Build], name: str, simulator: check.Simulator
) -> None:
    build = builds[name]
    x = frames_of(build.graph, 3)
    result = check.simulate(build, x, frames=3, simulator=simulator, stalls=2)
    assert [str(difference) for difference in result.differences] == []
    assert result.equal
    assert result.frames == 3


def test_all_simulators_agree_on_cycles(builds: dict[str, Build]) -> None:
    x = frames_of(builds["spiking"].graph, 2)
    results = [
        check.simulate(builds["spiking"], x, simulator=simulator, jobs=1).cycles
        for simulator in ("verilator", "icarus", "amaranth")
    ]
    assert results[0] == results[1] == results[2]


def test_labels_give_accuracies(builds: dict[str, Build]) -> None:
    build = builds["convolution"]
    x = frames_of(build.graph, 8)
    classes = check.simulate(build, x, simulator="reference").classes
    labels = classes.copy()
    labels[:2] = (labels[:2] + 1) % 5
    result = check.simulate(build, x, labels)
    assert result.reference_accuracy == result.rtl_accuracy == 75.0
    assert np.array_equal(result.classes, classes)
    only = check.simulate(build, x, labels, simulator="reference")
    assert (only.reference_accuracy, only.rtl_accuracy, only.cycles) == (75.0, None, None)


@pytest.mark.parametrize(("rom", "node"), [("features.0", "features.0"), ("head", "head")])
def test_one_flipped_rom_digit_is_found_at_its_node(
    builds: dict[str, Build], tmp_path: Path, rom: str, node: str
) -> None:
    build = broken_copy(builds["convolution"], tmp_path / "broken")
    path = next((build.folder / "rom").glob(f"{rom}*.hex"))
    lines = path.read_text().splitlines()
    lines[0] = lines[0][:-1] + f"{int(lines[0][-1], 16) ^ 3:x}"
    path.write_text("\n".join(lines) + "\n")
    result = check.simulate(build, frames_of(build.graph, 40))
    assert not result.equal
    assert result.mismatches > 0
    assert result.differences[0].node == node
    with pytest.raises(Mismatch, match=rf"{re.escape(node)}: frame \d+, step 0, index \([\d, ]+\)"):
        result.raise_for_mismatch()


def test_a_mismatch_names_expected_and_got(builds: dict[str, Build]) -> None:
    build = builds["spiking"]
    x = frames_of(build.graph, 6)
    executable = build_simulator(build)
    beats = to_beats(build.graph, build.graph.inputs[0], x)
    lengths = np.full(len(x), beats.shape[1])
    flat = beats.reshape(-1, beats.shape[2])
    capture = run_beats(build, executable, [flat], [lengths], RunOptions())
    assert compare(build.graph, build.nodes, x, capture).mismatches == 0
    hidden = reference_run(build.graph, x)["hidden"]
    per_frame = len(capture.nodes["hidden"]) // len(x)
    capture.nodes["hidden"][4 * per_frame, 0] ^= 1 << 4  # lane 1 of 3 steps each: step 1
    found = compare(build.graph, build.nodes, x, capture)
    assert found.mismatches == 1
    want = int(hidden[4, 1, 1])
    assert [str(d) for d in found.differences] == [
        f"hidden: frame 4, step 1, index (1): expected {want}, got {1 - want}"
    ]


def test_missing_and_extra_words_are_mismatches(builds: dict[str, Build]) -> None:
    build = builds["spiking"]
    x = frames_of(build.graph, 3)
    executable = build_simulator(build)
    beats = to_beats(build.graph, build.graph.inputs[0], x)
    lengths = np.full(3, beats.shape[1])
    flat = beats.reshape(-1, beats.shape[2])
    capture = run_beats(build, executable, [flat], [lengths], RunOptions())
    fewer = compare(build.graph, build.nodes, frames_of(build.graph, 4), capture)
    assert "found 12 words in 4 frames, accepted 16" in str(fewer.differences[0])
    assert fewer.differences[-1].node == "output"
    more = compare(build.graph, build.nodes, x[:2], capture)
    assert more.mismatches > 0
    assert "found 12 words in 2 frames, accepted 8" in str(more.differences[0])


@pytest.mark.parametrize("name", ["convolution", "spiking"])
@pytest.mark.parametrize("missing", [1, 3])
def test_frames_of_a_wrong_length_are_dropped(
    builds: dict[str, Build], name: str, missing: int
) -> None:
    build = builds[name]
    x = frames_of(build.graph, 4)
    beats = to_beats(build.graph, build.graph.inputs[0], x)
    length = beats.shape[1]
    short, long = beats[1, :-missing], np.concatenate([beats[2], beats[2][:2]])
    mixed = np.concatenate([beats[0], short, beats[1], long, beats[3]])
    lengths = np.array([length, length - missing, length, length + 2, length])
    executable = build_simulator(build)
    capture = run_beats(build, executable, [mixed], [lengths], RunOptions(stall_seed=5), expect=3)
    assert capture.error
    assert not capture.timed_out
    wanted = check.runs.run_verilator(build, executable, (x[[0, 1, 3]],), RunOptions())
    assert not wanted.error
    assert np.array_equal(capture.beats[0], wanted.beats[0])
    assert len(capture.frame_ends[0]) == 3


def test_a_run_in_which_nothing_moves_ends(builds: dict[str, Build]) -> None:
    build = builds["wide"]
    x = frames_of(build.graph, 1)
    beats = to_beats(build.graph, build.graph.inputs[0], x)[0]
    capture = run_beats(
        build,
        build_simulator(build),
        [beats],
        [np.array([len(beats)])],
        RunOptions(),
        expect=2,
        idle_cycles=1000,
    )
    assert capture.timed_out
    found = compare(build.graph, build.nodes, frames_of(build.graph, 2), capture)
    assert found.mismatches > 0


@pytest.mark.parametrize(
    ("family", "options"), [("generic", []), ("ice40", []), ("ecp5", ["-nobram", "-nodsp"])]
)
def test_the_netlist_equals_the_reference(
    builds: dict[str, Build], family: str, options: list[str]
) -> None:
    build = builds["convolution"]
    name = f"synth/probed_{family}"
    defines = ["E3NE_PROBES"]
    cells = yosys.synthesize(
        family, build.verilog, "e3ne_top", build.folder, name, options, defines
    )
    assert sum(cells.values()) > 100
    x = frames_of(build.graph, 2)
    yosys.dissolve_cells(family, "e3ne_top", build.folder, name, f"{name}.plain.v")
    netlist = (build.folder / f"{name}.v").read_text()
    assert {"generic": "posedge", "ice40": "SB_LUT4", "ecp5": "TRELLIS_FF"}[family] in netlist
    sources = [build.folder / f"{name}.plain.v"]
    capture = run_icarus(build, (x,), RunOptions(stall_seed=1), sources)
    found = compare(build.graph, build.nodes, x, capture)
    assert [str(difference) for difference in found.differences] == []


def test_bad_data_is_refused(builds: dict[str, Build]) -> None:
    build = builds["convolution"]
    x = frames_of(build.graph, 2)
    with pytest.raises(BadInput, match="found 2 frames and 1 labels"):
        check.simulate(build, x, np.zeros(1, int))
    with pytest.raises(BadInput, match="accepted at least one frame"):
        check.simulate(build, x[:0])
    with pytest.raises(BadInput, match=r"found values 0 \.\. 16, accepted 0 \.\. 15"):
        check.simulate(build, np.full_like(x, 16) * (x > 0))
    with pytest.raises(BadInput, match="found spice, accepted verilator, icarus"):
        check.simulate(build, x, simulator="spice")  # type: ignore[arg-type]
