"""Does the hardware compute the same numbers? Every word of every node against the reference."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from .. import reference
from ..data import chunks
from ..emit import Build
from ..ir import Array, BadInput, Graph, Mismatch
from ..ir.frames import is_image
from ..ir.user_arrays import UserArrays, input_arrays
from .compare import Comparison, Difference
from .pieces import Progress, Run, pieces_of, run_pieces
from .runs import RunOptions, build_simulator, run_amaranth, run_icarus, run_verilator

logger = logging.getLogger(__name__)

Simulator = Literal["verilator", "icarus", "amaranth", "reference"]
SIMULATORS: tuple[Simulator, ...] = ("verilator", "icarus", "amaranth", "reference")
SLOW_FRAMES = 2
"""Frames that Icarus and Amaranth's simulator run where nobody asks for a number."""

LATENCY_FRAMES = 16
JOBS = 2
MOST_JOBS = 16
"""Simulators side by side unless the user says otherwise; pieces for a cluster at least."""


@dataclass(frozen=True)
class Cycles:
    """Clock cycles. Latency: from the first beat of a frame to its last output word, both
    included, with no other frame in the pipeline. Interval: from one frame's last output word to
    the next one's while frames follow each other without a pause (0 where there was one frame).
    """

    latency_min: int
    latency_mean: float
    latency_max: int
    interval_mean: float
    latency_p50: float = 0.0
    interval_p50: float = 0.0
    interval_max: int = 0


@dataclass(frozen=True)
class CheckResult:
    """`mismatches` counts values (neurons times steps, and output words) over all frames.

    `differences` has the first one of each node, in graph order. Accuracies are percentages, None
    without labels. `cycles` is None where no hardware ran. `wall_s`: build, simulate.
    """

    simulator: Simulator
    frames: int
    nodes_checked: int
    mismatches: int
    differences: tuple[Difference, ...]
    cycles: Cycles | None
    reference_accuracy: float | None
    rtl_accuracy: float | None
    classes: Array
    wall_s: dict[str, float]

    @property
    def equal(self) -> bool:
        """Whether every compared number is equal."""
        return self.mismatches == 0 and not self.differences

    def raise_for_mismatch(self) -> None:
        """Mismatch with the first difference of each node, unless everything is equal."""
        if not self.equal:
            lines = "\n  ".join(map(str, self.differences))
            raise Mismatch(
                f"{self.simulator}: found {self.mismatches} values in {self.frames} frames that "
                f"differ from the reference, accepted none; the first of each node:\n  {lines}"
            )


def simulate(
    build: Build,
    x: UserArrays,
    y: Array | None = None,
    frames: int | None = None,
    simulator: Simulator = "verilator",
    stalls: int = 0,
    jobs: int | None = None,
    progress: Progress | None = None,
    scheduler: str | None = None,
) -> CheckResult:
    """Runs integer frames through the build's hardware and compares all with the reference.

    `x` are integers (frames, steps, *shape) of the input's type, or (frames, *shape) where it has
    one step (`reference.encode_input` makes them of real samples); a tuple or a dict of them where
    there are several inputs. `y` are labels of the first output: (frames,), or (frames, rows,
    columns) of an image. `frames` takes the first ones only (Icarus and Amaranth: 2 unless given).
    `stalls` is the seed of random pauses on all ports, 0 for none. `jobs`
    simulators of Verilator run side by side (2 unless given), or as many as the workers of the
    Dask `scheduler` (its address, tcp://host:port) have threads; the result is that of one.
    BadInput where `x` is not what the inputs take, or parts are asked for that cannot be;
    ToolError where a tool fails.
    """
    if simulator not in SIMULATORS:
        raise BadInput(f"simulator: found {simulator}, accepted {', '.join(SIMULATORS)}")
    if frames is None and simulator in ("icarus", "amaranth"):
        frames = SLOW_FRAMES
    sources = build.graph.inputs
    integers = tuple(
        reference.checked_input(source, array[:frames])
        for source, array in zip(sources, input_arrays("data", sources, x), strict=True)
    )
    count = len(integers[0])
    labels = None if y is None else checked_labels(build.graph, np.asarray(y)[:count])
    if not count or (labels is not None and len(labels) != count):
        raise BadInput(
            f"data: found {count} frames and {'no' if labels is None else len(labels)} "
            "labels, accepted at least one frame and a label for each"
        )
    _check_parts(simulator, jobs, scheduler)
    if simulator == "reference":
        return _reference_only(build, integers, labels)
    if build.graph.streaming and (scheduler is not None or (jobs or 1) > 1):
        raise BadInput(
            f"{'--jobs' if scheduler is None else '--scheduler'}: found a streaming network, "
            "accepted one without state between frames; leave it out: one simulator runs all "
            "frames in their order"
        )
    jobs = JOBS if jobs is None else jobs
    return _simulate(build, integers, labels, simulator, stalls, jobs, scheduler, progress)


