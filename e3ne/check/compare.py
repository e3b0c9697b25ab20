"""Compares what the hardware sent with the reference: every word of every node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import reference
from ..data import chunks
from ..emit.packing import unpack_words
from ..emit.vectors import node_words, output_classes, output_words
from ..ir import Array, Graph
from ..ir.frames import (
    OutputFormat,
    from_output_beats,
    output_format,
    output_ports,
    to_output_beats,
)
from ..ir.order import from_words
from ..ir.user_arrays import UserArrays, input_arrays
from .capture import Capture

OUTPUT = "output"


@dataclass(frozen=True)
class Difference:
    """The first place of a node (or of the output words) where hardware and reference differ.

    `index` is the neuron's index in the node's shape, or the place of an output word. `note`
    replaces `expected` and `got` where whole words are missing, unknown or too many.
    """

    node: str
    frame: int
    step: int
    index: tuple[int, ...]
    expected: int
    got: int
    note: str = ""

    def __str__(self) -> str:
        if self.note:
            return f"{self.node}: {self.note}"
        index = ", ".join(map(str, self.index))
        return (
            f"{self.node}: frame {self.frame}, step {self.step}, index ({index}): "
            f"expected {self.expected}, got {self.got}"
        )


@dataclass
class Comparison:
    """Result of a comparison; results of several frame ranges add up.

    `mismatches` counts values (neurons times steps, and output words); `differences` has the
    first one of each node that differs, in graph order, the outputs last. The classes are those
    of the first output: (frames,), or (frames, rows, columns) of an image; -1 where none came.
    """

    frames: int
    nodes_checked: int
    mismatches: int
    differences: list[Difference]
    reference_classes: Array
    got_classes: Array

    def add(self, other: Comparison) -> None:
        """Takes in the result of the frames that follow."""
        self.frames += other.frames
        self.mismatches += other.mismatches
        known = {difference.node for difference in self.differences}
        self.differences += [d for d in other.differences if d.node not in known]
        self.reference_classes = np.concatenate([self.reference_classes, other.reference_classes])
        self.got_classes = np.concatenate([self.got_classes, other.got_classes])


def compare(
    graph: Graph,
    nodes: list[dict[str, Any]],
    frames: UserArrays,
    capture: Capture,
    first_frame: int = 0,
) -> Comparison:
    """Compares a run over integer `frames` (frames, steps, *shape) with the reference.

    `frames` is a tuple where the graph has several inputs; `nodes` are the word layouts of the
    manifest; `first_frame` is the number of frame 0 in messages.
    """
    arrays = input_arrays("frames", graph.inputs, frames)
    count = len(arrays[0])
    total: Comparison | None = None
    stream = reference.Stream()
    for part in chunks(graph, count):
        values = reference.run(graph, *(array[part] for array in arrays), stream=stream)
        found = _compare_chunk(graph, nodes, values, part.start, first_frame, capture)
        if total is None:
            total = found
        else:
            total.add(found)
    assert total is not None, "no frames to compare"
    for difference, lost in _count_problems(graph, nodes, count, capture, first_frame):
        total.mismatches += lost
        if difference.node not in {known.node for known in total.differences}:
            total.differences.append(difference)
    order = [node["node"] for node in nodes] + output_labels(graph)
    total.differences.sort(key=lambda difference: order.index(difference.node))
    return total


def output_labels(graph: Graph) -> list[str]:
    """What messages call each output: `output`, or `output <node>` where there are several."""
    if len(graph.outputs) == 1:
        return [OUTPUT]
    return [f"{OUTPUT} {port.removeprefix('m_axis_')}" for port in output_ports(graph)]


def words_per_frame(graph: Graph, node: dict[str, Any]) -> int:
    """Words that a node sends for one frame."""
    type = graph.edge(node["node"])
    return int(type.neurons * type.steps // (node["lanes"] * node["steps"]))


def _compare_chunk(
    graph: Graph,
    nodes: list[dict[str, Any]],
    values: dict[str, Array],
    start: int,
    first_frame: int,
    capture: Capture,
) -> Comparison:
    """The words of the frames from `start` on, for which the reference found `values`."""
    count = len(values[graph.inputs[0].name])
    differences = []
    mismatches = 0
    for node in nodes:
        expected = node_words(graph, node, values)
        offset = start * words_per_frame(graph, node)
        got = capture.nodes[node["node"]][offset : offset + len(expected)]
        if len(got) == len(expected) and np.array_equal(got, expected):
            continue
        wrong, first = _differing_values(graph, node, expected, got)
        mismatches += wrong
        if first is not None:
            differences.append(replace(first, frame=first_frame + start + first.frame))
    classes = []
    for place, (label, output) in enumerate(zip(output_labels(graph), graph.outputs, strict=True)):
        form = output_format(graph, output)
        words = output_words(graph, output, values)
        size = form.beats
        got = capture.beats[place][start * size : (start + count) * size]
        wrong, first = _differing_beats(label, form, to_output_beats(form, words), got)
        mismatches += wrong
        if first is not None:
            differences.append(replace(first, frame=first_frame + start + first.frame))
        if place == 0:
            whole = len(got) // size
            wanted = output_classes(graph, output, words)
            found = np.full(wanted.shape, -1, np.int64)
            came = from_output_beats(form, got[: whole * size].reshape(-1, size))
            found[:whole] = output_classes(graph, output, came)
            classes = [wanted, found]
    return Comparison(count, len(nodes), mismatches, differences, *classes)


def _differing_beats(
    label: str, form: OutputFormat, expected: Array, got: Array
) -> tuple[int, Difference | None]:
    """(differing output beats, the first one) of the beats that came.

    The index is that of the word, and of the beat in it where it has several.
    """
    flat = expected.reshape(-1)
    wrong = np.flatnonzero(got != flat[: len(got)])
    if not len(wrong):
        return 0, None
    frame, beat = divmod(int(wrong[0]), expected.shape[1])
    want, have = int(flat[wrong[0]]), int(got[wrong[0]])
    if form.beats_per_word > 1:
        index: tuple[int, ...] = divmod(beat, form.beats_per_word)
        return len(wrong), Difference(label, frame, 0, index, want, have)
    if not form.class_only:
        want, have = (value - (value >> 31 << 32) for value in (want, have))
    return len(wrong), Difference(label, frame, 0, (beat,), want, have)


def _differing_values(
    graph: Graph, node: dict[str, Any], expected: Array, got: Array
) -> tuple[int, Difference | None]:
    """(differing values, the first one in frame, step, index order) of the words in both."""
    name, type = node["node"], graph.edge(node["node"])
    per_frame = words_per_frame(graph, node)
    layout = (node["lanes"], node["steps"], node["bits"], node["signed"])
    padded = expected.copy()
    padded[: len(got)] = got

    def decoded(packed: Array) -> Array:
        words = unpack_words(packed, *layout)
        by_frame = words.reshape(-1, per_frame, node["lanes"], node["steps"])
        return from_words(by_frame, type.shape, type.steps)

    want, have = decoded(expected), decoded(padded)
    places = np.argwhere(want != have)
    if not len(places):
        return 0, None
    first = tuple(int(k) for k in places[0])
    return len(places), Difference(
        name, first[0], first[1], first[2:], int(want[first]), int(have[first])
    )


def _count_problems(
    graph: Graph, nodes: list[dict[str, Any]], frames: int, capture: Capture, first_frame: int
) -> Iterator[tuple[Difference, int]]:
    """(difference, values lost or too many) where words are missing, unknown or too many."""
    for node in nodes:
        name = node["node"]
        wanted = frames * words_per_frame(graph, node)
        found = len(capture.nodes[name])
        elements = node["lanes"] * node["steps"]
        if name in capture.unknown:
            note = f"word {capture.unknown[name]} has unknown bits"
            yield Difference(name, first_frame, 0, (), 0, 0, note), 1
        if found != wanted:
            note = f"found {found} words in {frames} frames, accepted {wanted}"
            yield Difference(name, first_frame, 0, (), 0, 0, note), abs(found - wanted) * elements
    for place, (label, output) in enumerate(zip(output_labels(graph), graph.outputs, strict=True)):
        beats, ends = capture.beats[place], capture.frame_ends[place]
        form = output_format(graph, output)
        size = form.beats
        unit = "words" if form.beats_per_word == 1 else "beats"
        places = (np.arange(len(ends)) + 1) * size
        if len(beats) != frames * size or not np.array_equal(ends[:, 0], places):
            note = (
                f"found {len(beats)} {unit} in {len(ends)} frames, accepted {frames * size} in "
                f"{frames}"
            )
            lost = max(1, abs(len(beats) - frames * size))
            yield Difference(label, first_frame, 0, (), 0, 0, note), lost
    if capture.error:
        note = "found error raised, accepted frames of the right length only"
        yield Difference(output_labels(graph)[0], first_frame, 0, (), 0, 0, note), 1
