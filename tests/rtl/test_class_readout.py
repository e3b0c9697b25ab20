# amaranth: UnusedElaboratable=no
"""The readout of the class alone, and words as narrow beats."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e3ne.cost import predict
from e3ne.cost.schedule import frame_latency
from e3ne.gateware.class_readout import ClassReadout
from e3ne.gateware.frame_input import VERDICT, beat_signature
from e3ne.gateware.narrow import Narrow
from e3ne.gateware.network import Network
from e3ne.gateware.readout import Readout
from e3ne.gateware.streams import Word
from e3ne.ir import (
    Graph,
    Identity,
    Input,
    Mapping,
    Node,
    Output,
    OutputWords,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    SynapseMapping,
    verify,
)
from e3ne.ir import Readout as Rule
from e3ne.ir.cycles import class_readout_latency_cycles, readout_cycles
from e3ne.ir.frames import (
    OutputFormat,
    from_output_beats,
    input_format,
    to_beats,
    to_output_beats,
)
from e3ne.ir.order import to_words
from e3ne.reference import read_out

from .bench import Run, Sink, Source, simulate, to_payloads
from .mutations import CHECK, Mutation, survives
from .test_gateware_readout import readouts
from .test_network_ports import Port

QUIET = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
PAUSES = st.sampled_from([(0.0, 0.0, 0.0), (0.4, 0.4, 0.4), (0.0, 0.8, 0.0), (0.0, 0.0, 0.8)])


def run_class(
    found, pauses=(0.0, 0.0, 0.0), bits: int = 8, **options
) -> tuple[Run, list[int], ClassReadout]:
    """(run, payloads that must come, design); `pauses` of the words, the verdicts, the class."""
    word, elements, windows, rule, trains, verdicts = found
    design = ClassReadout(word, elements, windows, rule, bits)
    words = to_words(trains, (elements,), word.lanes, word.steps)
    _, winners = read_out(Output("node", rule), {"node": trains})
    pairs = zip(winners.tolist(), verdicts, strict=True)
    expected = [winner | 1 << bits for winner, good in pairs if good]
    run = simulate(
        design,
        [
            Source(design.i, to_payloads(word, words), pauses[0]),
            Source(design.verdict, verdicts, pauses[1]),
        ],
        [Sink(design.o, len(expected), pauses[2])],
        **options,
    )
    return run, expected, design


@QUIET
@given(readouts(), PAUSES, st.integers(0, 2**32))
def test_the_class_is_the_reference_s(found, pauses, seed):
    run, expected, _ = run_class(found, pauses, seed=seed)
    assert run.sinks[0].payloads == expected


@QUIET
@given(readouts(), st.integers(0, 2**32), st.integers(1, 50))
def test_reset_in_the_middle_of_a_frame(found, seed, cycle):
    run, expected, _ = run_class(found, (0.3, 0.3, 0.3), seed=seed, reset_at=cycle)
    assert run.sinks[0].payloads == expected


def tied(rule: Rule, lanes: int, words: int, seed: int):
    """Frames with few different numbers, so that many are equal."""
    trains = np.random.default_rng(seed).integers(-1, 2, (12, 2, lanes * words))
    return Word(lanes, 2, 3, True), lanes * words, 1, rule, trains, [1, 1, 0] * 4


@pytest.mark.parametrize("rule", list(Rule))
@pytest.mark.parametrize(("lanes", "words"), [(1, 7), (2, 3), (5, 1), (10, 1), (17, 2)])
def test_the_lowest_class_wins_a_tie(rule, lanes, words):
    run, expected, _ = run_class(tied(rule, lanes, words, lanes))
    assert run.sinks[0].payloads == expected


@pytest.mark.parametrize("rule", list(Rule))
@pytest.mark.parametrize(
    ("lanes", "elements", "steps", "windows"),
    [(1, 5, 1, 4), (3, 6, 5, 1), (10, 10, 1, 1), (10, 10, 3, 2), (1, 1, 1, 1), (17, 17, 3, 1)],
)
def test_cycles_equal_the_formulas(rule, lanes, elements, steps, windows):
    word = Word(lanes, steps, 4, True)
    trains = np.random.default_rng(0).integers(-8, 8, (6, steps * windows, elements))
    run, _, _ = run_class((word, elements, windows, rule, trains, [1] * 6))
    words = elements // lanes
    taken = run.sources[0].cycles[words * windows - 1 :: words * windows]
    latency = class_readout_latency_cycles(steps, rule, lanes, words)
    assert np.array_equal(np.subtract(run.sinks[0].cycles, taken), [latency] * 6)
    assert set(np.diff(run.sinks[0].cycles)) == {words * windows}


def test_too_many_classes_for_a_beat_are_refused():
    with pytest.raises(ValueError, match="found 257 classes in 8 bits"):
        ClassReadout(Word(1, 1, 4), 257, 1, Rule.LAST, 8)
    ClassReadout(Word(1, 1, 4), 256, 1, Rule.LAST, 8)


@CHECK
@given(readouts(), PAUSES, st.integers(0, 2**32))
def class_check(found, pauses, seed):
    run, expected, _ = run_class(found, pauses, seed=seed, limit_cycles=2_000)
    assert run.sinks[0].payloads == expected
    for words in ((1, 7), (5, 2), (6, 1)):
        run, expected, _ = run_class(tied(Rule.LAST, *words, seed), limit_cycles=500)
        assert run.sinks[0].payloads == expected


@pytest.mark.parametrize(
    "pair",
    [
        ("advance.eq(result.i.ready | ~is_whole)", "advance.eq(1)"),
        ("later[0] > earlier[0]", "later[0] >= earlier[0]"),
        ("walked.valid & walked.in_last_window", "walked.valid"),
        ("~Cat(beats[k]).any()", "~Cat(beats[k])[0]"),
        ('(marks["word"] == 0) |', "0 |"),
        ("number > best)", "number >= best)"),
        ('marks["word"] * self.word.lanes + lane', 'marks["word"] + lane'),
        ("with m.If(advance & valid):", "with m.If(advance):"),
        ('valid & marks["ends"]', "valid"),
        ("self.verdict.valid & good", "self.verdict.valid"),
        ("result.ready.eq(self.verdict.valid &", "result.ready.eq("),
        ("self.verdict.ready.eq(result.valid &", "self.verdict.ready.eq("),
    ],
    ids=str,
)
def test_class_readout_mutations_are_killed(pair):
    assert not survives(Mutation("class_readout", *pair), (class_check,))


class NarrowReadout(wiring.Component):
    """A Readout whose words leave as narrow beats."""

    def __init__(self, readout: Readout, bits: int) -> None:
        self.readout, self.narrow = readout, Narrow(bits)
        super().__init__(
            {
                "i": In(readout.word.signature),
                "verdict": In(VERDICT),
                "o": Out(beat_signature(bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules += [self.readout, self.narrow]
        connect(m, flipped(self.i), self.readout.i)
        connect(m, flipped(self.verdict), self.readout.verdict)
        connect(m, self.readout.o, self.narrow.i)
        connect(m, self.narrow.o, flipped(self.o))
        return m


def run_narrow(found, bits, has_class=True, pause=0.0, **options) -> tuple[Run, list[int]]:
    """(run, payloads that must come) of words as beats of `bits` bits."""
    word, elements, windows, rule, trains, verdicts = found
    design = NarrowReadout(Readout(word, elements, windows, rule, has_class), bits)
    numbers, winners = read_out(Output("node", rule), {"node": trains})
    words = np.concatenate([numbers, winners[:, None]], axis=1) if has_class else numbers
    form = OutputFormat(elements, has_class, rule.value, 1.0, beat_bits=bits)
    beats = to_output_beats(form, words[np.array(verdicts, bool)])
    np.testing.assert_array_equal(from_output_beats(form, beats), words[np.array(verdicts, bool)])
    beats[:, -1] |= 1 << bits
    payloads = to_payloads(word, to_words(trains, (elements,), word.lanes, word.steps))
    run = simulate(
        design,
        [Source(design.i, payloads, pause), Source(design.verdict, verdicts, pause)],
        [Sink(design.o, beats.size, pause)],
        **options,
    )
    return run, beats.reshape(-1).tolist()


@QUIET
@given(readouts(), st.sampled_from([8, 16]), st.booleans(), st.sampled_from([0.0, 0.4]))
def test_words_as_narrow_beats(found, bits, has_class, pause):
    run, expected = run_narrow(found, bits, has_class, pause)
    assert run.sinks[0].payloads == expected


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("has_class", [False, True])
def test_narrow_beats_cost_no_cycle_between_frames(bits, has_class):
    trains = np.random.default_rng(0).integers(-8, 8, (6, 1, 5))
    found = (Word(5, 1, 4, True), 5, 1, Rule.LAST, trains, [1] * 6)
    run, _ = run_narrow(found, bits, has_class)
    words = 5 + has_class
    beats = words * 32 // bits
    firsts = run.sinks[0].cycles[::beats]
    assert set(np.diff(firsts)) == {readout_cycles(1, words, 32 // bits)}
    assert set(np.diff(run.sinks[0].cycles[:beats])) == {1}


@CHECK
@given(readouts(), st.sampled_from([8, 16]), st.sampled_from([0.0, 0.4]))
def narrow_check(found, bits, pause):
    run, expected = run_narrow(found, bits, True, pause, limit_cycles=2_000)
    assert run.sinks[0].payloads == expected


@pytest.mark.parametrize(
    "pair",
    [
        ("self.i.p.last & final", "self.i.p.last"),
        ("self.o.ready & final", "self.o.ready"),
        ("with m.If(self.o.valid & self.o.ready):", "with m.If(self.o.ready):"),
        ("word_select(part, self.beat_bits)", "word_select(parts - 1 - part, self.beat_bits)"),
    ],
    ids=str,
)
def test_narrow_mutations_are_killed(pair):
    assert not survives(Mutation("narrow", *pair), (narrow_check,))


def one_beat_network() -> Graph:
    """Frames of one beat, a word a frame everywhere, the class alone out."""
    nodes = (
        Node(
            "copy",
            (Synapse(Identity(), "x"),),
            Relay(),
            SpikeType((6,), 1, 4),
            Mapping(out_lanes=6, synapses=(SynapseMapping(),)),
        ),
    )
    source = Input("x", SpikeType((6,), 1, 4), lanes=6, packed=True)
    output = Output("copy", Rule.LAST, OutputWords.CLASS, 8)
    return verify(Graph(Stage.MAPPED, (source,), nodes, (output,), 1))


def test_a_frame_a_cycle_through_a_network():
    graph = one_beat_network()
    x = np.random.default_rng(0).integers(0, 16, (100, 1, 6))
    network = Network(graph, "memory")
    beats = [
        int.from_bytes(frame[0].tobytes(), "little")
        for frame in to_beats(graph, graph.inputs[0], x)
    ]
    assert input_format(graph, graph.inputs[0]).beat_bytes == 3
    run = simulate(
        network,
        [Source(Port(network, "s_axis"), [beat | 1 << 24 for beat in beats])],
        [Sink(Port(network, "m_axis"), 100)],
    )
    assert [payload & 255 for payload in run.sinks[0].payloads] == x[:, 0].argmax(axis=1).tolist()
    assert set(np.diff(run.sinks[0].cycles)) == {1}
    assert run.sinks[0].cycles[0] - run.sources[0].cycles[0] + 1 == frame_latency(graph) == 5
    assert predict(graph).interval_cycles == 1
