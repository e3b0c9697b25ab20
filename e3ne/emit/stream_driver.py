"""Drives and watches the ports of e3ne_top, one clock cycle at a time; needs only Python.

A copy stands in every build (`sim/stream_driver.py`) for the cocotb bench; `e3ne.check` uses the
same code with Amaranth's simulator.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DRAIN_CYCLES = 64
UNKNOWN = -1
"""Stands for a word with bits that the simulator does not know (x or z)."""

Beats = Sequence[tuple[int, bool]]
"""(tdata, tlast) of every beat of a port."""


@dataclass(frozen=True)
class ProbeBits:
    """Where a node's word lies in probe_data."""

    node: str
    offset_bits: int
    width_bits: int


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
class Source:
    """One input port. `starts`: the cycle that took each frame's first beat."""

    beats: Beats
    stalls: Stalls
    sent: int = 0
    frames_sent: int = 0
    offered: bool = False
    starts: list[int] = field(default_factory=list)

    @property
    def at_start(self) -> bool:
        """Whether the coming beat is a frame's first one."""
        return self.sent == 0 or self.beats[self.sent - 1][1]

    def offer(self, held: bool) -> tuple[int, int, int]:
        """(tvalid, tdata, tlast) of the coming cycle; no new frame begins while `held`."""
        if not self.offered and self.sent < len(self.beats) and not (held and self.at_start):
            self.offered = not self.stalls.pause()
        data, last = self.beats[self.sent] if self.offered else (0, False)
        return int(self.offered), data, int(last)

    def take(self, cycle: int) -> None:
        """The offered beat crosses the port."""
        if self.at_start:
            self.starts.append(cycle)
        self.frames_sent += self.beats[self.sent][1]
        self.sent += 1
        self.offered = False


@dataclass
class Sink:
    """One output port: its beats, and (beats so far, cycle) of every frame's last one."""

    stalls: Stalls
    ready: bool = False
    beats: list[int] = field(default_factory=list)
    ends: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class StreamDriver:
    """Call `inputs`, let the design settle, call `sample`, then give it a clock edge.

    `weights` are the beats of the weight port by its name, where there is one: they go first.

    `beats` are those of each input port, by name; `outputs` the names of the output ports,
    `frames` how many frames will come out. `node_words` has the words of every node in order.
    `isolated`: a frame starts when the one before has left all output ports.
    """

    beats: Mapping[str, Beats]
    outputs: Sequence[str]
    frames: int
    probes: Sequence[ProbeBits]
    stall_seed: int = 0
    isolated: bool = False
    idle_limit: int = 200_000
    weights: Mapping[str, Beats] = field(default_factory=dict)
    cycle: int = 0
    timed_out: bool = False

    def __post_init__(self) -> None:
        def stalls(place: int) -> Stalls:
            return Stalls(self.stall_seed + place if self.stall_seed else 0)

        self.node_words: list[list[int]] = [[] for _ in self.probes]
        self.idle = self.drained = 0
        self.sources = {
            port: Source(beats, stalls(2 * k)) for k, (port, beats) in enumerate(self.beats.items())
        }
        self.loads = {port: Source(beats, stalls(-1)) for port, beats in self.weights.items()}
        self.sinks = {port: Sink(stalls(2 * k + 1)) for k, port in enumerate(self.outputs)}

    @property
    def done(self) -> bool:
        """Everything has come out (and nothing more for a while), or nothing moves any more."""
        return self.timed_out or self.drained >= DRAIN_CYCLES

    @property
    def frames_out(self) -> int:
        """Frames that have left all output ports."""
        return min(len(sink.ends) for sink in self.sinks.values())

    def inputs(self) -> dict[str, int]:
        """The input signals of the coming cycle, by name."""
        signals: dict[str, int] = {}
        for port, source in self.sources.items():
            held = self.isolated and self.frames_out < source.frames_sent
            valid, data, last = source.offer(held)
            signals |= {f"{port}_tvalid": valid, f"{port}_tdata": data, f"{port}_tlast": last}
        for port, load in self.loads.items():
            valid, data, last = load.offer(held=False)
            signals |= {f"{port}_tvalid": valid, f"{port}_tdata": data, f"{port}_tlast": last}
        for port, sink in self.sinks.items():
            sink.ready = not sink.stalls.pause()
            signals[f"{port}_tready"] = int(sink.ready)
        return signals

    def sample(
        self, value: Callable[[str], int], probe_strobe: int, probe_bits: Callable[[], str]
    ) -> None:
        """What the ports show before the clock edge.

        `value` reads a signal by its name; `probe_bits` has the highest bit first.
        """
        moved = probe_strobe != 0
        for port, source in (self.loads | self.sources).items():
            if source.offered and value(f"{port}_tready"):
                source.take(self.cycle)
                moved = True
        for port, sink in self.sinks.items():
            if sink.ready and value(f"{port}_tvalid"):
                sink.beats.append(value(f"{port}_tdata") & 0xFFFFFFFF)
                if value(f"{port}_tlast"):
                    sink.ends.append((len(sink.beats), self.cycle))
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
        sent = all(source.sent == len(source.beats) for source in self.sources.values())
        if sent and self.frames_out >= self.frames:
            self.drained += 1

    def write(self, folder: str | Path, error: bool) -> None:
        """Everything that was seen, as `captured.json` in `folder`."""
        captured = {
            "frame_starts": [source.starts for source in self.sources.values()],
            "beats": [sink.beats for sink in self.sinks.values()],
            "frame_ends": [sink.ends for sink in self.sinks.values()],
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
    """Golden vectors: beats of each input and output port, words of every node.

    `weights` are the beats of the weight port by its name, where there is one.
    """

    beats: dict[str, list[tuple[int, bool]]]
    frames: int
    probes: list[ProbeBits]
    out_beats: dict[str, list[int]]
    node_words: list[list[int]]
    weights: dict[str, list[tuple[int, bool]]]

    @classmethod
    def read(cls, folder: str | Path, build: str | Path = ".") -> Vectors:
        """Reads `vectors.json` (numbers in hexadecimal) from `folder`, weights from `build`."""
        found = json.loads(Path(folder, "vectors.json").read_text())
        return cls(
            {
                source["port"]: [(int(data, 16), bool(last)) for data, last in source["beats"]]
                for source in found["inputs"]
            },
            found["frames"],
            [
                ProbeBits(node["node"], node["offset_bits"], node["width_bits"])
                for node in found["nodes"]
            ],
            {sink["port"]: [int(beat, 16) for beat in sink["beats"]] for sink in found["outputs"]},
            [[int(word, 16) for word in node["words"]] for node in found["nodes"]],
            weight_beats(Path(build), found.get("weights")),
        )

    def differences(self, driver: StreamDriver) -> list[str]:
        """One line for each stream that differs from the golden one, nodes first."""
        streams = [
            (f"node {probe.node}", expected, got)
            for probe, expected, got in zip(
                self.probes, self.node_words, driver.node_words, strict=True
            )
        ]
        streams += [
            (port, beats, driver.sinks[port].beats) for port, beats in self.out_beats.items()
        ]
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


def weight_beats(build: Path, weights: dict[str, Any] | None) -> dict[str, list[tuple[int, bool]]]:
    """The beats of the weight port, by its name, out of a build's file; none where it has none."""
    if weights is None:
        return {}
    content, size = (build / weights["file"]).read_bytes(), int(weights["beat_bits"]) // 8
    rows = [content[at : at + size] for at in range(0, len(content), size)]
    beats = [(int.from_bytes(row, "little"), at + 1 == len(rows)) for at, row in enumerate(rows)]
    return {str(weights["port"]): beats}
