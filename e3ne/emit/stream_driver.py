"""Drives and watches the ports of e3ne_top, one clock cycle at a time; needs only Python.

A copy stands in every build (`sim/stream_driver.py`) for the cocotb bench; `e3ne.check` uses the
same code with Amaranth's simulator.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

DRAIN_CYCLES = 64
UNKNOWN = -1
"""Stands for a word with bits that the simulator does not know (x or z)."""


@dataclass(frozen=True)
class ProbeBits:
    """Where a node's word lies in probe_data."""

    node: str
    offset_bits: int
    width_bits: int


@dataclass(frozen=True)
class Inputs:
    """What to put on the input ports for one cycle."""

    s_axis_tvalid: int
    s_axis_tdata: int
    s_axis_tlast: int
    m_axis_tready: int


@dataclass
class Stalls:
    """Random pauses whose density changes now and then; none where the seed is 0."""

    seed: int
    left: int = 0
    density: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def pause(self) -> bool:
        """Whether to pause in this cycle."""
        if self.seed == 0:
            return False
        if self.left == 0:
            self.left = self.random.randrange(1, 64)
            self.density = self.random.randrange(8)
        self.left -= 1
        return self.random.randrange(8) < self.density


@dataclass
class StreamDriver:
    """Call `inputs`, let the design settle, call `sample`, then give it a clock edge.

    `beats` are (tdata, tlast); `frames` is how many frames will come out. `words` collects the
    output words, `frame_ends` (words so far, cycle) of every output frame, `frame_starts` the
    cycle that took each first beat, `node_words` the words of every node in order.
    """

    beats: Sequence[tuple[int, bool]]
    frames: int
    probes: Sequence[ProbeBits]
    stall_seed: int = 0
    isolated: bool = False
    idle_limit: int = 200_000
    cycle: int = 0
    timed_out: bool = False
    words: list[int] = field(default_factory=list)
    frame_ends: list[tuple[int, int]] = field(default_factory=list)
    frame_starts: list[int] = field(default_factory=list)
    node_words: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.node_words = [[] for _ in self.probes]
        self.sent = self.frames_sent = self.idle = self.drained = 0
        self.offered = self.ready = False
        self.source_stalls = Stalls(self.stall_seed)
        self.sink_stalls = Stalls(self.stall_seed + 1 if self.stall_seed else 0)

    @property
    def done(self) -> bool:
        """Everything has come out (and nothing more for a while), or nothing moves any more."""
        return self.timed_out or self.drained >= DRAIN_CYCLES

    def inputs(self) -> Inputs:
        """The input ports of the coming cycle."""
        first = self.sent == 0 or (self.sent < len(self.beats) and self.beats[self.sent - 1][1])
        held = self.isolated and first and len(self.frame_ends) < self.frames_sent
        if not self.offered and self.sent < len(self.beats) and not held:
            self.offered = not self.source_stalls.pause()
        self.ready = not self.sink_stalls.pause()
        data, last = self.beats[self.sent] if self.offered else (0, False)
        return Inputs(int(self.offered), data, int(last), int(self.ready))

    def sample(
        self,
        s_axis_tready: bool,
        m_axis_tvalid: bool,
        m_axis_tdata: Callable[[], int],
        m_axis_tlast: Callable[[], bool],
        probe_strobe: int,
        probe_bits: Callable[[], str],
    ) -> None:
        """What the ports show before the clock edge; `probe_bits` has the highest bit first."""
        moved = probe_strobe != 0
        if self.offered and s_axis_tready:
            if self.sent == 0 or self.beats[self.sent - 1][1]:
                self.frame_starts.append(self.cycle)
            self.frames_sent += self.beats[self.sent][1]
            self.sent += 1
            self.offered, moved = False, True
        if m_axis_tvalid and self.ready:
            self.words.append(m_axis_tdata())
            if m_axis_tlast():
                self.frame_ends.append((len(self.words), self.cycle))
            moved = True
        if probe_strobe:
            bits = probe_bits()
            for index, probe in enumerate(self.probes):
                if probe_strobe >> index & 1:
                    end = len(bits) - probe.offset_bits
                    word = bits[end - probe.width_bits : end]
                    known = set(word) <= {"0", "1"}
                    self.node_words[index].append(int(word, 2) if known else UNKNOWN)
        self.cycle += 1
        self.idle = 0 if moved else self.idle + 1
        self.timed_out = self.idle > self.idle_limit
        if self.sent == len(self.beats) and len(self.frame_ends) >= self.frames:
            self.drained += 1

    def write(self, folder: str | Path, error: bool) -> None:
        """Everything that was seen, as `captured.json` in `folder`."""
        captured = {
            "words": self.words,
            "frame_ends": self.frame_ends,
            "frame_starts": self.frame_starts,
            "cycles": self.cycle,
            "error": error,
            "timed_out": self.timed_out,
            "nodes": {
                probe.node: [f"{word:x}" for word in words]
                for probe, words in zip(self.probes, self.node_words, strict=True)
            },
        }
        Path(folder, "captured.json").write_text(json.dumps(captured))


@dataclass(frozen=True)
class Vectors:
    """Golden vectors: beats of the input, words of the output, words of every node."""

    beats: list[tuple[int, bool]]
    frames: int
    probes: list[ProbeBits]
    words: list[int]
    node_words: list[list[int]]

    @classmethod
    def read(cls, folder: str | Path) -> Vectors:
        """Reads `vectors.json` (numbers in hexadecimal) from `folder`."""
        found = json.loads(Path(folder, "vectors.json").read_text())
        probes = [
            ProbeBits(node["node"], node["offset_bits"], node["width_bits"])
            for node in found["nodes"]
        ]
        return cls(
            [(int(data, 16), bool(last)) for data, last in found["beats"]],
            found["frames"],
            probes,
            [int(word, 16) for word in found["words"]],
            [[int(word, 16) for word in node["words"]] for node in found["nodes"]],
        )

    def differences(self, driver: StreamDriver) -> list[str]:
        """One line for each stream that differs from the golden one, nodes first."""
        streams = [
            (f"node {probe.node}", expected, got)
            for probe, expected, got in zip(
                self.probes, self.node_words, driver.node_words, strict=True
            )
        ]
        streams.append(("output", self.words, driver.words))
        problems = []
        for name, expected, got in streams:
            if expected == got:
                continue
            pairs = zip(expected, got, strict=False)
            first = next((k for k, (a, b) in enumerate(pairs) if a != b), None)
            if first is None:
                problems.append(f"{name}: found {len(got)} words, accepted {len(expected)}")
            else:
                problems.append(
                    f"{name}: word {first}: found {got[first]:x}, accepted {expected[first]:x}"
                )
        return problems
