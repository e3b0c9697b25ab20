"""Several inputs, several outputs, images: the emitted Verilog equals the reference."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from e3ne import check, reference
from e3ne.check.compare import compare
from e3ne.check.runs import RunOptions, build_simulator, run_beats, run_verilator
from e3ne.cost import predict
from e3ne.emit import Build, load_build
from e3ne.emit.vectors import output_words
from e3ne.ir import BadInput
from e3ne.ir.frames import to_beats
from e3ne.synthesis import OPTIONS, resources_used
from e3ne.toolchain import verilator, yosys
from tests.random_frames import inputs_of
from tests.small_networks import built, segmentation, two_inputs, two_outputs

NETWORKS = {"two_inputs": two_inputs, "two_outputs": two_outputs, "segmentation": segmentation}


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Build]:
    folder = tmp_path_factory.mktemp("ports")
    return {name: built(folder / name, make()) for name, make in NETWORKS.items()}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("stalls", [0, 3])
def test_verilator_equals_the_reference(builds: dict[str, Build], name: str, stalls: int) -> None:
    build = builds[name]
    result = check.simulate(build, inputs_of(build.graph, 101), stalls=stalls)
    result.raise_for_mismatch()
    assert (result.frames, result.mismatches) == (101, 0)
    assert result.nodes_checked == len(build.graph.nodes)
    assert result.cycles is not None
    assert 0 < result.cycles.latency_min <= result.cycles.latency_max


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("simulator", ["icarus", "amaranth"])
def test_slow_simulators_equal_the_reference(
    builds: dict[str, Build], name: str, simulator: check.Simulator
) -> None:
    build = builds[name]
    result = check.simulate(
        build, inputs_of(build.graph, 2), frames=2, simulator=simulator, stalls=2
    )
    assert [str(difference) for difference in result.differences] == []
    assert result.equal


@pytest.mark.parametrize("name", NETWORKS)
def test_all_simulators_agree_on_cycles(builds: dict[str, Build], name: str) -> None:
    x = inputs_of(builds[name].graph, 2)
    results = []
    for simulator in check.SIMULATORS[:3]:
        cycles = check.simulate(builds[name], x, simulator=simulator, jobs=1).cycles
        assert cycles is not None
        results.append((cycles.latency_max, cycles.interval_mean))
    assert results[0] == results[1] == results[2]


def test_frames_that_are_bad_on_one_input_are_dropped_on_all(builds: dict[str, Build]) -> None:
    build = builds["two_inputs"]
    x = inputs_of(build.graph, 5)
    beats, lengths = [], []
    for place, (source, values) in enumerate(zip(build.graph.inputs, x, strict=True)):
        found = to_beats(build.graph, source, values)
        rows = list(found)
        rows[1 + place] = rows[1 + place][:-1]  # frame 1 is short on one, frame 2 on the other
        rows[3] = np.concatenate([rows[3], rows[3][: 3 * place]])  # too long on the second
        beats.append(np.concatenate(rows))
        lengths.append(np.array([len(row) for row in rows]))
    executable = build_simulator(build)
    options = RunOptions(stall_seed=7)
    capture = run_beats(build, executable, beats, lengths, options, expect=2)
    assert capture.error
    assert not capture.timed_out
    wanted = run_verilator(build, executable, [a[[0, 4]] for a in x], RunOptions())
    assert not wanted.error
    assert np.array_equal(capture.beats[0], wanted.beats[0])


@pytest.mark.parametrize("place", [0, 1])
def test_a_wrong_word_is_found_at_its_output(builds: dict[str, Build], place: int) -> None:
    build = builds["two_outputs"]
    x = inputs_of(build.graph, 4)
    capture = run_verilator(build, build_simulator(build), x, RunOptions())
    assert compare(build.graph, build.nodes, x, capture).mismatches == 0
    size = len(capture.beats[place]) // 4
    capture.beats[place][2 * size + 1] += 5
    found = compare(build.graph, build.nodes, x, capture)
    values = reference.run(build.graph, *x)
    want = int(output_words(build.graph, build.graph.outputs[place], values)[2, 1])
    label = ("output head", "output shown")[place]
    assert [str(difference) for difference in found.differences] == [
        f"{label}: frame 2, step 0, index (1): expected {want}, got {want + 5}"
    ]


def test_missing_words_of_one_output_are_mismatches(builds: dict[str, Build]) -> None:
    build = builds["two_outputs"]
    x = inputs_of(build.graph, 3)
    capture = run_verilator(build, build_simulator(build), x, RunOptions())
    shorter = (capture.beats[0], capture.beats[1][:-1])
    broken = type(capture)(**{**vars(capture), "beats": shorter})
    found = compare(build.graph, build.nodes, x, broken)
    assert [str(d) for d in found.differences] == [
        "output shown: found 95 words in 3 frames, accepted 96 in 3"
    ]


def test_labels_of_an_image_are_one_a_pixel(builds: dict[str, Build]) -> None:
    build = builds["segmentation"]
    x = inputs_of(build.graph, 6)
    classes = check.simulate(build, x, simulator="reference").classes
    assert classes.shape == (6, 11, 11)
    assert set(np.unique(classes)) == {0, 1}
    labels = classes.copy()
    labels[:3] = 1 - labels[:3]
    result = check.simulate(build, x, labels)
    assert result.reference_accuracy == result.rtl_accuracy == 50.0
    assert np.array_equal(result.classes, classes)
    for wrong in (np.zeros(6, int), np.zeros((6, 11, 10), int)):
        with pytest.raises(
            BadInput, match=r"accepted \(frames, 11, 11\); give one label a frame and"
        ):
            check.simulate(build, x, wrong)
    with pytest.raises(BadInput, match=r"found labels 0 \.\. 2, accepted 0 \.\. 1, one of 2"):
        check.simulate(build, x, labels * 2)


def test_the_words_of_an_image_are_in_wire_order(builds: dict[str, Build]) -> None:
    build = builds["segmentation"]
    x = inputs_of(build.graph, 1)
    capture = run_verilator(build, build_simulator(build), x, RunOptions())
    image = reference.run(build.graph, *x)["map"][0, 0]  # channels, rows, columns
    assert capture.beats[0].tolist() == image.transpose(1, 2, 0).reshape(-1).tolist()
    assert len(np.unique(image)) > 4


def test_the_manifest_lists_every_port_with_its_format(builds: dict[str, Build]) -> None:
    manifest = builds["two_inputs"].manifest
    assert "input" not in manifest
    assert [
        (i["name"], i["port"], i["lanes"], i["beats_per_frame"]) for i in manifest["inputs"]
    ] == [
        ("left", "s_axis_left", 2, 16),
        ("right.x", "s_axis_right_x", 3, 2),
    ]
    assert manifest["output"]["class_word"] == 5
    names = [port["name"] for port in manifest["ports"]]
    assert names[2:6] == [f"s_axis_left_{end}" for end in ("tdata", "tvalid", "tready", "tlast")]
    assert "s_axis_right_x_tlast" in names
    manifest = builds["two_outputs"].manifest
    head, shown = manifest["outputs"]
    assert (head["port"], head["words"], head["class_word"]) == ("m_axis_head", 4, 3)
    assert (shown["port"], shown["words"], shown["class_word"]) == ("m_axis_shown", 32, None)
    assert (shown["shape"], shown["order"]) == ([2, 4, 4], "rows, columns, channels")


@pytest.mark.parametrize("name", NETWORKS)
def test_the_verilog_is_clean_and_synthesizable(builds: dict[str, Build], name: str) -> None:
    build = builds[name]
    verilator.lint(build.verilog, "e3ne_top", build.folder)
    options = OPTIONS["ecp5"]
    cells = yosys.synthesize(
        *("ecp5", build.verilog, "e3ne_top", build.folder, "synth/e3ne_top"), options=options
    )
    used, predicted = resources_used("ecp5", cells), predict(build.graph)
    assert used["brams"] == predicted.brams
    assert 0.5 < predicted.luts / used["luts"] < 2


def test_golden_vectors_hold_every_port(builds: dict[str, Build]) -> None:
    build = load_build(builds["two_inputs"].folder)
    vectors = json.loads(Path(build.folder, "sim/vectors/vectors.json").read_text())
    assert [source["port"] for source in vectors["inputs"]] == ["s_axis_left", "s_axis_right_x"]
    assert [len(source["beats"]) for source in vectors["inputs"]] == [32, 4]
    assert [sink["port"] for sink in vectors["outputs"]] == ["m_axis"]
