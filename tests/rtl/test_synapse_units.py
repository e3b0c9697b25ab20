"""The DENSE engine equals the reference's ops: every op, geometry, lanes, windows and stalls."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from e3ne.gateware.plumbing import Regroup
from e3ne.gateware.streams import Word
from e3ne.gateware.synapse_units import synapse_units
from e3ne.gateware.synapse_word import synapse_word
from e3ne.ir import (
    Conv2d,
    Graph,
    Identity,
    Input,
    Linear,
    Mapping,
    MaxPool2d,
    Node,
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    SumPool2d,
    Synapse,
    SynapseMapping,
    Upsample2d,
    frozen,
    op_shape,
    verify,
)
from e3ne.ir.engine_cycles import folded_window_cycles, upsample_latency
from e3ne.ir.geometry import (
    in_column_choices,
    matrix_fold,
    op_window,
    upsample_held_words,
)
from e3ne.ir.order import to_words
from e3ne.ir.ranges import synapse_range
from e3ne.ir.row_cycles import row_memory_cycles
from e3ne.reference import op_currents
from tests.strategies import draw_upsample

from .bench import Sink, Source, from_payloads, simulate, to_payloads

QUICK = (Phase.explicit, Phase.reuse, Phase.generate)  # shrinking would simulate for minutes


class Chain(wiring.Component):
    """The units of one synapse, one after the other."""

    def __init__(self, word, units):
        self.units = units
        super().__init__({"i": In(word.signature), "o": Out(units[-1].out.signature)})

    def elaborate(self, platform):
        m = Module()
        stream = wiring.flipped(self.i)
        for index, unit in enumerate(self.units):
            m.submodules[f"u{index}"] = unit
            wiring.connect(m, stream, unit.i)
            stream = unit.o
        wiring.connect(m, stream, wiring.flipped(self.o))
        return m


def divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def mapped(op, source: SpikeType, mapping: Mapping, window: int) -> Graph:
    shape = op_shape(op, source.shape)
    found = synapse_range(Synapse(op, "x"), source)
    type = SpikeType(shape, source.steps, found.signed_bits, True)
    node = Node("layer.0", (Synapse(op, "x"),), Relay(), type, mapping)
    # The network has to end in a vector of classes; the tests look at the first node only.
    end = Linear(frozen(np.ones((1, type.neurons)), np.int64))
    sums = synapse_range(Synapse(end, node.name), type).signed_bits
    lanes = Mapping(out_lanes=1, synapses=(SynapseMapping(),))
    last = Node(
        "end", (Synapse(end, node.name),), Relay(), SpikeType((1,), source.steps, sums, True), lanes
    )
    output = Output("end", Readout.LAST)
    return verify(Graph(Stage.MAPPED, (Input("x", source),), (node, last), (output,), window))


def check(graph: Graph, frames: int, seed: int, pauses=(0.0, 0.0), limit_cycles: int = 60_000):
    """Runs `frames` random frames through the chain; returns the run."""
    source, node = graph.inputs[0].type, graph.nodes[0]
    random = np.random.default_rng(seed)
    x = random.integers(source.low, source.high + 1, (frames, source.steps, *source.shape))
    x[0] = source.high if seed % 2 else source.low  # the extremes of every sum
    word = synapse_word(graph, node, 0)
    chain = Chain(word, synapse_units(graph, node, 0, "memory"))
    wanted = op_currents(node.synapses[0].op, x)
    out = chain.units[-1].out
    words = to_words(wanted, node.type.shape, out.lanes, out.steps)
    inputs = to_payloads(word, to_words(x, source.shape, word.lanes, word.steps))
    run = simulate(
        chain,
        [Source(chain.i, inputs, pauses[0])],
        [Sink(chain.o, words.shape[0] * words.shape[1], pauses[1])],
        seed=seed,
        limit_cycles=limit_cycles,
        settle_cycles=30,  # padding alone must not start another frame
    )
    got = from_payloads(out, run.sinks[0].payloads, words.shape[1])
    np.testing.assert_array_equal(got.reshape(words.shape), words)
    return run


@st.composite
def trains(draw, shape):
    """An edge of `shape` and the steps of a window."""
    steps = draw(st.sampled_from([1, 1, 2, 4, 6]))
    window = draw(st.sampled_from(divisors(steps)))
    bits = draw(st.sampled_from([1, 1, 2, 4, 8]))
    is_signed = draw(st.booleans()) if bits > 1 else False
    return SpikeType(shape, steps, bits, is_signed), window


@st.composite
def matrices(draw):
    source_shape: tuple[int, ...]
    if draw(st.booleans()):
        source_shape = draw(
            st.sampled_from([(1,), (6,), (12,), (5,), (2, 3, 2), (3, 1, 1), (1, 4, 3)])
        )
        inputs, outputs = int(np.prod(source_shape)), draw(st.integers(1, 8))
        weight_shape: tuple[int, ...] = (outputs, inputs)
        geometry = None
        groups, columns = 1, 1
    else:
        groups = draw(st.sampled_from([1, 1, 2, 3]))
        channels = groups * draw(st.integers(1, 3))
        outputs = groups * draw(st.integers(1, 3))
        kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
        geometry = {
            "stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
            "padding": draw(st.tuples(st.integers(0, 2), st.integers(0, 2))),
            "dilation": draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
            "groups": groups,
        }
        least = [
            max(1, d * (k - 1) + 1 - 2 * p)
            for d, k, p in zip(geometry["dilation"], kernel, geometry["padding"], strict=True)
        ]
        rows, columns = (draw(st.integers(low, low + 4)) for low in least)
        source_shape = (channels, rows, columns)
        weight_shape = (outputs, channels // groups, *kernel)
    low, high = draw(st.sampled_from([(-1, 1), (-3, 3), (-8, 7), (0, 1)]))
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    weight = frozen(random.integers(low, high + 1, weight_shape), np.int64)
    bias = None
    if draw(st.booleans()):
        bias = frozen(random.integers(-50, 50, weight_shape[0]), np.int64)
    op = Linear(weight, bias) if geometry is None else Conv2d(weight, bias, **geometry)
    source, window = draw(trains(source_shape))
    shape = op_shape(op, source_shape)
    out_lanes = draw(st.sampled_from(divisors(outputs // groups)))
    in_lanes = draw(st.sampled_from(divisors(int(np.prod(weight_shape[1:])))))
    pixel_lanes = 1
    if len(shape) == 3 and out_lanes == outputs:
        pixel_lanes = draw(st.sampled_from(divisors(shape[2])))
    in_columns = 1
    if geometry is not None:
        choices = in_column_choices(op_window(op, source_shape), pixel_lanes)
        in_columns = draw(st.sampled_from(choices))
    step_lanes = draw(st.sampled_from(divisors(min(window, source.steps))))
    mapping = Mapping(
        out_lanes=out_lanes,
        pixel_lanes=pixel_lanes,
        synapses=(SynapseMapping(in_lanes, step_lanes, in_columns=in_columns),),
    )
    return mapped(op, source, mapping, window)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICK)
@given(matrices(), st.integers(0, 1000), st.sampled_from([(0, 0), (0.5, 0), (0, 0.6), (0.4, 0.4)]))
def test_matrix_equals_reference(graph, seed, pauses):
    check(graph, 3, seed, pauses)


@st.composite
def pools(draw):
    channels = draw(st.sampled_from([1, 2, 4, 6]))
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    kind = draw(st.sampled_from([MaxPool2d, SumPool2d]))
    rows, columns = (draw(st.integers(k, k + 5)) for k in kernel)
    source, window = draw(trains((channels, rows, columns)))
    padding = (0, 0)
    if not source.signed:
        padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    op = kind(kernel, stride, padding)
    pixel_lanes, out_lanes = 1, draw(st.sampled_from(divisors(channels)))
    if out_lanes == channels:
        pixel_lanes = draw(st.sampled_from(divisors(op_shape(op, source.shape)[2])))
    columns = in_column_choices(op_window(op, source.shape), pixel_lanes)
    layout = SynapseMapping(in_columns=draw(st.sampled_from(columns)))
    mapping = Mapping(out_lanes=out_lanes, pixel_lanes=pixel_lanes, synapses=(layout,))
    return mapped(op, source, mapping, window)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICK)
@given(pools(), st.integers(0, 1000), st.sampled_from([(0, 0), (0.5, 0), (0, 0.6), (0.4, 0.4)]))
def test_pool_equals_reference(graph, seed, pauses):
    check(graph, 3, seed, pauses)


@st.composite
def upsamples(draw):
    channels = draw(st.sampled_from([1, 2, 4, 6]))
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    source, window = draw(trains((channels, rows, columns)))
    mapping = Mapping(
        out_lanes=draw(st.sampled_from(divisors(channels))), synapses=(SynapseMapping(),)
    )
    return mapped(draw_upsample(draw), source, mapping, window)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICK)
@given(upsamples(), st.integers(0, 1000), st.sampled_from([(0, 0), (0.5, 0), (0, 0.6), (0.4, 0.4)]))
def test_upsample_equals_reference_at_a_word_a_cycle(graph, seed, pauses):
    run = check(graph, 3, seed, pauses)
    if pauses == (0, 0):
        words = len(run.sinks[0].cycles) // 3
        assert words == run.sinks[0].cycles[-1] - run.sinks[0].cycles[-1 - words]


@pytest.mark.parametrize(
    ("op", "shape", "lanes", "held"),
    [
        (Upsample2d((2, 2), "zero"), (4, 3, 5), 2, 0),
        (Upsample2d((1, 2)), (4, 1, 5), 4, 1),
        (Upsample2d((1, 2)), (4, 1, 5), 1, 4),
        (Upsample2d((2, 1)), (4, 3, 5), 2, 10),
    ],
)
def test_an_upsampling_holds_and_waits_no_more_than_it_says(op, shape, lanes, held):
    assert upsample_held_words(op, shape, lanes) == held
    mapping = Mapping(out_lanes=lanes, synapses=(SynapseMapping(),))
    run = check(mapped(op, SpikeType(shape, 1, 3), mapping, 1), 2, 1)
    assert run.sinks[0].cycles[0] - run.sources[0].cycles[0] == upsample_latency(held)


def test_identity_keeps_signs():
    source = SpikeType((4,), 2, 3, True)
    mapping = Mapping(out_lanes=2, synapses=(SynapseMapping(),))
    check(mapped(Identity(), source, mapping, 2), 4, 1, (0.3, 0.3))


@pytest.mark.parametrize(
    ("in_lanes", "out_lanes", "pixel_lanes", "step_lanes"),
    [
        (1, 1, 1, 2),
        (2, 2, 1, 1),
        (18, 4, 1, 4),
        (18, 4, 2, 2),
        (6, 1, 1, 2),
        (9, 4, 2, 1),
    ],
)
def test_cycles_of_a_frame_are_the_formula(in_lanes, out_lanes, pixel_lanes, step_lanes):
    """Back-to-back frames: the interval between the last words of two frames, no stalls."""
    random = np.random.default_rng(0)
    op = Conv2d(frozen(random.integers(-3, 4, (4, 2, 3, 3)), np.int64), None, padding=(1, 1))
    source = SpikeType((2, 6, 6), 4, 1)
    mapping = Mapping(
        out_lanes=out_lanes,
        pixel_lanes=pixel_lanes,
        synapses=(SynapseMapping(in_lanes, step_lanes),),
    )
    graph = mapped(op, source, mapping, 4)
    run = check(graph, 6, 3)
    words = len(run.sinks[0].cycles) // 6
    ends = run.sinks[0].cycles[words - 1 :: words]
    window = op_window(op, source.shape)
    fold = matrix_fold(op, out_lanes, in_lanes, pixel_lanes)
    chunks = 4 // step_lanes
    if fold.in_memory:
        wanted = row_memory_cycles(window, fold, chunks)
    else:
        wanted = folded_window_cycles(window, pixel_lanes, fold.words, chunks)
    assert ends[-1] - ends[-2] == wanted


@pytest.mark.parametrize("step_lanes", [1, 2, 4])
@pytest.mark.parametrize("out_lanes", [1, 2])
@pytest.mark.parametrize("in_lanes", [2, 3, 4, 6, 12])
def test_cycles_of_few_slices_are_the_formula(in_lanes, out_lanes, step_lanes):
    """A window of few slices cannot hide the start of the next one behind them."""
    random = np.random.default_rng(0)
    op = Linear(frozen(random.integers(-3, 4, (2, 12)), np.int64))
    mapping = Mapping(out_lanes=out_lanes, synapses=(SynapseMapping(in_lanes, step_lanes),))
    graph = mapped(op, SpikeType((12,), 8, 1), mapping, 4)
    run = check(graph, 6, 3)
    words = len(run.sinks[0].cycles) // 6
    ends = run.sinks[0].cycles[words - 1 :: words]
    fold = matrix_fold(op, out_lanes, in_lanes, 1)
    window = op_window(op, (12,))
    assert ends[-1] - ends[-2] == 2 * row_memory_cycles(window, fold, 4 // step_lanes)


@pytest.mark.parametrize("lanes", [1, 2, 3, 4, 6, 12])
@pytest.mark.parametrize("source_lanes", [1, 2, 3, 4, 6, 12])
def test_regroup_keeps_the_sequence(source_lanes, lanes):
    word = Word(source_lanes, 2, 3)
    unit = Regroup(word, lanes)
    random = np.random.default_rng(lanes)
    values = random.integers(0, 8, (4, 12 // source_lanes, source_lanes, 2))
    run = simulate(
        unit,
        [Source(unit.i, to_payloads(word, values), 0.3)],
        [Sink(unit.o, 4 * 12 // lanes, 0.3)],
        seed=lanes,
    )
    got = from_payloads(Word(lanes, 2, 3), run.sinks[0].payloads, 12 // lanes)
    np.testing.assert_array_equal(got.reshape(4, -1), values.reshape(4, -1))
