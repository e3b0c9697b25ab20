"""The LOGIC engine equals the reference's ops: every layout, ranges, lanes and stalls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Const, Fragment, Module, signed
from amaranth.sim import Simulator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from e3ne.gateware.logic_unit import added, table_value
from e3ne.gateware.logic_units import logic_units
from e3ne.ir import Conv2d, Linear, SpikeType, UnsupportedModel, frozen
from e3ne.ir.logic_plan import synapse_plan

from .engine_zoo import integers
from .logic_cases import check_logic, images, logic, vectors
from .test_synapse_units import check, divisors, mapped, trains

QUICK = (Phase.explicit, Phase.reuse, Phase.generate)


@st.composite
def networks(draw):
    """A Linear or Conv2d in any layout of the LOGIC engine."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    most = draw(st.sampled_from([1, 3, 31]))
    outputs = draw(st.integers(1, 6))
    biased, pixels, columns = draw(st.booleans()), 1, 1
    bias = frozen(random.integers(-50, 50, outputs), np.int64) if biased else None

    def weights(*shape: int):
        return frozen(random.integers(-most, most + 1, shape), np.int64)

    if draw(st.booleans()):
        inputs = draw(st.integers(1, 20))
        op: Linear | Conv2d = Linear(weights(outputs, inputs), bias)
        source, window = draw(trains((inputs,)))
    else:
        channels = draw(st.integers(1, 3))
        kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
        stride = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
        pixels = draw(st.sampled_from([1, 1, 2]))
        padding = draw(st.tuples(st.integers(0, 1), st.integers(0, 1)))
        op = Conv2d(weights(outputs, channels, *kernel), bias, stride, padding)
        width = (2 * pixels - 1) * stride[1] + kernel[1] - 2 * padding[1]
        rows = max(1, kernel[0] + stride[0] - 2 * padding[0])
        source, window = draw(trains((channels, rows, max(1, width))))
    steps = draw(st.sampled_from(divisors(min(window, source.steps))))
    bits = draw(st.sampled_from([None, *divisors(source.bits)]))
    return mapped(op, source, logic(op, steps, bits, pixels, columns), window)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICK)
@given(networks(), st.integers(0, 1000), st.sampled_from([(0, 0), (0.5, 0), (0, 0.6), (0.4, 0.4)]))
def test_logic_equals_reference(graph, seed, pauses):
    check(graph, 3, seed, pauses)


def test_vectors_of_all_kinds():
    check_logic(vectors())


def test_images_of_all_kinds():
    check_logic(images())


@pytest.mark.parametrize("source", [(1, False), (3, False), (4, True), (6, True)])
@pytest.mark.parametrize("bit_lanes", [None, 1])
def test_sums_at_both_ends(source, bit_lanes):
    """The least and the greatest sum of a row, in the narrowest width that holds them."""
    op = Linear(frozen([[-8, 7, -8, 7, -8, 7], [1, -1, 0, 3, -8, 7]], np.int64))
    type = SpikeType((6,), 1, *source)
    graph = mapped(op, type, logic(op, 1, bit_lanes), 1)
    for seed in (0, 1):
        check(graph, 2, seed)


def test_neighbouring_pixels_share_what_they_see():
    op = Conv2d(frozen(np.ones((1, 1, 3, 3)), np.int64))
    graph = mapped(op, SpikeType((1, 3, 6), 1, 4), logic(op, pixel_lanes=4), 1)
    plan = synapse_plan(graph, graph.nodes[0], 0)
    assert len(plan.lanes) == 3 * 6
    # Six columns of two additions each; of the four sums of three columns two share a pair.
    assert len(plan.network.sums) <= 6 * 2 + 4 * 2


def test_zeros_and_what_nobody_weighs_vanish():
    op = Linear(frozen([[0, 2, 0, 0], [0, 4, 0, 0]], np.int64))
    graph = mapped(op, SpikeType((4,), 1, 3), logic(op), 1)
    plan = synapse_plan(graph, graph.nodes[0], 0)
    assert plan.lanes == (1,)
    assert plan.network.sums == ()
    assert plan.stages == 1
    check(graph, 4, 0, (0.3, 0.3))


@pytest.mark.parametrize("table", [0, 0xFFFF, 0x6996, 0x8000, 0x1234, 0xCAFE, 0x0F0F, 0xA5A5])
def test_a_table_is_its_function(table):
    for k in range(16):
        assert _constant(table_value([Const(k >> bit & 1, 1) for bit in range(4)], table)) == (
            table >> k & 1
        )


@pytest.mark.parametrize("bits", [3, 4, 5])
def test_gates_add_and_subtract(bits):
    for a in range(-4, 4):
        for b in range(-4, 4):
            for subtracts in (False, True):
                found = added(Const(a, signed(5)), Const(b, signed(5)), subtracts, bits)
                wanted = a - b if subtracts else a + b
                assert _constant(found) == wanted & ((1 << bits) - 1)


def _constant(value) -> int:
    found = []

    async def read(ctx):
        found.append(ctx.get(value))

    simulator = Simulator(Module())
    simulator.add_testbench(read)
    simulator.run()
    return found[0]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"out_lanes": 1}, "found out_lanes=1 on engine logic, accepted 2"),
        ({"in_lanes": 3}, "found in_lanes=3 on engine logic, accepted 6"),
        ({"bit_lanes": 3}, "found bit_lanes=3, accepted a divisor of 4"),
        ({"dsps": 1}, "found dsps=1 on engine logic, accepted 0"),
    ],
)
def test_layouts_that_logic_does_not_have(change, problem):
    op = Linear(frozen(np.ones((2, 6)), np.int64))
    mapping = logic(op)
    if "out_lanes" in change:
        mapping = replace(mapping, **change)
    else:
        mapping = replace(mapping, synapses=(replace(mapping.synapses[0], **change),))
    with pytest.raises(UnsupportedModel, match=problem):
        mapped(op, SpikeType((6,), 1, 4), mapping, 1)


@pytest.mark.parametrize("bits", [1, 3])
def test_registers_are_counted_one_by_one(bits):
    op = Linear(integers(7, (9, 40), 3), integers(8, (9,), 9))
    graph = mapped(op, SpikeType((40,), 1, bits), logic(op), 1)
    plan = synapse_plan(graph, graph.nodes[0], 0)
    unit = logic_units(graph, graph.nodes[0], 0, "memory")[0]
    registers = Fragment.get(unit, None).statements["sync"]._lhs_signals()
    marks = 2 * plan.stages  # valid, and last of the frame
    assert plan.stages > 1
    assert sum(len(register) for register in registers) == plan.register_bits + marks
