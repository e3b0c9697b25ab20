"""Encoder units equal the reference for every kind, lanes and windows, and keep their cycles."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.sim import Simulator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e3ne.gateware.neurons.encode_random import RandomNumbers
from e3ne.gateware.neurons.membrane import Windows
from e3ne.ir import Encode
from e3ne.ir.cycles import neuron_cycles_per_word, neuron_latency_cycles
from e3ne.ir.random_bits import random_numbers

from .bench import Sink, Source, from_payloads, simulate
from .encoder_cases import encoder_case, encoder_cases

QUIET = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
pauses = st.sampled_from([(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.4)])
seeds = st.integers(0, 2**32)
KINDS = [
    (Encode("radix", 6), 6),
    (Encode("regular", 5), 6),
    (Encode("bernoulli", 5, seed=9), 6),
    (Encode("latency", 5), 6),
    (Encode("delta", 5, threshold=6), 6),
    (Encode("delta", 5, threshold=3, signed=True), 6),
]


@settings(QUIET, max_examples=200)
@given(encoder_cases(), pauses, seeds)
def test_units_equal_the_reference(found, pauses, seed):
    found.check(pauses, seed=seed)


@QUIET
@given(encoder_cases(), pauses, seeds, st.integers(2, 40))
def test_reset_in_the_middle_of_a_frame(found, pauses, seed, cycle):
    found.check(pauses, seed=seed, reset_at=cycle)


@settings(QUIET, max_examples=100)
@given(encoder_cases())
def test_cycles_equal_the_formulas(found):
    unit = found.unit()
    out = found.simulate(unit=unit).sinks[0].cycles
    assert out[0] - 1 == unit.latency_cycles
    assert set(np.diff(out)) <= {unit.cycles_per_word}


def test_cycles_of_common_encoders():
    regular = Encode("regular", 8)
    assert neuron_cycles_per_word(Encode("radix", 8), 1, 8) == 1
    assert neuron_cycles_per_word(Encode("bernoulli", 8), 1, 5, kept_words=4) == 1
    assert neuron_cycles_per_word(regular, 1, 25) == 25
    assert neuron_cycles_per_word(regular, 1, 1, kept_words=4) == 2
    assert neuron_latency_cycles(Encode("latency", 8), 1, 25) == 2
    assert neuron_latency_cycles(Encode("bernoulli", 8), 1, 25) == 1
    assert neuron_latency_cycles(regular, 1, 25) == 27
    assert neuron_latency_cycles(regular, 1, 1) == 1


@pytest.mark.parametrize("windows", [1, 2, 3, 6])
@pytest.mark.parametrize(("neuron", "steps"), KINDS, ids=str)
def test_every_sample(neuron, steps, windows):
    """All samples of 5 bits (radix: 6) at once, two by two: trains do not depend on windows."""
    found = encoder_case(neuron, (64,), steps, 2, windows, frames=2)
    if neuron.kind != "delta":
        found.samples[:] = (np.arange(128) % (1 << neuron.bits)).reshape(2, 1, 64)
    found.check()


@QUIET
@given(encoder_cases(), st.data(), seeds)
def test_a_word_never_waits_for_the_next(found, data, seed):
    """After any number of words, as many come out without any further input."""
    payloads = found.payloads()
    words = found.words * found.windows
    count = data.draw(st.integers(1, len(payloads)))
    unit = found.unit()
    source = Source(unit.i, payloads[:count], start_cycle=1)
    run = simulate(unit, [source], [Sink(unit.o, count, 0.3)], seed=seed)
    mask = (1 << unit.spike_word.value_bits) - 1
    got = [payload & mask for payload in run.sinks[0].payloads] + [0] * (-count % words)
    got = [p | (k % words == words - 1) << unit.spike_word.value_bits for k, p in enumerate(got)]
    shape = (-1, found.lanes, unit.spike_word.steps)
    spikes = from_payloads(unit.spike_word, got, words).reshape(shape)
    np.testing.assert_array_equal(spikes[:count], found.expected().reshape(shape)[:count])


@pytest.mark.parametrize(
    ("bits", "lanes", "words"), [(8, 1, 5), (8, 16, 3), (3, 7, 4), (16, 64, 2)]
)
def test_random_numbers_do_not_depend_on_lanes(bits, lanes, words):
    """Many bits a word: the register is unrolled several times its length."""
    wanted = random_numbers(3, 1, bits, lanes * words)[0].reshape(words, lanes)
    design = RandomNumbers(3, bits, lanes, Windows(words, 1, 1))
    found = []
    simulator = Simulator(design)
    simulator.add_clock(1e-6)

    async def process(ctx):
        for _ in range(2 * words):
            value = ctx.get(design.values)
            found.append([value >> lane * bits & (1 << bits) - 1 for lane in range(lanes)])
            ctx.set(design.next, 1)
            await ctx.tick()

    simulator.add_testbench(process)
    simulator.run()
    np.testing.assert_array_equal(found, np.concatenate([wanted, wanted]))
