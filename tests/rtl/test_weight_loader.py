# amaranth: UnusedElaboratable=no
"""The weight port: every memory gets its words, and a load that is too short or too long shows."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
from amaranth.hdl import Cat, Const, Signal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e3ne.gateware.weight_loader import WeightLoader
from e3ne.ir.weight_port import LoadedMemory, load_cycles, word_bytes

from .bench import Run, Sink, Source, simulate
from .mutations import CHECK, Mutation, survives

QUIET = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


class Load:
    """Memories with random words, and the beats that fill them."""

    def __init__(self, sizes: list[tuple[int, int]], port_bits: int, seed: int = 0) -> None:
        chance = random.Random(seed)
        self.port_bits = port_bits
        self.words = [[chance.getrandbits(width) for _ in range(depth)] for width, depth in sizes]
        self.memories = [
            LoadedMemory(f"m{k}", width, depth) for k, (width, depth) in enumerate(sizes)
        ]
        stream = b"".join(
            word_bytes(words, memory.width_bits, port_bits)
            for words, memory in zip(self.words, self.memories, strict=True)
        )
        size = port_bits // 8
        self.beats = [
            int.from_bytes(stream[at : at + size], "little") for at in range(0, len(stream), size)
        ]

    def payloads(self, count: int | None = None, last: bool = True) -> list[int]:
        """The first `count` beats, more from the start on where there are not so many."""
        count = len(self.beats) if count is None else count
        sent = [self.beats[k % len(self.beats)] for k in range(count)]
        sent[-1] |= last << self.port_bits
        return sent

    def run(self, payloads: list[int], pause: float = 0.0, **options) -> Run:
        """Sinks: (write, address, data) and (loaded, error), in each cycle."""
        design = WeightLoader(self.memories, self.port_bits)
        shown = (Cat(design.write, design.address, design.data), Cat(design.loaded, design.error))
        sinks = [SimpleNamespace(valid=Const(1), payload=p, ready=Signal()) for p in shown]
        self.address_bits, self.data_bits = len(design.address), len(design.data)
        return simulate(
            design,
            [Source(design.i, payloads, pause)],
            [Sink(sink, None) for sink in sinks],
            **options,
        )

    def written(self, run: Run) -> list[list[tuple[int, int]]]:
        """(address, word) of every write, by memory."""
        found: list[list[tuple[int, int]]] = [[] for _ in self.memories]
        for shown in run.sinks[0].payloads:
            write, rest = shown & (1 << len(found)) - 1, shown >> len(found)
            address, data = rest & (1 << self.address_bits) - 1, rest >> self.address_bits
            for k, memory in enumerate(self.memories):
                if write >> k & 1:
                    found[k].append((address, data & (1 << memory.width_bits) - 1))
            assert write.bit_count() <= 1
        return found

    @property
    def expected(self) -> list[list[tuple[int, int]]]:
        return [list(enumerate(words)) for words in self.words]


@st.composite
def loads(draw):
    sizes = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 6)), min_size=1, max_size=3)
    return Load(draw(sizes), draw(st.sampled_from([8, 16, 32, 64])), draw(st.integers(0, 999)))


@QUIET
@given(loads(), st.sampled_from([0.0, 0.5]), st.integers(0, 2**32))
def test_every_word_is_written_once(load, pause, seed):
    run = load.run(load.payloads(), pause, seed=seed)
    assert load.written(run) == load.expected
    assert run.sinks[1].payloads[-1] == 0b01


@QUIET
@given(loads(), st.integers(0, 2**32), st.integers(1, 30))
def test_a_reset_begins_anew(load, seed, cycle):
    run = load.run(load.payloads(), 0.3, seed=seed, reset_at=cycle)
    assert load.written(run) == load.expected
    assert run.sinks[1].payloads[-1] == 0b01


def test_a_beat_a_cycle_and_the_time_of_a_load():
    load = Load([(12, 5), (70, 2), (8, 3)], 8)
    run = load.run(load.payloads())
    assert run.sources[0].cycles == list(range(len(load.beats)))
    assert run.sinks[1].payloads.index(1) == load_cycles(load.memories, 8)
    assert load.memories[1].beats_per_word(8) == 9
    assert [memory.beats(8) for memory in load.memories] == [10, 18, 3]


@pytest.mark.parametrize("count", range(1, 12))
@pytest.mark.parametrize("pause", [0.0, 0.4])
def test_a_load_of_a_wrong_length_raises_error(count, pause):
    load = Load([(12, 3)], 8, seed=count)
    assert len(load.beats) == 6
    run = load.run(load.payloads(count), pause)
    right = count == 6
    assert run.sinks[1].payloads[-1] == (0b01 if right else 0b10)
    if not right:
        assert 1 not in [shown & 1 for shown in run.sinks[1].payloads]
        assert len(load.written(run)[0]) < 3


def test_the_original_passes_the_checks():
    load_check()
    two_loads()


def test_a_second_load_waits_for_a_reset():
    load = Load([(8, 4)], 8)
    with pytest.raises(AssertionError, match="4 of 8 sent"):
        load.run(load.payloads() + load.payloads(), limit_cycles=100)


@CHECK
@given(loads(), st.sampled_from([0.0, 0.5]), st.integers(0, 2**32), st.integers(0, 2))
def load_check(load, pause, seed, change):
    count = max(1, len(load.beats) + (change if change != 2 else -1))
    run = load.run(load.payloads(count), pause, seed=seed, limit_cycles=2_000)
    right = count == len(load.beats)
    assert run.sinks[1].payloads[-1] == (0b01 if right else 0b10)
    if right:
        assert load.written(run) == load.expected
        assert run.sinks[1].payloads.index(1) >= load_cycles(load.memories, load.port_bits)


@pytest.mark.parametrize(
    "pair",
    [
        ("self.i.ready.eq(~complete)", "self.i.ready.eq(1)"),
        ("& self.i.ready & ~self.error", "& self.i.ready"),
        ("part == final_parts[index]", "part == final_parts[0]"),
        ("place == final_places[index]", "place == final_places[0]"),
        ("(index == len(self.memories) - 1)", "1"),
        ("part.eq(Mux(ends_word, 0, part + 1))", "part.eq(part + 1)"),
        ("place.eq(Mux(ends_memory, 0, place + 1))", "place.eq(place + 1)"),
        ("with m.If(ends_memory):", "with m.If(0):"),
        ("self.i.p.last != ends", "self.i.p.last & ~ends"),
        ("self.i.p.last != ends", "ends & ~self.i.p.last"),
        ("takes & ends_word & (self", "takes & (self"),
        ("written.eq(index)", "written.eq(0)"),
        ("self.address.eq(place)", "self.address.eq(0)"),
        ("self.loaded.eq(complete)", "self.loaded.eq(ends)"),
        ("- self.parts[k] * self.port_bits", "- max(self.parts) * self.port_bits"),
    ],
    ids=str,
)
def test_loader_mutations_are_killed(pair):
    assert not survives(Mutation("weight_loader", *pair), (load_check, two_loads))


def two_loads() -> None:
    """Cases that the few random ones of `load_check` may miss."""
    for sizes in ([(20, 3), (5, 4)], [(5, 2), (20, 5), (9, 1)], [(8, 1)]):
        load = Load(sizes, 8)
        run = load.run(load.payloads(), limit_cycles=300)
        assert load.written(run) == load.expected
        assert run.sinks[1].payloads.index(1) == load_cycles(load.memories, 8)
        assert set(run.sinks[1].payloads) == {0, 1}
        again = Load(sizes, 8)
        taken = 0
        try:
            again.run(2 * again.payloads(), limit_cycles=100)
            taken = len(again.beats)
        except AssertionError:
            pass
        assert not taken  # a second load
        short = load.run(load.payloads(len(load.beats) + 1)[1:-1] or [0], limit_cycles=300)
        assert short.sinks[1].payloads[-1] != 0b01
        long = load.run(load.payloads(2 * len(load.beats) + 1), limit_cycles=300)
        assert long.sinks[1].payloads[-1] == 0b10
        assert sum(map(len, load.written(long))) < sum(memory.depth for memory in load.memories)
