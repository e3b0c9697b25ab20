"""One run of the hardware over some frames, in any of the simulators: frames in, Capture out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..emit import Build
from ..emit.stream_driver import ProbeBits, StreamDriver
from ..emit.vectors import write_vectors
from ..ir import Array
from ..ir.frames import to_beats
from ..toolchain import cocotb, verilator
from ..toolchain.process import run_program
from .capture import Capture, read_driver, read_harness

HARNESS = "sim/e3ne_harness.cpp"
OBJECTS = "sim/obj"
IDLE_CYCLES = 2_000_000


@dataclass(frozen=True)
class RunOptions:
    """`stall_seed` 0: no pauses; else random ones on both sides. `isolated`: frame by frame."""

    stall_seed: int = 0
    isolated: bool = False


def build_simulator(build: Build, jobs: int = 2) -> Path:
    """The Verilator executable of a build; made when its sources are new."""
    return verilator.build(
        build.verilog, "e3ne_top", HARNESS, build.folder, OBJECTS, ["E3NE_PROBES"], jobs
    )


def run_verilator(build: Build, executable: Path, frames: Array, options: RunOptions) -> Capture:
    """Integer frames (frames, steps, *shape) through the C++ harness."""
    beats = to_beats(build.graph, build.graph.inputs[0], frames)
    lengths = np.full(len(frames), beats.shape[1], "<u4")
    return run_beats(build, executable, beats.reshape(-1, beats.shape[2]), lengths, options)


def run_beats(
    build: Build,
    executable: Path,
    beats: Array,
    lengths: Array,
    options: RunOptions,
    expect: int | None = None,
    idle_cycles: int = IDLE_CYCLES,
) -> Capture:
    """uint8 beats (beats, bytes) in frames of `lengths` beats through the C++ harness.

    `expect` is how many frames will come out, fewer where some have a wrong length.
    """
    with scratch_folder(build) as folder:
        (folder / "beats.bin").write_bytes(np.ascontiguousarray(beats).tobytes())
        (folder / "lengths.bin").write_bytes(lengths.astype("<u4").tobytes())
        command = [
            str(executable),
            f"beats={folder / 'beats.bin'}",
            f"lengths={folder / 'lengths.bin'}",
            f"probes={build.folder / 'sim' / 'probes.txt'}",
            f"out={folder}",
            f"expect={len(lengths) if expect is None else expect}",
            f"stalls={options.stall_seed}",
            f"isolated={int(options.isolated)}",
            f"idle={idle_cycles}",
        ]
        run_program("simulation", command, build.folder)
        return read_harness(folder, build.nodes)


def run_icarus(
    build: Build,
    frames: Array,
    options: RunOptions,
    sources: Sequence[Path] = (),
    defines: Sequence[str] = (),
) -> Capture:
    """Integer frames through the build's cocotb bench on Icarus.

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


def run_amaranth(build: Build, frames: Array, options: RunOptions) -> Capture:
    """Integer frames through the component itself in Amaranth's simulator: few frames only."""
    from amaranth.sim import Simulator

    from ..gateware.network import Network

    network = Network(build.graph, rom_form="memory")
    beats = to_beats(build.graph, build.graph.inputs[0], frames)
    last = beats.shape[1] - 1
    driver = StreamDriver(
        [
            (int.from_bytes(beat.tobytes(), "little"), index == last)
            for frame in beats
            for index, beat in enumerate(frame)
        ],
        len(frames),
        [ProbeBits(p.node, p.offset_bits, p.word.value_bits) for p in network.probes],
        options.stall_seed,
        options.isolated,
    )
    width = len(network.probe_data)

    async def bench(ctx):  # type: ignore[no-untyped-def]
        while not driver.done:
            inputs = driver.inputs()
            ctx.set(network.s_axis_tvalid, inputs.s_axis_tvalid)
            ctx.set(network.s_axis_tdata, inputs.s_axis_tdata)
            ctx.set(network.s_axis_tlast, inputs.s_axis_tlast)
            ctx.set(network.m_axis_tready, inputs.m_axis_tready)
            driver.sample(
                s_axis_tready=bool(ctx.get(network.s_axis_tready)),
                m_axis_tvalid=bool(ctx.get(network.m_axis_tvalid)),
                m_axis_tdata=lambda: ctx.get(network.m_axis_tdata),
                m_axis_tlast=lambda: bool(ctx.get(network.m_axis_tlast)),
                probe_strobe=ctx.get(network.probe_strobe),
                probe_bits=lambda: f"{ctx.get(network.probe_data):0{width}b}",
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
