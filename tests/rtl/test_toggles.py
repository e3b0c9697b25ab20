"""Counted changes of registers equal those that are counted by hand; a wrong counter does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib.memory import Memory

from e3ne.check import toggles
from e3ne.check.toggles import Changes, by_node, counted, node_of_module, read_counts
from e3ne.emit.verilog import to_verilog
from e3ne.toolchain import ToolFailed, icarus

CYCLES = 16
BENCH = f"""
module bench;
  reg clk = 0, rst = 1;
  wire [3:0] seen;
  e3ne_network dut(.clk(clk), .rst(rst), .seen(seen));
  initial begin
    repeat (8) #1 clk = !clk;
    rst = 0;
    repeat ({2 * CYCLES + 2}) #1 clk = !clk;  // the last edge sees what the one before it changed
    $finish;
  end
endmodule
"""
BY_HAND = {
    # A binary counter of 4 bits that comes round once: 16 + 8 + 4 + 2.
    "count": Changes(4, 30 / 2),
    # A ring of 8 bits with a single one: 2 in each cycle; the node's part counts for the node.
    "ring.0": Changes(8, 2 * CYCLES / 2),
    # What a memory of two words holds does not count (one word is written), but the register that
    # it is read into does: words 0 and 3 in turn, from the second cycle on.
    "memory": Changes(2 + 1, (2 * (CYCLES - 1) + CYCLES) / 2),
}
PORTS = Changes(1, (CYCLES + 1) / 2)
"""A register without a reset: the first cycle sees the change of the last one of the reset."""


class Counter(Elaboratable):
    def __init__(self) -> None:
        self.value = Signal(4)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += self.value.eq(self.value + 1)
        return m


class Ring(Elaboratable):
    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.part = part = Module()
        ring = Signal(8, init=1, name="odd[name]")
        part.d.sync += ring.eq(ring.rotate_left(1))
        return m


class ReadMemory(Elaboratable):
    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = Memory(shape=2, depth=2, init=[0, 3])
        read, write = words.read_port(), words.write_port()
        place = Signal()
        m.d.sync += place.eq(~place)
        m.d.comb += [read.addr.eq(place), read.en.eq(1), write.addr.eq(0), write.data.eq(0)]
        m.d.comb += write.en.eq(1)
        return m


class Design(Elaboratable):
    """Nodes in the hierarchy of a network, and one register beside them."""

    def __init__(self) -> None:
        self.seen = Signal(4)

    def elaborate(self, platform: object) -> Module:
        m, core, count = Module(), Module(), Counter()
        core.submodules["count"] = count
        core.submodules["ring.0"] = Ring()
        core.submodules["memory"] = ReadMemory()
        m.submodules.core = core
        beside = Signal(reset_less=True)
        m.d.sync += beside.eq(~beside)
        m.d.comb += self.seen.eq(count.value ^ beside)
        return m


@pytest.fixture(scope="module")
def verilog() -> str:
    design = Design()
    return to_verilog(design, "e3ne_network", [design.seen])


def measured(verilog: str, folder: Path) -> toggles.Toggles:
    """The design's changes over two `frames`, by Icarus."""
    text, modules = counted(verilog)
    (folder / "design.v").write_text(text + BENCH)
    icarus.compile(["design.v"], "bench", folder, "bench.vvp", warnings=False)
    said = icarus.simulate("bench.vvp", folder)
    names = ["ring", *BY_HAND]  # a node whose name begins another's
    return by_node(read_counts(said, modules), names, 2, CYCLES)


def differences(found: toggles.Toggles) -> list[str]:
    """Parts whose bits or changes are not those counted by hand."""
    expected = {"ring": Changes(0, 0.0), **BY_HAND, "": PORTS}
    seen = {**found.nodes, "": found.ports}
    return [name for name in expected if seen[name] != expected[name]]


def test_counts_are_those_by_hand(verilog: str, tmp_path: Path) -> None:
    found = measured(verilog, tmp_path)
    assert differences(found) == [], found
    assert found.total == sum(part.toggles for part in (*BY_HAND.values(), PORTS))
    assert found.nodes["count"].share == 30 / 2 / 4
    assert found.nodes["ring"].share == 0


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("64'($countones", "64'(2 * $countones"),  # every change twice
        ("if (!rst) ", ""),  # also during reset
        ("e3ne_before <= e3ne_now", "e3ne_before <= 0"),  # ones, not changes
        ("e3ne_now ^ e3ne_before", "e3ne_now & ~e3ne_before"),  # rises only
    ],
)
def test_a_wrong_counter_is_noticed(
    verilog: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: str, wrong: str
) -> None:
    true_counter = toggles.counter

    def wrong_counter(*arguments: object) -> list[str]:
        lines = true_counter(*arguments)  # type: ignore[arg-type]
        assert any(right in line for line in lines)
        return [line.replace(right, wrong) for line in lines]

    monkeypatch.setattr(toggles, "counter", wrong_counter)
    assert differences(measured(verilog, tmp_path)) != []


def test_a_module_that_says_nothing_is_an_error() -> None:
    modules = [toggles.CountedModule("e3ne_network", 1), toggles.CountedModule("other", 1)]
    with pytest.raises(ToolFailed, match="found counts of 1 modules, accepted 2; delete"):
        read_counts("e3ne_toggles 0 5\n", modules)


@pytest.mark.parametrize(
    ("module", "node"),
    [
        ("e3ne_network", ""),
        ("e3ne_network.slice", ""),
        ("e3ne_network.core", ""),
        ("e3ne_network.core.slice", ""),
        ("e3ne_network.core.ring", "ring"),
        ("e3ne_network.core.ring.0.part", "ring.0"),
        ("e3ne_network.core.ring2", ""),
    ],
)
def test_modules_belong_to_nodes_by_their_names(module: str, node: str) -> None:
    assert node_of_module(module, ["ring", "ring.0"]) == node
