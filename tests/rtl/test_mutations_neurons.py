# amaranth: UnusedElaboratable=no
"""Text mutations of neuron units, readout and frame input: every one must be noticed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from amaranth.hdl import UnusedElaboratable
from hypothesis import given
from hypothesis import strategies as st

from e3ne.gateware.readout import Readout

from . import neuron_zoo
from .mutations import CHECK, Mutation, label, mutated, survives
from .test_gateware_frame_input import any_frames
from .test_gateware_neuron_arithmetic import (
    test_clamp_at_every_value as check_clamp,
)
from .test_gateware_neuron_arithmetic import (
    test_rounded_sum_at_every_value as check_rounded_sum,
)
from .test_gateware_neuron_arithmetic import (
    test_times_at_every_value as check_times,
)
from .test_gateware_readout import expected_beats, readouts, run

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{UnusedElaboratable.__module__}.UnusedElaboratable"
)


def zoo_check(animals: Callable[[], list]) -> Callable[[], None]:
    """Equal to the reference, with and without pauses, and as fast as the formulas say."""

    def check() -> None:
        for index, (found, pauses) in enumerate(animals()):
            unit = found.unit()
            run = found.check(pauses, unit, seed=index, limit_cycles=2_000)
            out = run.sinks[0].cycles
            if pauses == (0.0, 0.0):
                assert out[0] - 1 == unit.latency_cycles
                assert out[-1] - out[0] == (len(out) - 1) * unit.cycles_per_word

    return check


@CHECK
@given(
    *(readouts(), st.sampled_from([True, True, False])),
    *(st.sampled_from([0.0, 0.4]), st.integers(0, 2**32)),
)
def readout_check(found, has_class, pause, seed):
    word, elements, windows, rule, trains, verdicts = found
    design = Readout(word, elements, windows, rule, has_class)
    beats = run(design, trains, verdicts, pause, seed=seed, limit_cycles=2_000).sinks[0].payloads
    assert beats == expected_beats(rule, trains, verdicts, has_class)


@CHECK
@given(any_frames(), st.sampled_from([(0.0, 0.0, 0.0), (0.4, 0.4, 0.9)]), st.integers(0, 2**32))
def input_check(frames, pauses, seed):
    run, words = frames.send(pauses, depth=1, seed=seed, limit_cycles=2_000)
    assert (words == frames.expected()).all()
    assert run.sinks[1].payloads == frames.verdicts
    assert run.sinks[2].payloads[-1] == (0 in frames.verdicts)


def arithmetic_check() -> None:
    for low, high in ((0, 7), (-8, 7), (-12, 31), (-1, 63), (-32, 15)):
        check_clamp(low, high, is_signed=True)
    check_clamp(0, 7, is_signed=False)
    for shift in (0, 1, 3):
        check_rounded_sum(shift, -7)
    for factor in (2, 11, 77):
        check_times(factor, is_signed=True)


stateless = zoo_check(neuron_zoo.stateless)
spiking = zoo_check(neuron_zoo.spiking)
quick = zoo_check(neuron_zoo.quick)
searching = zoo_check(neuron_zoo.searching)
watched = zoo_check(neuron_zoo.watched)
integrating = zoo_check(neuron_zoo.integrating)

ARITHMETIC = [
    ("product.shift_right(shift - 1) + doubled + 1", "product.shift_right(shift - 1) + doubled"),
    ("product.shift_right(shift - 1) + doubled + 1", "product.shift_right(shift) + doubled + 1"),
    ("if reach.high > high:", "if False:"),
    ("if reach.low < low:", "if False:"),
    ("return over & ~value[-1] if", "return over if"),
    ("return value < low", "return value <= low + 1"),
    ("(-low).bit_length() - 1 : -1", "(-low).bit_length() : -1"),
    ("digits).shift_left(digits[0][0])", "digits)"),
    ("return upper + lower if sign > 0 else upper - lower", "return upper + lower"),
    ("(shift, sign * other)", "(shift, other)"),
    ("shift_left(high[0][0] - low[0][0])", "shift_left(high[0][0])"),
    ("sign = total[-1] if", "sign = Const(0, 1) if"),
]
FIRE = [
    ("if self.neuron.floor is None else", "if True else"),
    ("Mux(lane.before.any(),", "Mux(~lane.before.any(),"),
    ("if neuron.reset_keeps_input else", "if not neuron.reset_keeps_input else"),
    ("drive = drive - self._spent", "drive = drive + self._spent"),
    ("lane.before == k + 1", "lane.before == k"),
    ("Const(k + 1) for k", "Const(1) for k"),
    ("fired = passed[0]", "fired = passed[-1]"),
    ("[membrane - theta for theta", "[membrane - lane.thresholds[0] for theta"),
    ("again.eq(self._fires(lane.membrane, lane)[0])", "again.eq(0)"),
    ("Mux(fired & ~again, down", "Mux(fired, down"),
    ("Mux(again & ~fired, up, held)", "held"),
    ("down = clamp(held - theta, bounds.low, bounds.high)", "down = held"),
    ("m.d.comb += reset.eq(Mux(again, total - theta, total))", "m.d.comb += reset.eq(total)"),
    ("Cat(after, before)", "Cat(after, Const(0, self.before_bits))"),
]
SEARCH = [
    ("integrate_fire", "return lane.membrane - lane.before.as_signed()", "return lane.membrane"),
    ("integrate_fire", "fired = spikes.any()", "fired = spikes.all()"),
    ("integrate_fire", "spikes if step.left is None else step.left", "spikes"),
    ("integrate_fire", "            return self.neuron.membrane_bits\n", "            return 4\n"),
    ("spike_search", 'if neuron.fire_on == ">" else', 'if neuron.fire_on == ">=" else'),
    ("spike_search", "return membrane > level", "return membrane >= level"),
    ("spike_search", "else membrane >= level", "else membrane > level"),
    ("spike_search", "& (with_bit <= neuron.most_spikes)", ""),
    ("spike_search", "with_bit <= neuron.most_spikes", "with_bit < neuron.most_spikes"),
    ("spike_search", "Mux(kept, left - level, left)", "left"),
    ("spike_search", "Mux(kept, with_bit, count)", "Mux(kept, bit, count)"),
    ("spike_search", "with m.Elif(phase != phases - 1):", "with m.Else():"),
    ("spike_search", "with m.If(phase == 1):", "with m.If(phase == 0):"),
    ("spike_search", "theta << (bits - 1)", "theta << bits"),
    ("spike_search", "level.eq(level >> 1)", "level.eq(level)"),
    ("spike_search", "len(theta) + bits - 1", "len(theta)"),
]
PERIODS = [
    ("math.lcm(*(len(words)", "min(*(len(words)"),
    ("if len(words) > 1}", "if len(words) > 2}"),
    ("words[group % len(words)]", "words[group % 2]"),
]
WATCHED = [
    ("sent = after if", "sent = membrane if"),
    ("StepItem(lanes, neuron.membrane_bits)", "StepItem(lanes, 1)"),
    ('neuron.sends == "membrane" else spikes', 'neuron.sends != "membrane" else spikes'),
]
QUICK = [
    ('neuron.fire_on == ">" else membrane - threshold', "True else membrane"),
    ('difference[-1] if neuron.fire_on == ">" else', "difference[-1] if 1 else"),
    ("drive - taken", "drive"),
    ("drive - taken", "drive + taken"),
    ("shift_of(neuron.decay), drive", "0, drive"),
    ("if neuron.reset_keeps_input else", "if not neuron.reset_keeps_input else"),
    ("int(neuron.reset_value), total)", "0, total)"),
    ("if neuron.floor is None else", "if True else"),
    ("threshold = level", "pass"),
    ("level.eq(threshold)", "level.eq(level)"),
]
LOOPS = (spiking, quick, integrating)
LOOP = [
    ("kept.ends_word.eq(i.p.ends_word)", "kept.ends_word.eq(0)"),
    ("o.p.ends_word.eq(i.p.ends_word)", "o.p.ends_word.eq(1)"),
    ("o.p.last.eq(i.p.last)", "o.p.last.eq(0)"),
    ("parameters.next_word.eq(final & self.i.p.ends_word)", "parameters.next_word.eq(final)"),
    ("parameters.next_word.eq(final & self.i.p.ends_word)", "parameters.next_word.eq(0)"),
    ("word_select(lane, self.state_bits)", "word_select(0, self.state_bits)"),
]
MEMBRANE = [
    ("following.eq(Mux(begins, 0, kept))", "following.eq(kept)"),
    ("following.eq(Mux(begins, 0, kept))", "following.eq(0)"),
    ("state.eq(Mux(self.ends_word, following, self.new))", "state.eq(self.new)"),
    ("read.addr.eq(next_word)", "read.addr.eq(word)"),
    ("write.addr.eq(word)", "write.addr.eq(next_word)"),
    ("window == windows - 1, 0, window + 1", "window == windows - 1, window, window + 1"),
    (
        "i.ready.eq(ready & (phase == phases - 1) & free)",
        "i.ready.eq(ready & (phase == phases - 1))",
    ),
    ("final.eq(at_work & (phase == phases - 1) & free)", "final.eq(at_work & free)"),
    (
        "with m.If(free):\n        m.d.sync += o.valid",
        "with m.If(o.ready):\n        m.d.sync += o.valid",
    ),
    ("return self.words if self.streaming or self.windows > 1 else 0", "return 0"),
]
INTEGRATE = [
    ("after.eq(clamp(total, span.low, span.high))", "after.eq(total)"),
    ("times(state.as_signed()", "times(state"),
]
DRIVE = [
    ('offsets = pipeline.keep(offsets, "offset")', "pass"),
    ("self.i.valid & self.i.ready & self.i.p.ends_word", "self.i.valid & self.i.ready"),
    ("self.gain.shift, offsets[k])", "self.gain.shift, 0)"),
    ("Range(found.low + min(offsets), found.high + max(offsets))", "found"),
]
STEPS = [
    ("ends = step == self.steps_out - 1", "ends = step == self.steps_out - 2"),
    ("self.i.ready.eq(free & ends)", "self.i.ready.eq(ends)"),
    ("self.i.ready.eq(free & ends)", "self.i.ready.eq(free)"),
    ("self.i.ready.eq(free | ~self.i.p.ends_word)", "self.i.ready.eq(1)"),
    ("joined[self.word.bits :]", "joined[: -self.word.bits]"),
    ("word.bits + (word.steps - 1).bit_length()", "word.bits"),
    ("selected(steps, step)", "selected(steps[::-1], step)"),
]
STATELESS = [
    (
        "parameters",
        "group == self.groups - 1, 0, group + 1",
        "group == self.groups - 1, 1, group + 1",
    ),
    ("parameters", "words[group % len(words)]", "words[0]"),
    ("parameters", "self.words[field][:, lane]", "self.words[field][:, 0]"),
    ("parameters", "self.ready.eq(1)]\n", "self.ready.eq(0)]\n"),
    ("pipeline", "self.advance.eq(~o.valid | o.ready)", "self.advance.eq(o.ready)"),
    ("pipeline", "self.advance.eq(~o.valid | o.ready)", "self.advance.eq(1)"),
    ("requantize", "lane * steps + step % steps", "lane * steps"),
    ("requantize", "three | (one & ~two)", "three | one"),
    ("requantize", "three | (one & ~two)", "one & ~two"),
    ("requantize", "return Const(0, 1)", "return Const(1, 1)"),
    ("requantize", "bits[-1] = ~bits[-1]", "bits[-1] = bits[-1]"),
    ("requantize", "found: Value = Const(1, 1)", "found: Value = Const(0, 1)"),
    ("requantize", "self.levels[k // steps]", "self.levels[0]"),
    ("requantize", "clamp(x, span.low, span.high) for", "clamp(x, span.low, span.high - 1) for"),
]
NEURON_MUTATIONS = [
    *((Mutation("neurons.arithmetic", *pair), arithmetic_check) for pair in ARITHMETIC),
    *((Mutation("neurons.integrate_fire", *pair), spiking) for pair in FIRE),
    *((Mutation(f"neurons.{module}", old, new), searching) for module, old, new in SEARCH),
    *((Mutation("neurons.integrate_fire", *pair), watched) for pair in WATCHED),
    *((Mutation("neurons.quick_fire", *pair), quick) for pair in QUICK),
    *((Mutation("neurons.membrane", *pair), kind) for pair in LOOP for kind in LOOPS),
    *((Mutation("neurons.parameters", *pair), searching) for pair in PERIODS),
    *((Mutation("neurons.membrane", *pair), spiking) for pair in MEMBRANE),
    *((Mutation("neurons.integrate", *pair), integrating) for pair in INTEGRATE),
    *((Mutation("neurons.drive", *pair), integrating) for pair in DRIVE),
    *((Mutation("neurons.steps", *pair), integrating) for pair in STEPS),
    *((Mutation(f"neurons.{module}", old, new), stateless) for module, old, new in STATELESS),
]
READOUT_MUTATIONS = [
    Mutation("readout", *pair)
    for pair in [
        ("self.o.p.data > best", "self.o.p.data >= best"),
        ("better = (count == 1) |", "better ="),
        ("Mux(better, count - 1, best_class)", "Mux(better, count, best_class)"),
        ("advance.eq(~(walked.valid & full))", "advance.eq(1)"),
        ("sending.eq(self.verdict.payload)", "sending.eq(1)"),
        ("free.eq(~self.o.valid | self.o.ready)", "free.eq(1)"),
        ("bank.eq(~bank)\n        return ends", "bank.eq(bank)\n        return ends"),
        ("starts | (sends & ends_word)", "starts"),
        ("if self.has_class else self.elements - 1", "if 1 else self.elements - 1"),
        ("count), number) if self.has_class", "count), number) if 1"),
    ]
] + [
    Mutation("readout_numbers", *pair)
    for pair in [
        ("steps[-1:] if", "steps[:1] if"),
        ("Mux(first, value,", "Mux(~first, value,"),
        ("Mux(term > largest, term, largest)", "Mux(term < largest, term, largest)"),
        ("ends_frame.eq(ends_window & (window == self.windows - 1))", "ends_frame.eq(ends_window)"),
        ("bits.as_signed() if", "bits.as_unsigned() if"),
        ("read.addr.eq(next_word + place)", "read.addr.eq(word + place)"),
        ("read.addr.eq(next_word + place)", "read.addr.eq(next_word)"),
        ("read.en.eq(store)", "read.en.eq(1)"),
        ("next_word.eq(Mux(ends_window, 0, word + 1))", "next_word.eq(word + 1)"),
        ("if self.words == 1:", "if False:"),
    ]
]
INPUT_MUTATIONS = [
    Mutation("frame_input", *pair)
    for pair in [
        ("(~at_end | verdicts.w_rdy)", "1"),
        ("position == (beats - 2) % beats", "position == 0"),
        ("Signal(init=beats == 1)", "Signal()"),
        ("verdicts.w_data.eq(~filling & beat.p.last)", "verdicts.w_data.eq(1)"),
        ("verdicts.w_data.eq(~filling & beat.p.last)", "verdicts.w_data.eq(beat.p.last)"),
        ("with m.If(~filling):", "with m.If(1):"),
        ("beat.ready.eq(draining | (may_send", "beat.ready.eq((may_send"),
        ("may_send & ~filling & self.o.ready", "may_send & self.o.ready"),
        ("m.d.sync += filling.eq(~at_end)", "m.d.sync += filling.eq(0)"),
        ("with m.If(draining & beat.valid & beat.p.last):", "with m.If(draining & beat.valid):"),
        ("draining.eq(at_end), self.error.eq(1)]", "draining.eq(at_end)]"),
        ("draining.eq(at_end), self.error.eq(1)]", "draining.eq(0), self.error.eq(1)]"),
        ("lane * self.form.field_bits", "lane * self.form.bits * self.word.steps"),
        ("spare_full.eq(0),", ""),
        ("self.i.ready.eq(~spare_full)", "self.i.ready.eq(1)"),
    ]
]


CHECKS = (
    *(arithmetic_check, stateless, spiking, searching, watched, integrating),
    *(readout_check, input_check),
)


def test_the_zoo_is_busy():
    """Every spiking case sends every count of spikes that it may send."""
    for found, _ in (*neuron_zoo.spiking(), *neuron_zoo.searching()):
        assert set(np.unique(found.expected())) == set(range(found.node.neuron.max_spikes + 1))


def test_the_checks_accept_the_originals():
    for check in CHECKS:
        check()


@pytest.mark.parametrize(("mutation", "check"), NEURON_MUTATIONS, ids=label)
def test_neuron_mutations_are_killed(mutation, check):
    assert not survives(mutation, (check,))


@pytest.mark.parametrize("mutation", READOUT_MUTATIONS, ids=str)
def test_readout_mutations_are_killed(mutation):
    assert not survives(mutation, (readout_check,))


@pytest.mark.parametrize("mutation", INPUT_MUTATIONS, ids=str)
def test_frame_input_mutations_are_killed(mutation):
    assert not survives(mutation, (input_check,))


def test_a_mutation_ends_with_its_block():
    mutation, check = NEURON_MUTATIONS[0]
    with mutated(mutation), pytest.raises(AssertionError):
        check()
    assert survives(
        Mutation(
            "readout",
            "Out(beat_signature(signed(WORD_BITS)))",
            "Out( beat_signature(signed(WORD_BITS)))",
        ),
        (stateless,),
    )


def test_an_outdated_mutation_is_an_error():
    with (
        pytest.raises(AssertionError, match="found 0 times"),
        mutated(Mutation("rom", "no such text", "")),
    ):
        pass
