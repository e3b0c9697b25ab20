"""A long simulation in pieces: ranges of frames that run side by side, merged as one run.

Every piece but the first begins with a few frames before its own, so that its hardware is as full
as in one long run when its own frames come: the interval between the last frame of one piece and
the first of the next is measured, and nothing is counted twice. (With random stalls the pauses are
others than in one run.) A streaming network is one piece: its state goes from frame to frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..emit import Build
from ..ir import Array, Graph
from ..ir.frames import output_format
from .capture import Capture
from .compare import Comparison, compare, words_per_frame
from .runs import Frames, RunOptions

PIECE_FRAMES = 1000
PIECE_VALUES = 64_000_000
"""Frames, and values that all nodes send, in one run of the simulator: bounds memory and disk."""

Run = Callable[[Frames, RunOptions], Capture]
Progress = Callable[[int, int], None]
"""Told (frames done, frames in all)."""


@dataclass(frozen=True)
class Piece:
    """Frames `start` .. `stop`, run behind `before` frames that only fill the hardware."""

    start: int
    stop: int
    before: int
    stall_seed: int


Compared = tuple[Comparison, Array]
"""What a piece found, and the cycles between the last words of neighbouring frames."""


def pieces_of(graph: Graph, frames: int, stalls: int, jobs: int) -> list[Piece]:
    """At least `jobs` pieces, where there are frames enough and no state between them."""
    values = sum(node.type.neurons * node.type.steps for node in graph.nodes)
    size = max(1, min(PIECE_FRAMES, PIECE_VALUES // values, -(-frames // jobs)))
    if graph.streaming:
        size = frames
    fill = len(graph.nodes) + 2  # a node works on one frame, and the ports hold some
    return [
        Piece(start, min(start + size, frames), min(fill, start), stalls + start if stalls else 0)
        for start in range(0, frames, size)
    ]


def run_piece(build: Build, run: Run, frames: Frames, piece: Piece) -> Compared:
    """Simulates and compares a piece; `frames` are its own and those before them."""
    capture = run(frames, RunOptions(stall_seed=piece.stall_seed))
    intervals = capture.intervals[max(0, piece.before - 1) :]
    own = tuple(array[piece.before :] for array in frames)
    rest = without_first(capture, build.graph, build.nodes, piece.before)
    return compare(build.graph, build.nodes, own, rest, piece.start), intervals


def without_first(
    capture: Capture, graph: Graph, nodes: list[dict[str, Any]], frames: int
) -> Capture:
    """What came of a run but for its first frames."""
    if not frames:
        return capture
    sizes = [output_format(graph, output).beats * frames for output in graph.outputs]
    ends = []
    for size, found in zip(sizes, capture.frame_ends, strict=True):
        later = found[frames:].copy()
        later[:, 0] -= size
        ends.append(later)
    return Capture(
        beats=tuple(sent[size:] for size, sent in zip(sizes, capture.beats, strict=True)),
        frame_ends=tuple(ends),
        frame_starts=tuple(starts[frames:] for starts in capture.frame_starts),
        nodes={
            node["node"]: capture.nodes[node["node"]][frames * words_per_frame(graph, node) :]
            for node in nodes
        },
        unknown=capture.unknown,
        cycles=capture.cycles,
        error=capture.error,
        timed_out=capture.timed_out,
    )


def cut(frames: Frames, piece: Piece) -> Frames:
    """The frames that a piece runs."""
    return tuple(array[piece.start - piece.before : piece.stop] for array in frames)


def merged(results: Iterator[Compared], frames: int, progress: Progress | None) -> Compared:
    """The results of all pieces, in their order, as of one run."""
    total: Comparison | None = None
    intervals = []
    for found, gaps in results:
        intervals.append(gaps)
        if total is None:
            total = found
        else:
            total.add(found)
        if progress is not None:
            progress(total.frames, frames)
    assert total is not None
    return total, np.concatenate(intervals)


def run_pieces(
    build: Build,
    run: Run,
    frames: Frames,
    pieces: list[Piece],
    executor: Executor,
    progress: Progress | None,
) -> Compared:
    """All pieces on the threads of `executor`, each a simulator of its own."""
    found = executor.map(lambda piece: run_piece(build, run, cut(frames, piece), piece), pieces)
    return merged(found, len(frames[0]), progress)
