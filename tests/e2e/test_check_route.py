"""A small network all the way to a bitstream, on both families."""

from __future__ import annotations

from pathlib import Path

import pytest

from e3ne.toolchain import nextpnr, yosys
from tests.small_networks import built, spiking


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
