# amaranth: UnusedElaboratable=no
"""The weight port: every memory gets its words, and a load that is too short or too long shows."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace

import pytest
from amaranth.hdl import Cat, Const, Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e3ne.emit import template
from e3ne.emit.verilog import to_verilog
from e3ne.gateware.loaded_rom import loaded
from e3ne.gateware.network import loaded_memories
from e3ne.gateware.rom import Rom, RomForm, RomImage
from e3ne.gateware.weight_loader import WeightLoader
from e3ne.ir.weight_port import LoadedMemory, load_cycles, word_bytes
from e3ne.toolchain import icarus

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


# ------------------------------------------------------------------------------ the memory itself

OPERATIONS = 120


class Filled(wiring.Component):
    """A loaded Rom whose writes come from ports."""

    def __init__(self, width: int, depth: int, form: RomForm) -> None:
        self.rom = Rom(loaded(RomImage("some.weight", width, (0,) * depth)), form)
        address = unsigned(len(self.rom.address))
        super().__init__(
            {
                "address": In(address),
                "enable": In(1),
                "write": In(1),
                "place": In(address),
                "word": In(width),
                "data": Out(width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.rom = rom = self.rom
        fill = rom.image.fill
        assert fill is not None
        m.d.comb += [
            *(fill.write.eq(self.write), fill.address.eq(self.place), fill.data.eq(self.word)),
            *(rom.address.eq(self.address), rom.enable.eq(self.enable), self.data.eq(rom.data)),
        ]
        return m


def operations(width: int, depth: int) -> list[tuple[int, int, int, int, int]]:
    """(write, place, word, enable, address) a cycle: all words, then reads and few writes."""
    chance = random.Random(width)
    filling = [(1, k, chance.getrandbits(width), 0, 0) for k in range(depth)]
    return filling + [
        (
            *(int(chance.random() < 0.1), chance.randrange(depth), chance.getrandbits(width)),
            *(int(chance.random() < 0.7), chance.randrange(depth)),
        )
        for _ in range(OPERATIONS)
    ]


def expected_words(steps: list[tuple[int, int, int, int, int]], depth: int) -> list[int]:
    """`data` after each step from the first read on."""
    contents, data, shown = [0] * depth, None, []
    for write, place, word, enable, address in steps:
        if write:
            contents[place] = word
        elif enable:
            data = contents[address]
        if data is not None:
            shown.append(data)
    return shown


def in_memory_form(
    width: int, depth: int, steps: list[tuple[int, int, int, int, int]]
) -> list[int]:
    design = Filled(width, depth, "memory")
    simulator, words = Simulator(design), []
    simulator.add_clock(1e-6)

    async def process(ctx):
        for step in steps:
            names = ("write", "place", "word", "enable", "address")
            for name, value in zip(names, step, strict=True):
                ctx.set(getattr(design, name), value)
            await ctx.tick()
            words.append(ctx.get(design.data))

    simulator.add_testbench(process)
    simulator.run()
    return words


def in_file_form(
    width: int, depth: int, steps: list[tuple[int, int, int, int, int]], folder: Path
) -> list[int]:
    design = Filled(width, depth, "file")
    names = ["address", "enable", "write", "place", "word", "data"]
    text = to_verilog(design, "dut", [getattr(design, name) for name in names])
    bits = len(design.address)
    drive = "\n".join(
        f"write = {w}; place = {p}; word = {width}'h{d:x}; enable = {e}; address = {a};"
        ' #1 clk = 1; #1 $display("word %h", data); clk = 0;'
        for w, p, d, e, a in steps
    )
    bench = f"""
module bench;
    reg clk = 0, rst = 0, enable, write;
    reg [{bits - 1}:0] address, place;
    reg [{width - 1}:0] word;
    wire [{width - 1}:0] data;
    dut dut (.clk(clk), .rst(rst), .address(address), .enable(enable), .write(write),
        .place(place), .word(word), .data(data));
    initial begin
        {drive}
    end
endmodule
"""
    for name, content in (
        ("dut.v", text),
        ("e3ne_loaded_rom.v", template("e3ne_loaded_rom.v")),
        ("bench.v", bench),
    ):
        (folder / name).write_text(content)
    icarus.compile(["bench.v", "dut.v", "e3ne_loaded_rom.v"], "bench", folder, "bench.vvp")
    printed = icarus.simulate("bench.vvp", folder)
    words = [line.split()[1] for line in printed.splitlines() if line.startswith("word ")]
    return [int(word, 16) for word in words if "x" not in word]


@pytest.mark.parametrize(("width", "depth"), [(1, 5), (16, 9), (64, 33), (13, 1)])
def test_both_forms_of_a_loaded_memory_agree(width, depth, tmp_path):
    steps = operations(width, depth)
    expected = expected_words(steps, depth)
    assert in_memory_form(width, depth, steps)[-len(expected) :] == expected
    assert in_file_form(width, depth, steps, tmp_path) == expected


def test_only_images_to_fill_are_filled():
    plain, filled = RomImage("a", 4, (1, 2)), loaded(RomImage("b", 5, (3, 4, 5)))
    assert loaded_memories((plain, filled)) == (LoadedMemory("b", 5, 3),)
    assert filled == RomImage("b", 5, (3, 4, 5))
