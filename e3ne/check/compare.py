"""Compares what the hardware sent with the reference: every word of every node."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import reference
from ..data import chunks
from ..emit.packing import unpack_words
from ..emit.vectors import node_words, output_words
from ..ir import Array, Graph
from ..ir.order import from_words
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
    first one of each node that differs, in graph order, the output last.
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
    graph: Graph, nodes: list[dict[str, Any]], frames: Array, capture: Capture, first_frame: int = 0
) -> Comparison:
    """Compares a run over integer `frames` (frames, steps, *shape) with the reference.

    `nodes` are the word layouts of the manifest; `first_frame` is the number of frame 0 in
    messages.
    """
    total = Comparison(0, len(nodes), 0, [], np.zeros(0, np.int64), np.zeros(0, np.int64))
    for part in chunks(graph, len(frames)):
        total.add(_compare_chunk(graph, nodes, frames[part], part.start, first_frame, capture))
    for difference, count in _count_problems(graph, nodes, len(frames), capture, first_frame):
        total.mismatches += count
        if difference.node not in {known.node for known in total.differences}:
            total.differences.append(difference)
    order = [node["node"] for node in nodes] + [OUTPUT]
    total.differences.sort(key=lambda difference: order.index(difference.node))
    return total


def words_per_frame(graph: Graph, node: dict[str, Any]) -> int:
    """Words that a node sends for one frame."""
    type = graph.edge(node["node"])
    return int(type.neurons * type.steps // (node["lanes"] * node["steps"]))


def _compare_chunk(
    graph: Graph,
    nodes: list[dict[str, Any]],
    frames: Array,
    start: int,
    first_frame: int,
    capture: Capture,
) -> Comparison:
    values = reference.run(graph, frames)
    expected_words = output_words(graph, values)
    result = Comparison(
        len(frames), len(nodes), 0, [], expected_words[:, -1], np.zeros(0, np.int64)
    )
    for node in nodes:
        expected = node_words(graph, node, values)
        offset = start * words_per_frame(graph, node)
        got = capture.nodes[node["node"]][offset : offset + len(expected)]
        if len(got) == len(expected) and np.array_equal(got, expected):
            continue
        count, first = _differing_values(graph, node, expected, got)
        result.mismatches += count
        if first is not None:
            frame = first_frame + start + first.frame
            result.differences.append(
                Difference(first.node, frame, first.step, first.index, first.expected, first.got)
            )
    width = expected_words.shape[1]
    got_words = capture.words[start * width : (start + len(frames)) * width]
    flat = expected_words.reshape(-1)
    wrong = np.flatnonzero(got_words != flat[: len(got_words)])
    if len(wrong):
        result.mismatches += len(wrong)
        frame, word = divmod(int(wrong[0]), width)
        result.differences.append(
            Difference(
                OUTPUT,
                first_frame + start + frame,
                0,
                (word,),
                int(flat[wrong[0]]),
                int(got_words[wrong[0]]),
            )
        )
    whole = len(got_words) // width
    result.got_classes = np.full(len(frames), -1, np.int64)
    result.got_classes[:whole] = got_words[: whole * width].reshape(whole, width)[:, -1]
    return result


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
    width = math.prod(graph.edge(graph.outputs[0].source).shape) + 1
    ends = (np.arange(len(capture.frame_ends)) + 1) * width
    if len(capture.words) != frames * width or not np.array_equal(capture.frame_ends[:, 0], ends):
        note = (
            f"found {len(capture.words)} words in {len(capture.frame_ends)} frames, accepted "
            f"{frames * width} in {frames}"
        )
        lost = abs(len(capture.words) - frames * width)
        yield Difference(OUTPUT, first_frame, 0, (), 0, 0, note), max(1, lost)
    if capture.error:
        note = "found error raised, accepted frames of the right length only"
        yield Difference(OUTPUT, first_frame, 0, (), 0, 0, note), 1
