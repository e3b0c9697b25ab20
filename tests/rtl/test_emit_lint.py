"""The emitted Verilog as it is: Verilator and Icarus have no objection, and names are kept."""

from __future__ import annotations

import re

import pytest

from e3ne.emit import Build
from e3ne.toolchain import ToolFailed, icarus, verilator, yosys
from tests.small_networks import built, convolution, spiking, wide

NETWORKS = {"convolution": convolution, "wide": wide, "spiking": spiking}


@pytest.fixture(scope="module", params=NETWORKS)
def build(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Build:
    return built(tmp_path_factory.mktemp("builds") / "build", NETWORKS[request.param]())


@pytest.mark.parametrize("defines", [[], ["E3NE_PROBES"]])
def test_verilator_has_no_objection(build: Build, defines: list[str]) -> None:
    assert verilator.lint(build.verilog, "e3ne_top", build.folder, defines) == ""


def test_icarus_has_no_objection(build: Build) -> None:
    assert icarus.lint(build.verilog, "e3ne_top", build.folder) == ""


def test_broken_verilog_is_caught(build: Build) -> None:
    (build.folder / "broken.v").write_text("module broken(input [3:0] a); wire b = c; endmodule\n")
    with pytest.raises(ToolFailed, match="verilator: found exit status"):
        verilator.lint(["broken.v"], "broken", build.folder)
    with pytest.raises(ToolFailed, match="iverilog: found exit status"):
        icarus.lint(["broken.v"], "broken", build.folder)


@pytest.mark.parametrize(("family", "flop"), [("ecp5", "TRELLIS_FF"), ("ice40", "SB_DFF")])
def test_yosys_takes_it_as_it_is(build: Build, family: str, flop: str) -> None:
    cells = yosys.synthesize(
        family, build.verilog, "e3ne_top", build.folder, f"synth/lint_{family}"
    )
    assert sum(count for kind, count in cells.items() if kind.startswith(flop)) > 20


def test_instances_have_the_names_of_the_nodes(build: Build) -> None:
    text = (build.folder / "rtl" / "e3ne_network.v").read_text()
    for node in build.graph.nodes:
        name = re.escape(node.name)
        assert re.search(rf"^  \\e3ne_network\.core\.{name} +\\?{name} +\(", text, re.MULTILINE)


def test_no_process_waits_for_an_input_to_change(build: Build) -> None:
    assert "always @*" not in (build.folder / "rtl" / "e3ne_network.v").read_text()
