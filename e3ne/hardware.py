"""A compiled network: its build folder, its answers, its simulation, its synthesis, its report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import reference, synthesis
from .boards import Board, board_from_table
from .check import CheckResult, Simulator, checked_labels, simulate
from .check.toggles import TOGGLE_FRAMES, count_toggles
from .data import checked_frames, chunks, encoded_inputs, first_frames, inputs_with_steps
from .emit import Build, load_build, load_graph
from .ir import Array, BadInput, Graph
from .ir.frames import is_image
from .ir.user_arrays import UserArrays, input_arrays
from .measure import float_accuracy, measure, warn_of_lost_accuracy
from .progress import Stages, Tell
from .report import merge_report, read_report, write_html
from .report.document import merged
from .report.toggles import toggle_figures
from .toolchain.process import DAY_S

FLOAT_FOLDER = "sim/float"  # the traced graph, before the integer line
DEQUANTIZED_FOLDER = "sim/dequantized"  # the float graph with the integer weights loaded back
BOARD_FILE = "synth/board.json"


@dataclass(frozen=True)
class Answers:
    """What leaves the network at its first output; `more` has the other outputs, in their order.

    `words` (frames, classes) and the class of each frame (frames,); of an image `words` (frames,
    *shape) and the largest channel of each pixel (frames, rows, columns).
    """

    words: Array
    classes: Array
    more: tuple[Answers, ...] = ()


@dataclass(frozen=True)
class Hardware:
    """A build on disk, its board, and the float graphs that it came from."""

    build: Build
    board: Board
    traced: Graph
    dequantized: Graph

    @property
    def folder(self) -> Path:
        """The build folder."""
        return self.build.folder

    @property
    def graph(self) -> Graph:
        """The mapped integer graph."""
        return self.build.graph

    def reference(self, x: UserArrays) -> Answers:
        """What the integer reference answers to real frames `x`, chunk by chunk.

        `x` is an array, or a tuple of them in the order of the inputs, or a dict by their names.
        """
        given = checked_frames("x", self._by_input(x))
        return answers(self.graph, encoded_inputs(self.graph.inputs, given.x))

    def simulate(
        self,
        x: UserArrays,
        labels: Array | None = None,
        *,
        frames: int | None = None,
        simulator: Simulator = "verilator",
        stalls: int = 0,
        jobs: int | None = None,
        scheduler: str | None = None,
        toggles: bool = False,
        progress: Tell | None = None,
    ) -> CheckResult:
        """Real frames `x` through the hardware, every word of every node against the reference.

        `x` is (frames, *shape) or (frames, steps, *shape); a tuple or a dict of such arrays where
        there are several inputs; axes of length 1 may be missing. `labels` int (frames,) are those
        of the first output, (frames, rows, columns) where it is an image. `frames` takes the first
        ones only (Icarus and Amaranth: two unless given). `stalls` is the seed of random pauses on
        all ports, 0 for none. `jobs` simulators run side by side (2 unless given), or
        as many as the workers of the Dask `scheduler` (tcp://host:port) have threads: the result
        is that of one. Accuracy, bit-exactness, cycles, activity and fidelity go into the report;
        with `toggles` (Verilator only) also how often registers change, on the first frames.
        The caller looks at `mismatches`, or calls `raise_for_mismatch`.
        """
        stages = Stages(progress)
        if toggles and simulator != "verilator":
            raise BadInput(
                f"--toggles: found simulator {simulator}, accepted verilator; leave one of them out"
            )
        some = first_frames(self._by_input(x), frames)
        given = checked_frames("data", some, _first(labels, frames))
        y = None if given.y is None else checked_labels(self.graph, given.y)
        integers = encoded_inputs(self.graph.inputs, given.x)
        with stages("simulate"):
            result = simulate(
                *(self.build, integers, y, frames, simulator, stalls, jobs),
                scheduler=scheduler,
                progress=lambda done, total: stages.tell("simulate", done, total),
            )
        with stages("measure"):
            part = self._measured(first_frames(given.x, result.frames), y, result, stages)
        if toggles:
            with stages("toggles"):
                part = merged(part, self._toggles(integers, result))
        merge_report(self.folder, {**part, "wall_s": {**stages.wall_s, **tool_times(result)}})
        return result

    def _toggles(self, integers: Sequence[Array], result: CheckResult) -> dict[str, Any]:
        """The figures of registers that change, counted on the first frames of a simulation."""
        some = tuple(array[: min(TOGGLE_FRAMES, result.frames)] for array in integers)
        assert result.cycles is not None
        found = count_toggles(self.build, some)
        return toggle_figures(self.graph, self.board, found, result.cycles.interval_mean)

    def _by_input(self, x: UserArrays) -> UserArrays:
        """The only array, or all of them by the names of their inputs."""
        arrays = input_arrays("x", self.graph.inputs, x)
        if len(arrays) == 1:
            return arrays[0]
        names = [source.name for source in self.graph.inputs]
        return dict(zip(names, arrays, strict=True))

    def _measured(
        self, x: UserArrays, y: Array | None, result: CheckResult, stages: Stages
    ) -> dict[str, Any]:
        """The figures of a simulation, and what the graphs say about the same frames."""
        real = inputs_with_steps(self.graph.inputs, x)
        part = {
            **measure(self.graph, self.dequantized, real, stages.tell),
            **simulation_figures(result),
        }
        if y is not None:
            labels = y[: result.frames]
            traced_real = inputs_with_steps(self.traced.inputs, x)
            exact = float_accuracy(self.traced, traced_real, labels, stages.tell)
            part["accuracy"] = {
                "float": round(exact, 3),
                "reference": _rounded(result.reference_accuracy),
                "rtl": _rounded(result.rtl_accuracy),
                "samples": result.frames,
            }
            if result.reference_accuracy is not None:
                warn_of_lost_accuracy(exact, result.reference_accuracy, result.frames)
        return part

    def compare_accuracy(
        self, x: UserArrays, labels: Array, progress: Tell | None = None
    ) -> dict[str, Any]:
        """`accuracy` of the report without a simulation: float and reference, on real frames `x`.

        `x` and `labels` are as of `simulate`. A warning says what to do where much is lost.
        """
        stages = Stages(progress)
        given = checked_frames("data", self._by_input(x), labels)
        assert given.y is not None
        y = checked_labels(self.graph, given.y)
        with stages("measure"):
            real = inputs_with_steps(self.traced.inputs, given.x)
            exact = float_accuracy(self.traced, real, y, stages.tell)
            found = answers(self.graph, encoded_inputs(self.graph.inputs, given.x)).classes
        percent = 100.0 * float((found == y).mean())
        warn_of_lost_accuracy(exact, percent, len(y))
        accuracy = {"float": round(exact, 3), "reference": round(percent, 3), "rtl": None}
        merge_report(self.folder, {"accuracy": {**accuracy, "samples": len(y)}})
        return {**accuracy, "samples": len(y)}

    def synthesize(
        self,
        seeds: int = 1,
        progress: Tell | None = None,
        jobs: int = 1,
        timeout_s: float = DAY_S,
        router: str | None = None,
    ) -> dict[str, Any]:
        """Yosys, then nextpnr `seeds` times (0: Yosys only), `jobs` at a time; the whole report.

        `timeout_s` and `router` are as of `synthesis.route`.
        A family that no packaged tool routes stops after Yosys as well, with a warning.
        DoesNotFit before routing where Yosys finds more than the part has; ToolError.
        """
        stages = Stages(progress)
        used = synthesis.synthesize(self.folder, self.build.verilog, self.board, stages)
        merge_report(self.folder, {"resources": {"synthesis": used}, "wall_s": stages.wall_s})
        if seeds and synthesis.is_routed(self.board):
            synthesis.check_fits(used, self.board)
            synthesis.check_pins(self.build.manifest["ports"], self.board)
            figures = synthesis.route(
                self.folder, self.board, seeds, stages, jobs, timeout_s, router
            )
            merge_report(self.folder, {**figures, "wall_s": stages.wall_s})
        return self.figures()

    def figures(self) -> dict[str, Any]:
        """The contents of report.json."""
        return read_report(self.folder)

    def report(self) -> dict[str, Any]:
        """Writes report.html; the contents of report.json."""
        write_html(self.folder)
        return self.figures()


def answers(graph: Graph, x: Sequence[Array]) -> Answers:
    """What `graph` (of any stage) answers to frames as its inputs take them, chunk by chunk."""
    parts = []
    stream = reference.Stream()
    for part in chunks(graph, len(x[0])):
        values = reference.run(graph, *(array[part] for array in x), stream=stream)
        parts.append([reference.read_out(output, values) for output in graph.outputs])
    found = []
    for place, output in enumerate(graph.outputs):
        type = graph.edge(output.source)
        words = np.concatenate([part[place][0] for part in parts])
        classes = np.concatenate([part[place][1] for part in parts])
        found.append(Answers(words.reshape(-1, *type.shape) if is_image(type) else words, classes))
    return replace(found[0], more=tuple(found[1:]))


def simulation_figures(result: CheckResult) -> dict[str, Any]:
    """`bit_exact` and `cycles` of report.json; nothing where no hardware ran."""
    if result.cycles is None:
        return {}
    return {
        "bit_exact": {
            "simulator": result.simulator,
            "frames": result.frames,
            "nodes_checked": result.nodes_checked,
            "mismatches": result.mismatches,
        },
        "cycles": {
            "latency_min": result.cycles.latency_min,
            "latency_mean": round(result.cycles.latency_mean, 2),
            "latency_p50": round(result.cycles.latency_p50, 2),
            "latency_max": result.cycles.latency_max,
            "interval_mean": round(result.cycles.interval_mean, 2),
            "interval_p50": round(result.cycles.interval_p50, 2),
            "interval_max": result.cycles.interval_max,
        },
    }


def tool_times(result: CheckResult) -> dict[str, float]:
    """Seconds of the simulator's build and run, by the report's names."""
    return {f"simulate_{name}": round(spent, 3) for name, spent in result.wall_s.items()}


def _first(labels: Array | None, frames: int | None) -> Array | None:
    return None if labels is None else np.asarray(labels)[:frames]


def _rounded(percent: float | None) -> float | None:
    return None if percent is None else round(percent, 3)


def open_build(folder: str | Path) -> Hardware:
    """The compiled network in a build folder; BadInput where it is not whole."""
    build = load_build(Path(folder))
    read_report(build.folder)
    path = build.folder / BOARD_FILE
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: found no board ({error}); compile again") from error
    board = board_from_table(str(build.manifest["board"]), table, str(path))
    traced = load_graph(build.folder / FLOAT_FOLDER)
    return Hardware(build, board, traced, load_graph(build.folder / DEQUANTIZED_FOLDER))
