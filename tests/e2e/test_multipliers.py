"""A network with products in multipliers and elements bit by bit: every simulator, and Yosys."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from e3ne import check
from e3ne.boards import load_board
from e3ne.cost import predict
from e3ne.emit import Build
from e3ne.emit.synth_scripts import CHAINS, write_synth_scripts
from e3ne.ir import Graph, Mapping, Storage, SynapseMapping, verify
from e3ne.progress import Stages
from e3ne.synthesis import part_of, synthesize
from e3ne.toolchain import yosys
from e3ne.toolchain.locate import find
from tests.random_frames import frames_of
from tests.small_networks import built, convolution

DSPS = 3  # of the convolution's 2 x 2 products a cycle: one multiplier has two of them


def multiplied() -> Graph:
    """The small convolution with two multipliers, its head with one and bit by bit."""
    graph = convolution()
    first = SynapseMapping(2, dsps=2, products_per_dsp=2, storage=Storage.LUT)
    last = SynapseMapping(4, bit_lanes=2, dsps=1)
    layouts = {
        "features.0": Mapping(out_lanes=2, synapses=(first,)),
        "head": Mapping(out_lanes=1, synapses=(last,)),
    }
    nodes = [replace(node, mapping=layouts.get(node.name, node.mapping)) for node in graph.nodes]
    return verify(graph.with_nodes(nodes))


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return built(tmp_path_factory.mktemp("multiplied") / "build", multiplied())


@pytest.mark.parametrize(("simulator", "frames"), [("verilator", 51), ("icarus", 3)])
def test_the_hardware_equals_the_reference(
    build: Build, simulator: check.Simulator, frames: int
) -> None:
    result = check.simulate(build, frames_of(build.graph, frames), simulator=simulator, stalls=2)
    assert [str(difference) for difference in result.differences] == []
    assert result.equal


def test_predicted_cycles_are_those_of_the_simulation(build: Build) -> None:
    result = check.simulate(build, frames_of(build.graph, 20))
    predicted = predict(build.graph)
    assert result.cycles is not None
    assert result.cycles.latency_max == predicted.latency_cycles


def test_exactly_these_products_are_multipliers(build: Build) -> None:
    cells = yosys.synthesize("ice40", build.verilog, "e3ne_top", build.folder, "synth/ice40")
    assert cells["SB_MAC16"] == DSPS == predict(build.graph).dsps


def test_the_script_by_hand_makes_the_netlist_of_e3ne_synth(build: Build, tmp_path: Path) -> None:
    board, synth = load_board("ulx3s-25f"), build.folder / "synth"
    used = synthesize(build.folder, build.verilog, board, Stages())
    assert used["dsps"] == DSPS
    cells = yosys.cell_counts(synth / "e3ne_top.stat.json", "e3ne_top")
    assert cells["MULT18X18D"] == DSPS
    netlist = synth / "e3ne_top.json"
    ours = netlist.read_text()
    netlist.unlink()
    write_synth_scripts(synth, part_of(board), board.clock_hz, build.verilog)
    run_by_hand(build, tmp_path)
    assert yosys.cell_counts(synth / "e3ne_top.stat.json", "e3ne_top") == cells
    assert netlist.read_text().replace(CHAINS, "e3ne_top.chains.v") == ours


def run_by_hand(build: Build, folder: Path) -> None:
    """`run.sh`, with the packaged Yosys on the PATH, and programs that do nothing behind it."""
    yosys_command = shlex.join(yosys._command(find("yosys"), "")[:-1])
    (folder / "yosys").write_text(f'#!/bin/sh\nexec {yosys_command} "$2"\n')
    tools = ("nextpnr-ecp5", "ecppack")
    for tool in tools:
        (folder / tool).write_text("#!/bin/sh\n")
    for tool in ("yosys", *tools):
        (folder / tool).chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    subprocess.run(
        ["sh", str(build.folder / "synth" / "run.sh")],
        **{"env": environment, "check": True, "capture_output": True},
    )
