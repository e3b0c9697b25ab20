"""What a simulation of e3ne_top has shown, in one form for every simulator."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..emit.packing import word_bytes
from ..emit.stream_driver import UNKNOWN
from ..ir import Array, Graph


@dataclass(frozen=True)
class Capture:
    """Everything that came out of one run.

    For each output of the graph: `beats` int64 (beats,), unsigned, `frame_ends` (frames, 2) the
    count of beats so far and the cycle at each output frame's last one. For each input:
    `frame_starts` (frames,) the cycle that took each frame's first beat. `nodes` has for each node
    uint8 (words, bytes). `unknown` names the first word of a node that has unknown bits. `error`
    is the port, `timed_out` says that nothing moved any more. `said` is what the simulator wrote.
    """

    beats: tuple[Array, ...]
    frame_ends: tuple[Array, ...]
    frame_starts: tuple[Array, ...]
    nodes: dict[str, Array]
    unknown: dict[str, int]
    cycles: int
    error: bool
    timed_out: bool
    said: str = ""

    @property
    def latencies(self) -> Array:
        """Cycles of each frame, its first beat of all inputs and its last word of all outputs
        included."""
        frames = min(map(len, (*self.frame_starts, self.last_words)))
        starts: Array = np.min([starts[:frames] for starts in self.frame_starts], axis=0)
        return self.last_words[:frames] - starts + 1

    @property
    def intervals(self) -> Array:
        """Cycles between the last words of neighbouring frames."""
        return np.diff(self.last_words)

    @property
    def last_words(self) -> Array:
        """(frames,) the cycle in which each frame's last word left, of all outputs."""
        frames = min(map(len, self.frame_ends))
        last: Array = np.max([ends[:frames, 1] for ends in self.frame_ends], axis=0)
        return last


def read_harness(
    folder: Path, graph: Graph, nodes: list[dict[str, Any]], said: str = ""
) -> Capture:
    """What the C++ harness wrote into `folder`, and `said` on its way."""
    summary = dict(line.split() for line in (folder / "summary.txt").read_text().splitlines())
    ends = [
        np.fromfile(folder / f"frames_{k}.bin", "<u8").astype(np.int64).reshape(-1, 2)
        for k in range(len(graph.outputs))
    ]
    for counts in ends:
        counts[:, 0] = np.cumsum(counts[:, 0])
    recorded = {}
    for index, node in enumerate(nodes):
        size = word_bytes(node["lanes"], node["steps"], node["bits"])
        recorded[node["node"]] = np.fromfile(folder / f"node_{index}.bin", np.uint8).reshape(
            -1, size
        )
    return Capture(
        beats=tuple(
            np.fromfile(folder / f"answers_{k}.bin", "<u4").astype(np.int64)
            for k in range(len(graph.outputs))
        ),
        frame_ends=tuple(ends),
        frame_starts=tuple(
            np.fromfile(folder / f"starts_{k}.bin", "<u8").astype(np.int64)
            for k in range(len(graph.inputs))
        ),
        nodes=recorded,
        unknown={},
        cycles=int(summary["cycles"]),
        error=summary["error"] != "0",
        timed_out=summary["timed_out"] != "0",
        said=said,
    )


def read_driver(folder: Path, nodes: list[dict[str, Any]]) -> Capture:
    """What `StreamDriver.write` left in `folder`."""
    found = json.loads((folder / "captured.json").read_text())
    recorded, unknown = {}, {}
    for node in nodes:
        name = node["node"]
        size = word_bytes(node["lanes"], node["steps"], node["bits"])
        sent = [int(word, 16) for word in found["nodes"][name]]
        if UNKNOWN in sent:
            unknown[name] = sent.index(UNKNOWN)
        packed = b"".join(max(word, 0).to_bytes(size, "little") for word in sent)
        recorded[name] = np.frombuffer(packed, np.uint8).reshape(-1, size)
    return Capture(
        beats=tuple(np.array(sent, np.int64) for sent in found["beats"]),
        frame_ends=tuple(np.array(ends, np.int64).reshape(-1, 2) for ends in found["frame_ends"]),
        frame_starts=tuple(np.array(starts, np.int64) for starts in found["frame_starts"]),
        nodes=recorded,
        unknown=unknown,
        cycles=found["cycles"],
        error=found["error"],
        timed_out=found["timed_out"],
    )


def discard(folder: Path) -> None:
    """Removes the records of a run that has been compared."""
    shutil.rmtree(folder, ignore_errors=True)
