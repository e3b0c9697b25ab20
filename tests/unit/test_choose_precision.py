"""The search for bits: on made-up losses whose best is known, and what it refuses."""

from __future__ import annotations

import itertools
import logging
from dataclasses import replace

import numpy as np
import pytest

from e3ne.config import Config, InputConfig, NodeConfig
from e3ne.ir import BadInput, Rectify
from e3ne.lower import prepared, quantized
from e3ne.lower.choose_precision import Chosen, choose_precision
from e3ne.lower.evaluation import Measured
from e3ne.lower.sensitivity import (
    Bits,
    Costs,
    Part,
    bits_of,
    kinds_for,
    options,
    parts,
    priced,
    with_bits,
    written_out,
)
from tests.unit.lower_graphs import chain, conv, frames, linear, max_pool

FRAMES = 1000
EDGES = tuple(Part("edge", name) for name in ("a", "b", "c"))
SHARE = {"a": 100.0, "b": 10.0, "c": 1.0}  # operations a bit
HURTS = {"a": 4, "b": 16, "c": 1}  # frames lost a bit below 4, doubling
START = Config(nodes={part.name: NodeConfig(edge_bits=4) for part in EDGES})
OPS: Costs = {"synaptic_ops": 1.0}


class Invented:
    """A network whose wrong frames and operations follow from its bits by a formula."""

    def __init__(self, offset: int = 0) -> None:
        self.offset, self.measured = offset, 0

    def lost(self, config: Config) -> int:
        below = {part.name: 4 - int(bits_of(config, part)) for part in EDGES}
        return sum(HURTS[name] * (2**bits - 1) for name, bits in below.items() if bits > 0)

    def ops(self, config: Config) -> dict[str, float]:
        return {part.name: SHARE[part.name] * bits_of(config, part) for part in EDGES}

    def __call__(self, config: Config) -> Measured:
        self.measured += 1
        wrong = self.lost(config) + self.offset
        right = np.ones(FRAMES)
        right[np.linspace(0, FRAMES - 1, wrong).astype(int)] = 0  # spread evenly
        loss = np.full(FRAMES, wrong / FRAMES)
        return Measured(right, loss, loss, self.ops(config), self.ops(config), {}, 0.0)


def search(floor: float, measure: Invented | None = None, most: int = 4, **more: float) -> Chosen:
    def bits(part: Part) -> range:
        return range(1, most + 1)

    return choose_precision(measure or Invented(), START, EDGES, floor, OPS, bits, FRAMES, **more)


def cheapest(floor: float) -> float:
    """By trying all."""
    net, found = Invented(), []
    for bits in itertools.product(range(1, 5), repeat=3):
        config = START
        for part, chosen in zip(EDGES, bits, strict=True):
            config = with_bits(config, part, chosen)
        if 100 * (1 - net.lost(config) / FRAMES) >= floor:
            found.append(sum(net.ops(config).values()))
    return min(found)


@pytest.mark.parametrize("floor", [99.9, 99.5, 99.0, 98.0, 97.0, 96.0, 90.0, 80.0])
def test_the_choice_keeps_the_floor_and_is_near_the_cheapest(floor: float) -> None:
    found = search(floor, held_out=0.0)
    assert found.measured.accuracy() >= floor
    assert found.measured.cost("synaptic_ops") <= 1.1 * cheapest(floor)
    if found.uniform is not None:
        assert found.measured.cost("synaptic_ops") <= found.uniform[1].cost("synaptic_ops")


def test_a_lower_floor_never_costs_more() -> None:
    costs = [search(floor).measured.cost("synaptic_ops") for floor in (99.9, 99, 98, 96, 90, 80)]
    assert costs == sorted(costs, reverse=True)


