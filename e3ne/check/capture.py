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
from ..ir import Array


@dataclass(frozen=True)
class Capture:
    """Everything that came out of one run.

    `words` are the output words, int64 (words,), `frame_ends` (frames, 2) the count of words so
    far and the cycle at each output frame's last word, `frame_starts` (frames,) the cycle that
    took each frame's first beat. `nodes` has for each node uint8 (words, bytes). `unknown` names
    the first word of a node that has unknown bits. `error` is the port, `timed_out` says that
    nothing moved any more.
    """

    words: Array
    frame_ends: Array
    frame_starts: Array
    nodes: dict[str, Array]
    unknown: dict[str, int]
    cycles: int
    error: bool
    timed_out: bool

    @property
    def latencies(self) -> Array:
        """Cycles of each frame, those of its first beat and its last word included."""
        frames = min(len(self.frame_ends), len(self.frame_starts))
        return self.frame_ends[:frames, 1] - self.frame_starts[:frames] + 1

    @property
    def intervals(self) -> Array:
        """Cycles between the last words of neighbouring frames."""
        return np.diff(self.frame_ends[:, 1])


def read_harness(folder: Path, nodes: list[dict[str, Any]]) -> Capture:
    """What the C++ harness wrote into `folder`."""
    summary = dict(line.split() for line in (folder / "summary.txt").read_text().splitlines())
    ends = np.fromfile(folder / "frames.bin", "<u8").astype(np.int64).reshape(-1, 2)
    ends[:, 0] = np.cumsum(ends[:, 0])
    recorded = {}
    for index, node in enumerate(nodes):
        size = word_bytes(node["lanes"], node["steps"], node["bits"])
        recorded[node["node"]] = np.fromfile(folder / f"node_{index}.bin", np.uint8).reshape(
            -1, size
        )
    return Capture(
        words=np.fromfile(folder / "words.bin", "<i4").astype(np.int64),
        frame_ends=ends,
        frame_starts=np.fromfile(folder / "starts.bin", "<u8").astype(np.int64),
        nodes=recorded,
        unknown={},
        cycles=int(summary["cycles"]),
        error=summary["error"] != "0",
        timed_out=summary["timed_out"] != "0",
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
    words = np.array(found["words"], np.int64)
    return Capture(
        words=words - ((words >> 31) << 32),
        frame_ends=np.array(found["frame_ends"], np.int64).reshape(-1, 2),
        frame_starts=np.array(found["frame_starts"], np.int64),
        nodes=recorded,
        unknown=unknown,
        cycles=found["cycles"],
        error=found["error"],
        timed_out=found["timed_out"],
    )


def discard(folder: Path) -> None:
    """Removes the records of a run that has been compared."""
    shutil.rmtree(folder, ignore_errors=True)
