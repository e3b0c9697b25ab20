"""Builds with few pins and loaded weights: every simulator agrees, and a driver knows enough."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from e3ne import check, reference
from e3ne.boards import load_board
from e3ne.check.compare import compare
from e3ne.check.runs import RunOptions, build_simulator, run_beats, run_verilator
from e3ne.cost import predict
from e3ne.emit import Build
from e3ne.emit.synth_scripts import defines_of
from e3ne.emit.vectors import output_words
from e3ne.ir import DoesNotFit, OutputWords
from e3ne.ir.frames import frame_beats, output_format, to_output_beats
from e3ne.synthesis import check_fits, part_of, resources_used
from e3ne.toolchain import verilator, yosys
from tests.port_networks import few_pins, with_loaded_weights
from tests.random_frames import inputs_of
from tests.small_networks import built, convolution, spiking, two_inputs

CLASS = OutputWords.CLASS
NETWORKS = {
    "convolution": lambda: with_loaded_weights(few_pins(convolution())),
    "spiking": lambda: with_loaded_weights(few_pins(spiking(), CLASS), ["hidden"], 32),
}
TWO_INPUTS = with_loaded_weights(few_pins(two_inputs(), bits=16), port_bits=16)


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Build]:
    folder = tmp_path_factory.mktemp("loaded")
    return {name: built(folder / name, make()) for name, make in NETWORKS.items()}


@pytest.mark.parametrize("name", NETWORKS)
def test_verilator_equals_the_reference(builds: dict[str, Build], name: str) -> None:
    build = builds[name]
    for stalls in (0, 3):
        result = check.simulate(build, inputs_of(build.graph, 60), stalls=stalls)
        result.raise_for_mismatch()
        assert (result.frames, result.mismatches) == (60, 0)
    assert result.cycles is not None
    assert abs(result.cycles.latency_min - predict(build.graph).latency_cycles) <= 4


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("simulator", ["icarus", "amaranth"])
def test_slow_simulators_equal_the_reference(
    builds: dict[str, Build], name: str, simulator: check.Simulator
) -> None:
    build = builds[name]
    x = inputs_of(build.graph, 2)
    result = check.simulate(build, x, frames=2, simulator=simulator, stalls=2)
    assert [str(difference) for difference in result.differences] == []
    assert result.equal


def test_weights_of_several_memories_for_two_inputs(tmp_path: Path) -> None:
    build = built(tmp_path / "two", TWO_INPUTS)
    assert len(build.manifest["weights"]["memories"]) > 2
    result = check.simulate(build, inputs_of(TWO_INPUTS, 2), simulator="icarus", stalls=5)
    assert [str(difference) for difference in result.differences] == []


def test_a_wrong_weight_is_found(builds: dict[str, Build]) -> None:
    """The broken twin: other bits in what the harness streams in."""
    build = builds["spiking"]
    path = build.folder / "rom" / "weights.bin"
    right = path.read_bytes()
    path.write_bytes(bytes(byte ^ 0x52 for byte in right))
    try:
        result = check.simulate(build, inputs_of(build.graph, 20))
    finally:
        path.write_bytes(right)
    assert result.differences[0].node == "hidden"


@pytest.mark.parametrize("cut", [-1, 1])
def test_a_load_of_a_wrong_length_stops_everything(builds: dict[str, Build], cut: int) -> None:
    build = builds["convolution"]
    path = build.folder / "rom" / "weights.bin"
    right = path.read_bytes()
    path.write_bytes(right[:-1] if cut < 0 else right + b"\0")
    x = inputs_of(build.graph, 2)
    try:
        beats, lengths = frame_beats(build.graph, build.graph.inputs[0], x[0])
        executable = build_simulator(build)
        options = RunOptions()
        capture = run_beats(build, executable, [beats], [lengths], options, idle_cycles=2_000)
    finally:
        path.write_bytes(right)
    assert capture.error
    assert capture.timed_out
    assert len(capture.frame_starts[0]) == 0  # s_axis_tready stays low
    assert len(capture.beats[0]) == 0


def test_no_frame_is_taken_before_the_weights_are_there(builds: dict[str, Build]) -> None:
    build = builds["convolution"]
    x = inputs_of(build.graph, 1)
    capture = run_verilator(build, build_simulator(build), x, RunOptions())
    assert capture.frame_starts[0][0] == build.manifest["weights"]["load_cycles"]


def test_a_wrong_beat_is_found_at_its_word(builds: dict[str, Build]) -> None:
    build = builds["convolution"]
    x = inputs_of(build.graph, 3)
    capture = run_verilator(build, build_simulator(build), x, RunOptions())
    assert compare(build.graph, build.nodes, x, capture).mismatches == 0
    capture.beats[0][24 + 5] ^= 7
    found = compare(build.graph, build.nodes, x, capture)
    output = build.graph.outputs[0]
    words = output_words(build.graph, output, reference.run(build.graph, *x))
    want = int(to_output_beats(output_format(build.graph, output), words)[1, 5])
    assert [str(difference) for difference in found.differences] == [
        f"output: frame 1, step 0, index (1, 1): expected {want}, got {want ^ 7}"
    ]


def test_the_manifest_says_all_that_a_driver_needs(builds: dict[str, Build]) -> None:
    manifest = builds["convolution"].manifest
    widths = {port["name"]: port["width_bits"] for port in manifest["ports"]}
    assert (widths["s_axis_tdata"], widths["m_axis_tdata"], widths["w_axis_tdata"]) == (8, 8, 8)
    assert sum(widths.values()) == 36
    source = manifest["input"]
    assert (source["field_bits"], source["packed"], source["beats_per_frame"]) == (4, True, 36)
    sink = manifest["output"]
    assert (sink["words"], sink["beat_bits"], sink["beats_per_frame"]) == (6, 8, 24)
    weights = manifest["weights"]
    folder = builds["convolution"].folder
    streamed = (folder / weights["file"]).read_bytes()
    assert len(streamed) == weights["bytes"] == weights["beats"]
    assert builds["spiking"].manifest["output"]["class_word"] == 0
    loaded = [rom["file"] for rom in manifest["roms"] if rom.get("loaded")]
    assert loaded == [memory["file"] for memory in weights["memories"]]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_stream_is_the_words_of_the_rom_files(builds: dict[str, Build], name: str) -> None:
    """As somebody would write it who has only the manifest and its page."""
    folder, weights = builds[name].folder, builds[name].manifest["weights"]
    size = weights["beat_bits"] // 8
    stream = b""
    for memory in weights["memories"]:
        for line in (folder / memory["file"]).read_text().split():
            stream += int(line, 16).to_bytes(memory["beats_per_word"] * size, "little")
    assert stream == (folder / weights["file"]).read_bytes()
    vectors = json.loads((folder / "sim" / "vectors" / "vectors.json").read_text())
    assert vectors["weights"]["file"] == weights["file"]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_verilog_is_clean(builds: dict[str, Build], name: str) -> None:
    assert verilator.lint(builds[name].verilog, "e3ne_top", builds[name].folder) == ""


def test_the_weights_lie_in_spram(builds: dict[str, Build]) -> None:
    build, board = builds["spiking"], load_board("icebreaker")
    cells = yosys.synthesize(
        *("ice40", build.verilog, "e3ne_top", build.folder, "synth/spram"),
        defines=defines_of(part_of(board)),
    )
    used = resources_used("ice40", cells)
    assert used["spram_bits"] == predict(build.graph, "ice40").spram_bits == 2 * 262_144
    check_fits(used, board)


def test_too_much_for_the_spram() -> None:
    used = {"luts": 1, "ffs": 1, "brams": 0, "bram_bits": 0, "dsps": 0, "spram_bits": 5 * 262_144}
    with pytest.raises(DoesNotFit) as caught:
        check_fits(used, load_board("icebreaker"))
    assert str(caught.value) == (
        "icebreaker: spram_bits: found a need of 1,310,720, accepted 1,048,576; choose a larger "
        "board or lower `utilisation` in the configuration"
    )


def test_packed_pixels_take_fewer_beats(builds: dict[str, Build]) -> None:
    spikes = builds["spiking"].manifest["input"]
    assert (spikes["lanes"], spikes["field_bits"], spikes["steps_in_window"]) == (5, 3, 3)
    ports = {port["name"]: port["width_bits"] for port in builds["spiking"].manifest["ports"]}
    assert ports["s_axis_tdata"] == 16 < 5 * 8
    assert np.array_equal(
        check.simulate(builds["spiking"], inputs_of(builds["spiking"].graph, 9)).classes,
        check.simulate(
            builds["spiking"], inputs_of(builds["spiking"].graph, 9), simulator="reference"
        ).classes,
    )