@pytest.mark.parametrize("floor", [98.0, 97.0, 95.0])
def test_the_held_out_frames_keep_the_floor_too(floor: float) -> None:
    class Unlucky(Invented):
        """Loses its frames at the end first: where the search does not look."""

        def __call__(self, config: Config) -> Measured:
            found = super().__call__(config)
            return replace(found, right=np.sort(found.right)[::-1].copy())

    found = search(floor, Unlucky(), held_out=0.25)
    assert (found.chosen_on.stop, found.checked_on) == (750, slice(750, 1000))
    assert found.measured.accuracy(found.checked_on) >= floor
    assert found.measured.cost("synaptic_ops") < found.start.cost("synaptic_ops")


class Misleading(Invented):
    """On the held out frames the harmless layers seem to be those that hurt, and more so."""

    def __call__(self, config: Config) -> Measured:
        found = super().__call__(config)
        entropies = found.entropies.copy()
        entropies[-FRAMES // 4 :] = 100.0 - 1000 * entropies[-FRAMES // 4 :]
        return replace(found, entropies=entropies)


def test_losses_of_held_out_frames_decide_nothing() -> None:
    plain, misled = search(97.0, held_out=0.25), search(97.0, Misleading(), held_out=0.25)
    assert misled.steps == plain.steps
    assert misled.config == plain.config


def test_the_table_equals_what_is_measured_again() -> None:
    found, net = search(98.0, held_out=0.0), Invented()
    assert {(row.part, row.bits) for row in found.table} == {
        (part, bits) for part in EDGES for bits in range(1, 5)
    }
    start = net(START)
    for row in found.table:
        again = net(with_bits(START, row.part, row.bits))
        assert row.points == pytest.approx(start.accuracy() - again.accuracy())
        assert row.cost == again.cost("synaptic_ops")
        assert row.entropy == pytest.approx(again.cross_entropy() - start.cross_entropy())
    assert found.measured.accuracy() == net(found.config).accuracy()
    for part in EDGES:
        losses = [row.points for row in found.table if row.part == part]
        assert losses == sorted(losses, reverse=True)


def test_every_configuration_is_measured_once() -> None:
    net = Invented()
    search(98.0, net)
    assert net.measured <= 4**3


def test_where_the_start_is_too_bad_the_most_bits_are() -> None:
    class Hungry(Invented):
        """Needs five bits everywhere."""

        def lost(self, config: Config) -> int:
            return 10 * sum(max(0, 5 - int(bits_of(config, part))) for part in EDGES)

    found = search(99.9, Hungry(), most=8)
    assert found.measured.accuracy() >= 99.9
    assert {bits_of(found.config, part) for part in EDGES} == {5}
    assert {bits_of(found.start_config, part) for part in EDGES} == {8}


def test_a_floor_that_cannot_be_kept() -> None:
    with pytest.raises(BadInput) as caught:
        search(99.0, Invented(offset=30))
    message = str(caught.value)
    assert "floor: found at most 9" in message
    assert "+-" in message
    assert "with bits: a edge 4; b edge 4; c edge 4" in message
    assert "what costs most accuracy with a bit less: b edge (+1.60 points at 3), a edge" in message
    assert "lower the floor, give more bits, or train the network" in message


@pytest.mark.parametrize("floor", [0.0, -1.0, 100.5, 985.0])
def test_floors_are_percent(floor: float) -> None:
    with pytest.raises(BadInput, match=r"floor: found .*, accepted percent above 0 and up to 100"):
        search(floor)


def test_costs_and_frames_and_parts_are_checked_together() -> None:
    with pytest.raises(BadInput) as caught:
        choose_precision(Invented(), START, (), 98.0, {"joules": 1.0}, lambda part: (), 20)
    text = "\n".join(caught.value.problems)
    assert "cost: found {'joules': 1.0}" in text
    assert "data: found 20 labelled frames, which tell 98 % from others to +- " in text
    assert "parts: found nothing whose bits could change this cost" in text


def test_few_frames_are_told_with_their_error(caplog: pytest.LogCaptureFixture) -> None:
    def few(config: Config) -> Measured:
        found = Invented()(config)
        return replace(found, right=found.right[:100])

    with caplog.at_level(logging.WARNING):
        choose_precision(few, START, EDGES, 90.0, OPS, lambda part: range(1, 5), 100)
    assert "found 100 labelled frames, which tell accuracies apart to +- 6.0" in caplog.text


def test_parts_of_a_network() -> None:
    graph = chain(
        (1, 8, 8),
        {"conv": conv(3, 1), "relu": Rectify(), "pool": max_pool(), "fc": linear(4, 27)},
    )
    x = frames(10, 1, 1, 8, 8)
    ready = prepared(graph, x, Config())
    integer = quantized(ready, x, Config())
    assert [str(part) for part in parts(ready, integer, kinds_for(OPS))] == [
        *("x input", "conv edge")
    ]
    memory = kinds_for({"memory_bits": 1.0})
    assert [str(p) for p in parts(ready, integer, memory)] == ["conv weight", "fc weight"]
    both = kinds_for({"memory_bits": 1.0, "value_ops": 2.0})
    assert both == ("input", "edge", "weight")
    quantised = ready.with_nodes(
        [replace(n, neuron=Rectify(1.0, 4)) if n.name == "conv" else n for n in ready.nodes]
    )
    assert [str(p) for p in parts(quantised, integer, ("edge",))] == []


@pytest.mark.parametrize(("kind", "expected"), [("integer", 15 / 3 / 10), ("power_of_two", 4 / 10)])
def test_an_input_keeps_its_range(kind: str, expected: float) -> None:
    config = Config(
        scale=kind,  # type: ignore[arg-type]
        inputs={"x": InputConfig(bits=4, scale=0.1, signed=False)},
    )
    found = with_bits(config, Part("input", "x"), 2).input_of("x")
    assert (found.bits, found.scale) == (2, pytest.approx(expected))


def test_bits_that_parts_may_have() -> None:
    config = Config(inputs={"s": InputConfig(bits=8, signed=True)})
    every: tuple[Bits, ...] = (1, 1.58, 2, 3, 9)
    assert options(Part("weight", "fc"), every, config) == [1, 1.58, 2, 3]
    assert options(Part("edge", "fc"), every, config) == [1, 2, 3]
    assert options(Part("input", "s"), every, config) == [2, 3]


def test_written_out_fixes_what_lowering_chose() -> None:
    graph = chain((4,), {"fc": linear(3, 4), "relu": Rectify()})
    x = frames(10, 1, 4)
    config = Config(default=NodeConfig(edge_bits=3))
    ready = prepared(graph, x, config)
    integer = quantized(ready, x, config)
    whole = written_out(config, ready, integer)
    assert whole.node("fc").edge_bits == 3
    assert whole.input_of("x").scale == integer.inputs[0].scale
    assert whole.input_of("x").bits == integer.inputs[0].type.bits


def test_several_costs_are_parts_of_the_starts() -> None:
    one = replace(Invented()(START), memory_bits={"a": 500})
    half = replace(one, memory_bits={"a": 250})
    assert priced(half, {"memory_bits": 1.0}, one) == 250
    assert priced(half, {"memory_bits": 2.0, "synaptic_ops": 1.0}, one) == pytest.approx(2.0)


def test_equal_bits_are_taken_where_they_are_cheapest_on_both_parts() -> None:
    class Trap(Invented):
        """Everything but equal bits loses the held out frames."""

        def __call__(self, config: Config) -> Measured:
            found = super().__call__(config)
            equal = len({bits_of(config, part) for part in EDGES}) == 1
            right = np.ones(FRAMES)
            right[FRAMES * 3 // 4 :] = 1.0 if equal else 0.0
            return replace(found, right=right)

    found = search(90.0, Trap())
    assert {bits_of(found.config, part) for part in EDGES} == {1}
    assert found.uniform is not None
    assert found.measured.cost("synaptic_ops") == found.uniform[1].cost("synaptic_ops")
    assert found.steps[0] == "start"
