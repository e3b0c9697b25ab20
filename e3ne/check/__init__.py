"""Does the hardware compute the same numbers? Every word of every node against the reference."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from .. import reference
from ..data import chunks
from ..emit import Build
from ..ir import Array, BadInput, Graph, Mismatch
from ..ir.frames import is_image
from ..ir.user_arrays import UserArrays, input_arrays
from .compare import Comparison, Difference, compare
from .runs import RunOptions, build_simulator, run_amaranth, run_icarus, run_verilator

logger = logging.getLogger(__name__)

Simulator = Literal["verilator", "icarus", "amaranth", "reference"]
SIMULATORS: tuple[Simulator, ...] = ("verilator", "icarus", "amaranth", "reference")
SLOW_FRAMES = 2
"""Frames that Icarus and Amaranth's simulator run where nobody asks for a number."""

LATENCY_FRAMES = 16
PIECE_FRAMES = 1000
PIECE_VALUES = 64_000_000
"""Frames, and values that all nodes send, in one run of the simulator: bounds memory and disk."""

Progress = Callable[[int, int], None]
"""Told (frames done, frames in all)."""


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
    jobs: int = 2,
    progress: Progress | None = None,
) -> CheckResult:
    """Runs integer frames through the build's hardware and compares all with the reference.

    `x` are integers (frames, steps, *shape) of the input's type, or (frames, *shape) where it has
    one step (`reference.encode_input` makes them of real samples); a tuple or a dict of them where
    there are several inputs. `y` are labels of the first output: (frames,), or (frames, rows,
    columns) of an image. `frames` takes the first ones only (Icarus and Amaranth: 2 unless given).
    `stalls` is the seed of random pauses on all ports, 0 for none. `jobs` simulations run side by
    side. BadInput where `x` is not what the inputs take; ToolError where a tool fails.
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
    if simulator == "reference":
        return _reference_only(build, integers, labels)
    return _simulate(build, integers, labels, simulator, stalls, jobs, progress)


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
    progress: Progress | None,
) -> CheckResult:
    began = time.perf_counter()
    run: Callable[[tuple[Array, ...], RunOptions], Any]
    if simulator == "verilator":
        run = partial(run_verilator, build, build_simulator(build))
    else:
        run = partial(run_icarus if simulator == "icarus" else run_amaranth, build)
        jobs = 1
    built = time.perf_counter()
    total, intervals = _compare_pieces(build, integers, run, stalls, jobs, progress)
    few = LATENCY_FRAMES if simulator == "verilator" else 1
    alone = run(tuple(array[:few] for array in integers), RunOptions(isolated=True))
    latencies = alone.latencies
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


def _compare_pieces(
    build: Build,
    integers: tuple[Array, ...],
    run: Callable[[tuple[Array, ...], RunOptions], Any],
    stalls: int,
    jobs: int,
    progress: Progress | None,
) -> tuple[Comparison, Array]:
    """Simulates and compares range after range of frames, `jobs` at a time.

    All frames of a streaming network at once: they follow each other from one reset on.
    """
    values = sum(node.type.neurons * node.type.steps for node in build.graph.nodes)
    count = len(integers[0])
    size = max(1, min(PIECE_FRAMES, PIECE_VALUES // values, -(-count // jobs)))
    if build.graph.streaming:
        size = count
    starts = range(0, count, size)

    def piece(start: int) -> tuple[Comparison, Array]:
        part = tuple(array[start : start + size] for array in integers)
        capture = run(part, RunOptions(stall_seed=stalls + start if stalls else 0))
        return compare(build.graph, build.nodes, part, capture, start), capture.intervals

    total: Comparison | None = None
    intervals = []
    with ThreadPoolExecutor(jobs) as pool:
        for found, gaps in pool.map(piece, starts):
            intervals.append(gaps)
            if total is None:
                total = found
            else:
                total.add(found)
            if progress is not None:
                progress(total.frames, count)
    assert total is not None
    return total, np.concatenate(intervals)


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
