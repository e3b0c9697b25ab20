"""A compiled network: its build folder, its answers, its simulation, its synthesis, its report."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import reference, synthesis
from .boards import Board, board_from_table
from .check import CheckResult, Simulator, simulate
from .data import Frames, checked_frames, chunks, encoded, with_steps
from .emit import Build, load_build, load_graph
from .ir import Array, BadInput, Graph, text
from .measure import float_accuracy, measure
from .progress import Stages, Tell
from .report import merge_report, read_report, write_html

FLOAT_FOLDER = "sim/float"  # the traced graph, before the integer line
DEQUANTIZED_FOLDER = "sim/dequantized"  # the float graph with the integer weights loaded back
BOARD_FILE = "synth/board.json"


@dataclass(frozen=True)
class Answers:
    """What leaves the network: words (frames, classes) and the class of each frame (frames,)."""

    words: Array
    classes: Array


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

    def reference(self, x: Array) -> Answers:
        """What the integer reference answers to real frames `x`, chunk by chunk."""
        return answers(self.graph, encoded(self.graph.inputs[0], checked_frames("x", x).x))

    def simulate(
        self,
        x: Array,
        labels: Array | None = None,
        *,
        frames: int | None = None,
        simulator: Simulator = "verilator",
        stalls: int = 0,
        progress: Tell | None = None,
    ) -> CheckResult:
        """Real frames `x` through the hardware, every word of every node against the reference.

        `x` is (frames, *shape) or (frames, steps, *shape), `labels` int (frames,); `frames` takes
        the first ones only (Icarus and Amaranth: two unless given). `stalls` is the seed of random
        pauses on both sides, 0 for none. Accuracy, bit-exactness, cycles, activity and fidelity go
        into the report. The caller looks at `mismatches`, or calls `raise_for_mismatch`.
        """
        stages = Stages(progress)
        given = checked_frames("data", np.asarray(x)[:frames], _first(labels, frames))
        self._check_labels(given.y)
        integers = encoded(self.graph.inputs[0], given.x)
        with stages("simulate"):
            result = simulate(
                *(self.build, integers, given.y, frames, simulator, stalls),
                progress=lambda done, total: stages.tell("simulate", done, total),
            )
        with stages("measure"):
            part = self._measured(given, result, stages)
        merge_report(self.folder, {**part, "wall_s": {**stages.wall_s, **tool_times(result)}})
        return result

    def _check_labels(self, labels: Array | None) -> None:
        """BadInput where a label is no class of the output."""
        classes = self.graph.node(self.graph.outputs[0].source).type.neurons
        if labels is not None and (labels.min() < 0 or labels.max() >= classes):
            raise BadInput(
                f"data: y: found labels {labels.min()} .. {labels.max()}, accepted 0 .. "
                f"{classes - 1}, one of {classes} classes; count the labels from 0"
            )

    def _measured(self, given: Frames, result: CheckResult, stages: Stages) -> dict[str, Any]:
        """The figures of a simulation, and what the graphs say about the same frames."""
        real = with_steps(self.graph.inputs[0], given.x[: result.frames])
        part = {
            **measure(self.graph, self.dequantized, real, stages.tell),
            **simulation_figures(result),
        }
        if given.y is not None:
            labels = given.y[: result.frames]
            traced_real = with_steps(self.traced.inputs[0], given.x[: result.frames])
            part["accuracy"] = {
                "float": round(float_accuracy(self.traced, traced_real, labels, stages.tell), 3),
                "reference": _rounded(result.reference_accuracy),
                "rtl": _rounded(result.rtl_accuracy),
                "samples": result.frames,
            }
        return part

    def synthesize(self, seeds: int = 1, progress: Tell | None = None) -> dict[str, Any]:
        """Yosys, then nextpnr `seeds` times (0: Yosys only); the whole report.

        DoesNotFit before routing where Yosys finds more than the part has; ToolError.
        """
        stages = Stages(progress)
        used = synthesis.synthesize(self.folder, self.build.verilog, self.board, stages)
        merge_report(self.folder, {"resources": {"synthesis": used}, "wall_s": stages.wall_s})
        if seeds:
            synthesis.check_fits(used, self.board)
            synthesis.check_pins(self.build.manifest["ports"], self.board)
            figures = synthesis.route(self.folder, self.board, seeds, stages)
            merge_report(self.folder, {**figures, "wall_s": stages.wall_s})
        return self.figures()

    def figures(self) -> dict[str, Any]:
        """The contents of report.json."""
        return read_report(self.folder)

    def report(self) -> dict[str, Any]:
        """Writes report.html; the contents of report.json."""
        write_html(self.folder)
        return self.figures()


def answers(graph: Graph, x: Array) -> Answers:
    """What `graph` (of any stage) answers to frames as its input takes them, chunk by chunk."""
    words, classes = [], []
    for part in chunks(graph, len(x)):
        values = reference.run(graph, x[part])
        some_words, some_classes = reference.read_out(graph.outputs[0], values)
        words.append(some_words)
        classes.append(some_classes)
    return Answers(np.concatenate(words), np.concatenate(classes))


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
            "latency_max": result.cycles.latency_max,
            "interval_mean": round(result.cycles.interval_mean, 2),
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


def graph_summary(graph: Graph) -> dict[str, Any]:
    """Size and text of a graph for the report."""
    weights = [getattr(s.op, "weight", None) for node in graph.nodes for s in node.synapses]
    return {
        "nodes": len(graph.nodes),
        "neurons": sum(node.type.neurons for node in graph.nodes),
        "weights": sum(weight.size for weight in weights if weight is not None),
        "text": text(graph),
    }
