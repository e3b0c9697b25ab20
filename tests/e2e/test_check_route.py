"""A small network all the way to a bitstream, on every family that is routed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from e3ne.boards import load_board
from e3ne.emit.folder import VERILOG
from e3ne.emit.synth_scripts import write_synth_scripts
from e3ne.ir import Graph
from e3ne.progress import Stages
from e3ne.synthesis import check_fits, check_pins, is_routed, part_of, route, synthesize
from e3ne.toolchain import nextpnr, yosys
from tests.small_networks import built, convolution, spiking


@pytest.mark.parametrize(
    ("family", "device", "package", "constraints", "cell"),
    [
        ("ecp5", "25k", "CABGA381", "synth/constraints.lpf", "TRELLIS_COMB"),
        ("ice40", "hx8k", "ct256", None, "ICESTORM_LC"),
    ],
)
def test_a_bitstream_with_its_clock_and_area(
    tmp_path: Path, family: str, device: str, package: str, constraints: str | None, cell: str
) -> None:
    build = built(tmp_path / "a build", spiking())
    yosys.synthesize(family, build.verilog, "e3ne_top", build.folder, "synth/e3ne_top")
    routed = nextpnr.route(
        *(family, device, package, "synth/e3ne_top.json", build.folder, "synth/seed1"),
        clock_hz=20e6,
        constraints=constraints,
    )
    assert routed.fmax_hz > 20e6
    used, available = routed.utilization[cell]
    assert 50 < used < available
    placed = str(routed.placed.relative_to(build.folder))
    bitstream = nextpnr.pack(family, placed, "synth/e3ne_top.bit", build.folder)
    assert bitstream.stat().st_size > 1000


@pytest.mark.parametrize("name", ["crosslink-nx-evn", "tangnano9k"])
def test_a_bitstream_on_pins_of_the_board(tmp_path: Path, name: str) -> None:
    board, build = load_board(name), built(tmp_path / "a build", narrow(convolution()))
    ports = build.manifest["ports"]
    write_synth_scripts(build.folder / "synth", part_of(board), board.clock_hz, VERILOG, ports)
    stages = Stages(None)
    used = synthesize(build.folder, build.verilog, board, stages)
    check_fits(used, board)
    check_pins(ports, board)
    figures = route(build.folder, board, 1, stages)
    assert figures["fmax_hz"]["worst"] > 20e6
    routed = figures["resources"]["routed"]
    assert routed["luts"] == pytest.approx(used["luts"], rel=0.15)
    assert routed["ffs"] == used["ffs"]
    (bitstream,) = (build.folder / "synth").glob("e3ne_top.[bf][is]*")
    assert bitstream.stat().st_size > 1000


def test_a_family_that_nothing_routes_stops_after_yosys(caplog: pytest.LogCaptureFixture) -> None:
    assert is_routed(load_board("ulx3s-85f"))
    assert not is_routed(load_board("arty-a7-35t"))
    assert "arty-a7-35t: no open place and route for xilinx7 is packaged" in caplog.text
    assert "stopped after Yosys; take rtl/, rom/ and synth/constraints.xdc into" in caplog.text


def narrow(graph: Graph) -> Graph:
    """The same network with one element a beat: few pins."""
    return replace(graph, inputs=(replace(graph.inputs[0], lanes=1),))
