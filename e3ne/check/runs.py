"""One run of the hardware over some frames, in any of the simulators: frames in, Capture out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..cost import frame_interval
from ..emit import Build
from ..emit.stream_driver import ProbeBits, StreamDriver, weight_beats
from ..emit.vectors import beats_of, write_vectors
from ..ir import Array
from ..ir.frames import frame_beats, output_ports
from ..ir.weight_port import WEIGHTS_FILE
from ..toolchain import cocotb, verilator
from ..toolchain.process import run_program
from .capture import Capture, read_driver, read_harness

HARNESS = "sim/e3ne_harness.cpp"
PORTS = "sim/e3ne_ports.h"
OBJECTS = "sim/obj"
IDLE_CYCLES = 2_000_000
FEW_CYCLES = (
    100_000  # six seconds of LeNet-5 without optimisation, which takes 15 s longer to build
)

Frames = Sequence[Array]
"""Integers (frames, steps, *shape) of each input, in the order of the graph."""


@dataclass(frozen=True)
class RunOptions:
    """`stall_seed` 0: no pauses; else random ones on both sides. `isolated`: frame by frame."""

    stall_seed: int = 0
    isolated: bool = False


def build_simulator(build: Build, jobs: int = 2, frames: int | None = None) -> Path:
    """The Verilator executable of a build; made when its sources are new.

    For `frames` that take few cycles one that is built sooner and runs longer.
    """
    cycles = FEW_CYCLES if frames is None else frames * frame_interval(build.graph)
    return verilator.build(
        *(build.verilog, "e3ne_top", HARNESS, build.folder, OBJECTS, ["E3NE_PROBES"], jobs),
        headers=[PORTS],
        quick=cycles < FEW_CYCLES,
    )


def run_verilator(build: Build, executable: Path, frames: Frames, options: RunOptions) -> Capture:
    """Integers (frames, steps, *shape) of each input through the C++ harness."""
    beats, lengths = [], []
    for source, values in zip(build.graph.inputs, frames, strict=True):
        sent, counts = frame_beats(build.graph, source, values)
        beats.append(sent)
        lengths.append(counts)
    return run_beats(build, executable, beats, lengths, options)


def run_beats(
    build: Build,
    executable: Path,
    beats: Sequence[Array],
    lengths: Sequence[Array],
    options: RunOptions,
    expect: int | None = None,
    idle_cycles: int = IDLE_CYCLES,
) -> Capture:
    """For each input uint8 beats (beats, bytes) in frames of `lengths` beats, through the harness.

    `expect` is how many frames will come out, fewer where some have a wrong length.
    """
    with scratch_folder(build) as folder:
        for place, (sent, counts) in enumerate(zip(beats, lengths, strict=True)):
            (folder / f"beats_{place}.bin").write_bytes(np.ascontiguousarray(sent).tobytes())
            (folder / f"lengths_{place}.bin").write_bytes(counts.astype("<u4").tobytes())
        command = [
            str(executable),
            f"in={folder}",
            f"probes={build.folder / 'sim' / 'probes.txt'}",
            f"out={folder}",
            f"expect={len(lengths[0]) if expect is None else expect}",
            f"stalls={options.stall_seed}",
            f"isolated={int(options.isolated)}",
            f"idle={idle_cycles}",
            f"weights={build.folder / WEIGHTS_FILE}",
        ]
        said = run_program("simulation", command, build.folder)
        return read_harness(folder, build.graph, build.nodes, said)


def run_icarus(
    build: Build,
    frames: Frames,
    options: RunOptions,
    sources: Sequence[Path] = (),
    defines: Sequence[str] = (),
) -> Capture:
    """Integers of each input through the build's cocotb bench on Icarus.

    `sources` stand in for the build's Verilog: a netlist of e3ne_top.
    """
    with scratch_folder(build) as folder:
        write_vectors(folder, build.graph, build.nodes, frames)
        arguments = [
            *("--vectors", str(folder), "--results", str(folder)),
            *("--stalls", str(options.stall_seed), "--record"),
            *(["--isolated"] if options.isolated else []),
            *(["--sources", *map(str, sources)] if sources else []),
        ]
        script = build.folder / "sim" / "run_icarus.py"
        cocotb.run_bench(script, arguments, build.folder, build.folder / "sim" / "icarus.log")
        return read_driver(folder, build.nodes)


def run_amaranth(build: Build, frames: Frames, options: RunOptions) -> Capture:
    """Integers of each input through the component in Amaranth's simulator: few frames only."""
    from amaranth.sim import Simulator

    from ..gateware.network import Network

    network = Network(build.graph, rom_form="memory")
    driver = StreamDriver(
        beats_of(build.graph, frames),
        output_ports(build.graph),
        len(frames[0]),
        [ProbeBits(p.node, p.offset_bits, p.word.value_bits) for p in network.probes],
        options.stall_seed,
        options.isolated,
        weights=weight_beats(build.folder, build.manifest.get("weights")),
    )
    width = len(network.probe_data)

    async def bench(ctx):  # type: ignore[no-untyped-def]
        while not driver.done:
            for name, driven in driver.inputs().items():
                ctx.set(getattr(network, name), driven)
            driver.sample(
                lambda name: int(ctx.get(getattr(network, name))),
                ctx.get(network.probe_strobe),
                lambda: f"{ctx.get(network.probe_data):0{width}b}",
            )
            await ctx.tick()
        with scratch_folder(build) as folder:
            driver.write(folder, error=bool(ctx.get(network.error)))
            captures.append(read_driver(folder, build.nodes))

    captures: list[Capture] = []
    simulator = Simulator(network)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    return captures[0]


@contextmanager
def scratch_folder(build: Build) -> Iterator[Path]:
    """A folder inside the build's `sim/` for the records of one run, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="run-", dir=build.folder / "sim") as folder:
        yield Path(folder)
