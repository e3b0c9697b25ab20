"""A stream test bench for Amaranth's simulator, shared by all tests of gateware.

`simulate` puts words into some streams, gets words from others, each with random pauses, and
returns every transfer with its cycle. It also watches the stream rules: an offered payload stays
until it is taken, and (where a sink pauses) valid comes without ready. Payloads are plain
integers; `to_payloads` and `from_payloads` translate spike words.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from amaranth.hdl import ClockDomain, Module, ResetInserter, Signal, Value
from amaranth.sim import Simulator

from e3ne.gateware.streams import Word


def always(cycle: int) -> bool:
    """Awake in every cycle."""
    return True


@dataclass
class Source:
    """Words for an input stream of the design, from cycle `start_cycle` on.

    In a cycle without a word it offers none with chance `pause`, and none while not `awake(cycle)`.
    """

    stream: Any
    payloads: Sequence[int]
    pause: float = 0.0
    start_cycle: int = 0
    awake: Callable[[int], bool] = always


@dataclass
class Sink:
    """An output stream; the run lasts until `count` words came (None: whatever comes).

    With chance `pause` a cycle is not ready; where pause > 0, ready often waits for valid. Nor is
    it ready while not `awake(cycle)`.
    """

    stream: Any
    count: int | None
    pause: float = 0.0
    awake: Callable[[int], bool] = always


@dataclass
class Transfers:
    """What crossed one stream: payloads and the cycle of each (cycle 0 is the first edge)."""

    payloads: list[int] = field(default_factory=list)
    cycles: list[int] = field(default_factory=list)


@dataclass
class Run:
    """Transfers of each source and sink, in the order given; `cycles` of the whole run."""

    sources: list[Transfers]
    sinks: list[Transfers]
    cycles: int


def simulate(
    design: Any,
    sources: Sequence[Source],
    sinks: Sequence[Sink],
    *,
    seed: int = 0,
    limit_cycles: int = 20_000,
    settle_cycles: int = 4,
    reset_at: int | None = None,
) -> Run:
    """Runs `design` until every source is empty and every sink has its count.

    `settle_cycles` more follow, in which a counted sink must see nothing. At cycle `reset_at` the
    design is reset: what came until then is forgotten and every source starts anew. Fails with
    the state of all streams after `limit_cycles` (a deadlock).
    """
    reset = Signal()
    top = Module()
    top.domains.sync = ClockDomain()  # a design without registers has none of its own
    top.submodules.design = ResetInserter(reset)(design)
    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    bench = _Bench(sources, sinks, seed)

    async def process(ctx: Any) -> None:
        settled = 0
        for cycle in range(limit_cycles):
            resets = cycle == reset_at
            ctx.set(reset, resets)
            await bench.step(ctx, cycle, resets)
            done = bench.finished and (reset_at is None or cycle > reset_at)
            settled = settled + 1 if done else 0
            if settled > settle_cycles:
                bench.run.cycles = cycle + 1
                return
        raise AssertionError(f"not finished after {limit_cycles} cycles: {bench.state()}")

    simulator.add_testbench(process)
    simulator.run()
    return bench.run


class _Bench:
    def __init__(self, sources: Sequence[Source], sinks: Sequence[Sink], seed: int) -> None:
        self.sources, self.sinks = sources, sinks
        self.random = random.Random(seed)
        self.start()
        self.samples = [source.stream.ready for source in sources]
        for sink in sinks:
            self.samples += [sink.stream.valid, Value.cast(sink.stream.payload)]

    def start(self) -> None:
        """Forgets all that happened."""
        self.run = Run([Transfers() for _ in self.sources], [Transfers() for _ in self.sinks], 0)
        self.offered = [False] * len(self.sources)
        self.held: list[int | None] = [None] * len(self.sinks)
        self.patient = [sink.pause > 0 for sink in self.sinks]

    @property
    def finished(self) -> bool:
        sent = all(
            len(done.payloads) == len(source.payloads)
            for source, done in zip(self.sources, self.run.sources, strict=True)
        )
        return sent and all(
            sink.count is None or len(done.payloads) >= sink.count
            for sink, done in zip(self.sinks, self.run.sinks, strict=True)
        )

    def state(self) -> str:
        sent = [
            f"{len(done.payloads)} of {len(source.payloads)} sent"
            for source, done in zip(self.sources, self.run.sources, strict=True)
        ]
        got = [
            f"{len(done.payloads)} of {sink.count} got"
            for sink, done in zip(self.sinks, self.run.sinks, strict=True)
        ]
        return ", ".join(sent + got)

    async def step(self, ctx: Any, cycle: int, resets: bool) -> None:
        """One clock cycle."""
        self._drive(ctx, cycle)
        ready = [self._ready(ctx, index, cycle) for index in range(len(self.sinks))]
        _, _, *sampled = await ctx.tick().sample(*self.samples)
        if resets:
            self.start()
            return
        for index, done in enumerate(self.run.sources):
            if self.offered[index] and sampled[index]:
                done.payloads.append(self.sources[index].payloads[len(done.payloads)])
                done.cycles.append(cycle)
                self.offered[index] = False
        outputs = sampled[len(self.sources) :]
        for index, done in enumerate(self.run.sinks):
            valid, payload = outputs[2 * index], outputs[2 * index + 1]
            self._watch(index, cycle, valid, payload)
            if valid and ready[index]:
                done.payloads.append(payload)
                done.cycles.append(cycle)
                self.held[index] = None
                count = self.sinks[index].count
                assert count is None or len(done.payloads) <= count, (
                    f"sink {index}: a word too many in cycle {cycle}: {payload:#x}"
                )

    def _drive(self, ctx: Any, cycle: int) -> None:
        for index, source in enumerate(self.sources):
            sent = len(self.run.sources[index].payloads)
            if (
                not self.offered[index]
                and sent < len(source.payloads)
                and cycle >= source.start_cycle
            ):
                self.offered[index] = self.random.random() >= source.pause and source.awake(cycle)
            ctx.set(source.stream.valid, self.offered[index])
            value = Value.cast(source.stream.payload)
            # An idle source shows noise: nobody may look at a payload without valid.
            idle = self.random.getrandbits(len(value))
            ctx.set(value, source.payloads[sent] if self.offered[index] else idle)

    def _ready(self, ctx: Any, index: int, cycle: int) -> bool:
        sink = self.sinks[index]
        ready = self.random.random() >= sink.pause and sink.awake(cycle)
        if self.patient[index]:
            ready = ready and self.held[index] is not None
        if ready:
            self.patient[index] = sink.pause > 0 and self.random.random() < 0.5
        ctx.set(sink.stream.ready, ready)
        return ready

    def _watch(self, index: int, cycle: int, valid: int, payload: int) -> None:
        held = self.held[index]
        if held is not None:
            assert valid, f"sink {index}: valid fell in cycle {cycle} before the word was taken"
            assert payload == held, f"sink {index}: the payload changed in cycle {cycle} while held"
        self.held[index] = payload if valid else None


def to_payloads(word: Word, values: np.ndarray) -> list[int]:
    """(frames, words, lanes, steps) of integers as payloads, `last` on each frame's last word."""
    mask = (1 << word.bits) - 1
    payloads = []
    for frame in values.tolist():
        for position, lanes in enumerate(frame):
            payload = int(position == len(frame) - 1) << word.value_bits
            for index, value in enumerate(v for steps in lanes for v in steps):
                payload |= (value & mask) << (index * word.bits)
            payloads.append(payload)
    return payloads


def from_payloads(word: Word, payloads: Sequence[int], words_per_frame: int) -> np.ndarray:
    """Payloads as (frames, words, lanes, steps); fails where `last` stands anywhere else."""
    assert len(payloads) % words_per_frame == 0, f"{len(payloads)} words in the last frame"
    mask, sign = (1 << word.bits) - 1, (1 << word.bits) >> 1
    values = []
    for position, payload in enumerate(payloads):
        last = position % words_per_frame == words_per_frame - 1
        assert payload >> word.value_bits == last, f"word {position}: last is wrong"
        fields = [payload >> (index * word.bits) & mask for index in range(word.lanes * word.steps)]
        values.append([(f ^ sign) - sign if word.signed else f for f in fields])
    return np.array(values, np.int64).reshape(-1, words_per_frame, word.lanes, word.steps)