def _check_parts(simulator: Simulator, jobs: int | None, scheduler: str | None) -> None:
    """BadInput where a run in parts is asked for that nothing would do."""
    if scheduler is not None and simulator != "verilator":
        raise BadInput(f"--scheduler: found simulator {simulator}, accepted verilator")
    if (jobs or 1) > 1 and simulator != "verilator":
        raise BadInput(f"--jobs: found simulator {simulator}, accepted verilator; leave it out")
    if jobs is not None and scheduler is not None:
        raise BadInput(
            "--jobs: found --scheduler beside it, accepted one of them; leave it out: the workers "
            "say how many simulators run"
        )


def checked_labels(graph: Graph, y: Array) -> Array:
    """Labels of the first output: (frames,), or (frames, rows, columns) of an image; BadInput."""
    type = graph.edge(graph.outputs[0].source)
    pixels = type.shape[1:] if is_image(type) else ()
    if [n for n in y.shape[1:] if n != 1] != [n for n in pixels if n != 1]:
        wanted = ", ".join(map(str, ("frames", *pixels)))
        raise BadInput(
            f"data: y: found labels of shape {y.shape}, accepted ({wanted}); give one label a frame"
            + (" and pixel" if pixels else "")
        )
    if y.size and (y.min() < 0 or y.max() >= type.channels):
        raise BadInput(
            f"data: y: found labels {y.min()} .. {y.max()}, accepted 0 .. {type.channels - 1}, one "
            f"of {type.channels} classes; count the labels from 0"
        )
    return y.reshape(len(y), *pixels)


def _simulate(
    build: Build,
    integers: tuple[Array, ...],
    labels: Array | None,
    simulator: Simulator,
    stalls: int,
    jobs: int,
    scheduler: str | None,
    progress: Progress | None,
) -> CheckResult:
    began = built = time.perf_counter()
    few = LATENCY_FRAMES if simulator == "verilator" else 1
    first = tuple(array[:few] for array in integers)
    if scheduler is not None:
        from .cluster import run_on_cluster

        pieces = pieces_of(build.graph, len(integers[0]), stalls, MOST_JOBS)
        found = run_on_cluster(build, integers, pieces, first, scheduler, progress)
        (total, intervals), latencies = found
    else:
        run: Run
        if simulator == "verilator":
            run = partial(run_verilator, build, build_simulator(build, frames=len(integers[0])))
        else:
            run = partial(run_icarus if simulator == "icarus" else run_amaranth, build)
            jobs = 1
        built = time.perf_counter()
        pieces = pieces_of(build.graph, len(integers[0]), stalls, jobs)
        with ThreadPoolExecutor(jobs) as pool:
            total, intervals = run_pieces(build, run, integers, pieces, pool, progress)
        latencies = run(first, RunOptions(isolated=True)).latencies
    cycles = None
    if len(latencies):
        cycles = Cycles(
            int(latencies.min()),
            float(latencies.mean()),
            int(latencies.max()),
            float(np.mean(intervals)) if len(intervals) else 0.0,
            float(np.median(latencies)),
            float(np.median(intervals)) if len(intervals) else 0.0,
            int(np.max(intervals)) if len(intervals) else 0,
        )
    wall_s = {"build": built - began, "simulate": time.perf_counter() - built}
    return _result(simulator, total, cycles, labels, wall_s)


def _reference_only(build: Build, integers: tuple[Array, ...], labels: Array | None) -> CheckResult:
    began = time.perf_counter()
    classes = []
    count = len(integers[0])
    stream = reference.Stream()
    for part in chunks(build.graph, count):
        some = (array[part] for array in integers)
        values = reference.run(build.graph, *some, stream=stream)
        classes.append(reference.read_out(build.graph.outputs[0], values)[1])
    found = np.concatenate(classes)
    total = Comparison(count, 0, 0, [], found, np.zeros(0, np.int64))
    wall_s = {"build": 0.0, "simulate": time.perf_counter() - began}
    return _result("reference", total, None, labels, wall_s)


def _result(
    simulator: Simulator,
    total: Comparison,
    cycles: Cycles | None,
    labels: Array | None,
    wall_s: dict[str, float],
) -> CheckResult:
    def accuracy(classes: Array) -> float | None:
        if labels is None or len(classes) != len(labels):
            return None
        return 100.0 * float(np.mean(classes == labels))

    return CheckResult(
        simulator=simulator,
        frames=total.frames,
        nodes_checked=total.nodes_checked,
        mismatches=total.mismatches,
        differences=tuple(total.differences),
        cycles=cycles,
        reference_accuracy=accuracy(total.reference_classes),
        rtl_accuracy=accuracy(total.got_classes),
        classes=total.reference_classes if simulator == "reference" else total.got_classes,
        wall_s=wall_s,
    )
