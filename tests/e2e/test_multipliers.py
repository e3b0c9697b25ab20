"""A network with products in multipliers and elements bit by bit: every simulator, and Yosys."""

from __future__ import annotations

from dataclasses import replace

import pytest

from e3ne import check
from e3ne.cost import predict
from e3ne.emit import Build
from e3ne.ir import Graph, Mapping, Storage, SynapseMapping, verify
from e3ne.toolchain import yosys
from tests.small_networks import built, convolution, frames_of

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


@pytest.mark.parametrize(("family", "cell"), [("ecp5", "MULT18X18D"), ("ice40", "SB_MAC16")])
def test_exactly_these_products_are_multipliers(build: Build, family: str, cell: str) -> None:
    netlist = f"synth/{family}"
    options = ["-nodsp"] if family == "ecp5" else []
    cells = yosys.synthesize(
        family, build.verilog, "e3ne_top", build.folder, netlist, options=options
    )
    assert cells[cell] == DSPS == predict(build.graph).dsps
