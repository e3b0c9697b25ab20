# amaranth: UnusedElaboratable=no
"""Text mutations of the encoder units: every one must be noticed."""

from __future__ import annotations

import pytest
from amaranth.hdl import UnusedElaboratable

from e3ne.ir import Encode

from .encoder_cases import EncoderCase, encoder_case
from .mutations import Mutation, label, survives

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{UnusedElaboratable.__module__}.UnusedElaboratable"
)

SHAPE = (6,)
NONE, BOTH, SLOW = (0.0, 0.0), (0.4, 0.4), (0.0, 0.8)


def zoo() -> list[tuple[EncoderCase, tuple[float, float]]]:
    """Every kind with one window and with several, few lanes and all of them."""
    delta, signed = Encode("delta", 4, threshold=3), Encode("delta", 5, threshold=4, signed=True)
    animals = [
        (Encode("radix", 6), 6, 2, 1, NONE),
        (Encode("radix", 6), 6, 3, 3, BOTH),
        (Encode("regular", 4), 6, 2, 1, NONE),
        (Encode("regular", 4), 6, 3, 3, BOTH),
        (Encode("regular", 3), 5, 6, 5, NONE),
        (Encode("bernoulli", 5, seed=3), 6, 2, 1, NONE),
        (Encode("bernoulli", 8, seed=4), 6, 6, 2, SLOW),
        (Encode("bernoulli", 6, seed=5), 6, 3, 3, NONE),
        (Encode("latency", 4), 6, 2, 1, NONE),
        (Encode("latency", 3), 6, 1, 3, BOTH),
        (delta, 6, 2, 1, NONE),
        (delta, 6, 3, 2, NONE),
        (signed, 6, 6, 3, BOTH),
        (signed, 4, 2, 4, NONE),
    ]
    return [
        (encoder_case(neuron, SHAPE, steps, lanes, windows, 4, index), pauses)
        for index, (neuron, steps, lanes, windows, pauses) in enumerate(animals)
    ]


def encoders() -> None:
    """Equal to the reference, with and without pauses, and as fast as the formulas say."""
    for index, (found, pauses) in enumerate(zoo()):
        unit = found.unit()
        run = found.check(pauses, unit, seed=index, limit_cycles=2_000)
        out = run.sinks[0].cycles
        if pauses == NONE:
            assert out[0] - 1 == unit.latency_cycles
            assert out[-1] - out[0] == (len(out) - 1) * unit.cycles_per_word


UNITS = [
    ("self.i.valid & self.i.ready", "self.i.valid"),
    ('pipeline.keep(last, "last_again")', "last"),
    ("flat[k * self.windows.steps + step]", "flat[step * self.i_word.lanes + k]"),
    ("with m.If(word == words - 1):", "with m.If(word == words):"),
    ("m.d.sync += [word.eq(0), window", "m.d.sync += [window"),
    ("Mux(window == windows - 1, 0, window + 1)", "window + 1"),
    ("x[self.steps - 1 - (w * steps + k)]", "x[w * steps + k]"),
    ("x[self.steps - 1 - (w * steps + k)]", "x[self.steps - 1 - k]"),
    ("random.next.eq(taken)", "random.next.eq(self.i.valid)"),
    ("word_select(step * lanes + lane, bits)", "word_select(lane * lanes + step, bits)"),
    ("step * lanes + lane, bits) < x", "step * lanes + lane, bits) <= x"),
    ("((~x)[: len(x)] * self.steps)", "(x * self.steps)"),
    ("((~x)[: len(x)] * self.steps)", "((~x)[: len(x)] * (self.steps - 1))"),
    ("fire & (time ==", "(time =="),
    ("time == window * steps + step", "time == step"),
    ('(window,) = pipeline.keep([window], "window")', "pass"),
    ("before + x)", "before | x)"),
    ("return total[:-1], total[-1]", "return x, total[-1]"),
    ("Cat(*after, 1) if delta", "Cat(*after, 0) if delta"),
    ("x, before = x.as_signed(), before.as_signed()", "pass"),
    ("up.eq(begun & (distance >= threshold))", "up.eq(distance >= threshold)"),
    ("distance >= threshold", "distance > threshold"),
    ("distance <= -threshold", "distance < -threshold"),
    ("Mux(down, -threshold, 0)", "0"),
    ("Mux(begun, before + Mux(", "Mux(begun, x + Mux("),
    ("Cat(up | down, down)", "Cat(up | down, up)"),
]
RANDOM = [
    ("following, later))", "starts[0], later))"),
    ("[*starts[1:], starts[0]]", "starts"),
    ("w * self.windows.steps + step)", "step)"),
    ("stream[self.word_bits : self.word_bits + LENGTH]", "stream[1 : 1 + LENGTH]"),
    ("known - TAP * stretch", "known - (TAP - 1) * stretch"),
    ("(known // LENGTH).bit_length() - 1", "(known // LENGTH).bit_length()"),
    ("init=words == 1", "init=1"),
    ("init=words - 1)", "init=words - 2)"),
    ("ends_window.eq(left == 1)", "ends_window.eq(left == 0)"),
    ("Mux(ends_window, words - 1, left - 1)", "left - 1"),
    ("with m.If(self.next & ends_window):", "with m.If(self.next):"),
]
STEP_ENDS = [
    ("kept.ends_word.eq(i.p.ends_word)", "kept.ends_word.eq(0)"),
    ("o.p.last.eq(i.p.last)", "o.p.last.eq(0)"),
]
MUTATIONS = [Mutation("neurons.encode", *texts) for texts in UNITS]
MUTATIONS += [Mutation("neurons.encode_random", *texts) for texts in RANDOM]
MUTATIONS += [Mutation("neurons.membrane", *texts) for texts in STEP_ENDS]


def test_the_zoo_is_right() -> None:
    encoders()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=label)
def test_encoder_mutations_are_killed(mutation: Mutation) -> None:
    assert not survives(mutation, (encoders,))
