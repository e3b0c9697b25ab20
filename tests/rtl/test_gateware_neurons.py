"""Neuron units equal the reference, keep their cycle formulas and never hold a word back."""

from __future__ import annotations

import gc
import warnings
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import UnusedElaboratable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e3ne.cost.neuron_features import state_bits
from e3ne.gateware.neurons import neuron_unit
from e3ne.gateware.neurons.integrate_fire import FireLoop
from e3ne.gateware.neurons.membrane import Windows
from e3ne.gateware.neurons.steps import StepItem
from e3ne.gateware.streams import Word
from e3ne.ir import (
    ONE,
    Dyadic,
    Integrate,
    IntegrateFire,
    Rectify,
    Relay,
    Requantize,
    SpikeType,
    frozen,
)
from e3ne.ir.cycles import neuron_cycles_per_word, neuron_latency_cycles

from .bench import Sink, Source, from_payloads, simulate
from .neuron_cases import case, cases

QUIET = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
pauses = st.sampled_from([(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.4)])
seeds = st.integers(0, 2**32)
LEAK = Dyadic(15, 4)
RESETS = [(step, reset) for step in ("same", "next") for reset in ("subtract", "to_value", "none")]
RESETS.append(("both", "subtract"))


def fires(**options) -> IntegrateFire:
    """An integer integrate-and-fire neuron; decay and gain 1, threshold 5 where not said."""
    return IntegrateFire(**{"threshold": 5, "decay": ONE, "gain": ONE, **options})


# ------------------------------------------------------------------------- the same numbers


@QUIET
@given(cases((Relay, Requantize)), pauses, seeds)
def test_relay_and_requantize_equal_the_reference(found, pauses, seed):
    found.check(pauses, seed=seed)


@settings(QUIET, max_examples=150)
@given(cases((IntegrateFire,)), pauses, seeds)
def test_integrate_fire_equals_the_reference(found, pauses, seed):
    found.check(pauses, seed=seed)


@settings(QUIET, max_examples=60)
@given(cases((Integrate,)), pauses, seeds)
def test_integrate_equals_the_reference(found, pauses, seed):
    found.check(pauses, seed=seed)


@pytest.mark.parametrize(("reset_step", "reset"), RESETS)
@pytest.mark.parametrize("fire_on", [">", ">="])
@pytest.mark.parametrize("decay", [ONE, LEAK], ids=["keeps", "leaks"])
def test_every_reset_at_every_current(reset_step, reset, fire_on, decay):
    """Every pair of currents of 4 bits at two steps, then silence; the membrane saturates."""
    neuron = fires(
        threshold=3,
        decay=decay,
        fire_on=fire_on,
        reset=reset,
        reset_value=-2,
        reset_step=reset_step,
        membrane_bits=4,
    )
    pairs = np.stack(np.meshgrid(np.arange(-8, 8), np.arange(-8, 8)), axis=0).reshape(2, 256)
    frames = np.zeros((1, 4, 256), np.int64)
    frames[0, :2] = pairs
    case(neuron, SpikeType((256,), 4, 1), bits=4, lanes=32, frames=frames).check()


@pytest.mark.parametrize("max_spikes", [3, 4, 5, 7, 8, 31])
@pytest.mark.parametrize(
    ("reset_step", "reset"), [("same", "subtract"), ("next", "subtract"), ("next", "to_value")]
)
@pytest.mark.parametrize("fire_on", [">", ">="])
def test_every_count_of_spikes_at_every_membrane(max_spikes, reset_step, reset, fire_on):
    """Every membrane of 8 bits, thresholds of 3 and 7; then silence, so that resets show."""
    neuron = fires(
        threshold=frozen([3, 7], np.int64),
        decay=LEAK,
        fire_on=fire_on,
        reset=reset,
        reset_value=-2,
        reset_step=reset_step,
        max_spikes=max_spikes,
        membrane_bits=8,
    )
    frames = np.zeros((1, 3, 2, 1, 256), np.int64)
    frames[0, 0] = np.arange(-128, 128)
    frames[0, 1] = np.arange(256)[::-1] % 100 - 50
    type = SpikeType((2, 1, 256), 3, max_spikes.bit_length())
    found = case(neuron, type, bits=8, lanes=64, frames=frames)
    counts = set(np.unique(found.expected()))
    assert counts == set(range(max_spikes + 1))
    found.check()


@pytest.mark.parametrize("bits", [2, 5])
@pytest.mark.parametrize("shift", [0, 1, 3])
@pytest.mark.parametrize("multiplier", [1, 5, -3, 0])
@pytest.mark.parametrize("signed", [False, True])
def test_requantize_rounds_half_up_and_saturates(bits, shift, multiplier, signed):
    """Every current of 8 bits."""
    frames = np.arange(-128, 128).reshape(1, 1, 256)
    type = SpikeType((256,), 1, bits, signed)
    found = case(Requantize(multiplier, shift), type, bits=8, lanes=64, frames=frames)
    found.check()


@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize("synaptic", [None, ONE, LEAK])
def test_membranes_saturate_at_both_ends(end, synaptic):
    """The widest currents, gains and offsets of one sign drive every sum to its end."""
    sign = -1 if end == "low" else 1
    current = SpikeType((2,), 6, 7, True)
    frames = np.full((2, 6, 2), getattr(current, end))
    neuron = Integrate(ONE, Dyadic(63, 2), synaptic, sign * 500, membrane_bits=12)
    found = case(neuron, SpikeType((2,), 6, 12, True), bits=7, lanes=2, frames=frames)
    expected = found.expected()
    assert expected.max() == 2047 if end == "high" else expected.min() == -2048
    found.check()
    fires = IntegrateFire(
        9, ONE, Dyadic(63, 2), synaptic, sign * 500, reset="none", membrane_bits=12
    )
    case(fires, SpikeType((2,), 6, 1), bits=7, lanes=2, frames=frames).check()


@QUIET
@given(cases(), pauses, seeds, st.integers(2, 40))
def test_reset_in_the_middle_of_a_frame(found, pauses, seed, cycle):
    found.check(pauses, seed=seed, reset_at=cycle)


# ----------------------------------------------------------------------------------- cycles


@settings(QUIET, max_examples=80)
@given(cases())
def test_cycles_equal_the_formulas(found):
    unit = found.unit()
    out = found.simulate(unit=unit).sinks[0].cycles
    assert out[0] - 1 == unit.latency_cycles
    assert set(np.diff(out)) <= {unit.cycles_per_word}


def test_cycles_of_common_neurons():
    plain = fires(membrane_bits=8)
    leaky = replace(plain, decay=LEAK)
    assert neuron_cycles_per_word(Relay(), 4, 4) == 1
    assert neuron_cycles_per_word(plain, 10, 10) == 10
    assert neuron_cycles_per_word(leaky, 10, 10) == 10
    assert neuron_cycles_per_word(replace(plain, decay=Dyadic(13, 4)), 10, 10) == 20
    assert neuron_cycles_per_word(replace(leaky, reset_step="same"), 10, 10) == 20
    assert neuron_cycles_per_word(replace(leaky, reset="none"), 10, 10, kept_words=4) == 10
    assert neuron_cycles_per_word(leaky, 1, 1) == 2
    assert neuron_cycles_per_word(Integrate(LEAK, ONE, membrane_bits=8), 10, 10) == 10
    assert neuron_cycles_per_word(Integrate(Dyadic(13, 4), ONE, membrane_bits=8), 10, 10) == 20
    assert neuron_cycles_per_word(replace(plain, reset_step="both"), 10, 10) == 30
    assert neuron_cycles_per_word(replace(plain, max_spikes=4), 10, 10) == 10
    assert neuron_cycles_per_word(replace(plain, max_spikes=5), 10, 10) == 10 * (2 + 3)
    assert neuron_cycles_per_word(replace(leaky, max_spikes=31), 10, 10) == 10 * (2 + 5)
    assert neuron_cycles_per_word(plain, 1, 1, kept_words=4) == 2
    assert neuron_latency_cycles(Requantize(3, 4), 1, 1) == 3
    assert neuron_latency_cycles(Requantize(1, 0), 16, 1) == 3
    assert neuron_latency_cycles(leaky, 10, 10) == 12
    assert neuron_latency_cycles(replace(leaky, reset_step="same"), 10, 10) == 22


@QUIET
@given(cases(), st.data(), seeds)
def test_a_word_never_waits_for_the_next(found, data, seed):
    """After any number of words, as many come out without any further input."""
    payloads = found.payloads()
    words = found.words_per_window * found.windows
    count = data.draw(st.integers(1, len(payloads)))
    unit = found.unit()
    source = Source(unit.i, payloads[:count], start_cycle=1)
    run = simulate(unit, [source], [Sink(unit.o, count, 0.3)], seed=seed)
    mask = (1 << unit.spike_word.value_bits) - 1
    filler = [0] * (-count % words)
    got = [payload & mask for payload in run.sinks[0].payloads] + filler
    got = [p | (k % words == words - 1) << unit.spike_word.value_bits for k, p in enumerate(got)]
    spikes = from_payloads(unit.spike_word, got, words).reshape(
        -1, found.lanes, unit.spike_word.steps
    )
    expected = found.expected().reshape(-1, found.lanes, unit.spike_word.steps)
    np.testing.assert_array_equal(spikes[:count], expected[:count])


# ------------------------------------------------------------------------------- ROMs, errors


@pytest.fixture
def never_simulated():
    """Amaranth need not warn of components that this test only builds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedElaboratable)
        yield
        gc.collect()


@pytest.mark.usefixtures("never_simulated")
def test_channel_parameters_share_a_rom_only_where_they_differ():
    many = frozen([3, 4, 5, 6], np.int64)
    type = SpikeType((4,), 1, 3)
    names = [image.name for image in case(Requantize(many, 1), type, bits=6, lanes=2).unit().roms]
    assert names == ["node.multiplier"]
    assert case(Requantize(many, 1), type, bits=6, lanes=4).unit().roms == ()
    assert case(Requantize(frozen([3] * 4, np.int64), 1), type, bits=6).unit().roms == ()
    neuron = IntegrateFire(
        many, Dyadic(many, 3), Dyadic(many, 1), Dyadic(many, 3), many, membrane_bits=9
    )
    roms = case(neuron, SpikeType((4,), 2, 1), bits=6, lanes=2).unit().roms
    assert [(rom.name, len(rom.words)) for rom in roms] == [
        ("node.drive", 2),
        ("node.synaptic", 2),
        ("node.offset", 2),
        ("node.membrane", 2),
    ]
    assert roms[3].words[0] == 3 | 4 << 3 | 3 << 6 | 4 << 9


@pytest.mark.usefixtures("never_simulated")
def test_words_that_do_not_hold_the_neurons_are_refused():
    node = case(Relay(), SpikeType((4,), 2, 3), bits=6).node
    word = Word(lanes=2, steps=2, bits=6, signed=True)
    with pytest.raises(ValueError, match="node: found 3 words of 2 lanes for 4 neurons"):
        neuron_unit(node, word, words_per_window=3, windows=1, rom_form="memory")
    with pytest.raises(ValueError, match="node: found other steps in than out with 2 windows"):
        neuron_unit(node, word, words_per_window=2, windows=2, rom_form="memory")


@pytest.mark.usefixtures("never_simulated")
def test_parameters_a_neuron_take_a_word_of_rom_each():
    own = frozen(np.arange(24).reshape(4, 2, 3) + 1, np.int64)
    type = SpikeType((4, 2, 3), 1, 6)
    (rom,) = case(Requantize(own, 0), type, bits=6, lanes=2).unit().roms
    assert len(rom.words) == 12
    # Wire order: the channels of the first pixel, two by two, then those of the second.
    assert rom.words[:3] == (1 | 7 << 5, 13 | 19 << 5, 2 | 8 << 5)
    # A channel's value for all of its neurons: as short as one a channel.
    same = frozen(np.broadcast_to(np.array([3, 4, 5, 6]).reshape(4, 1, 1), (4, 2, 3)), np.int64)
    (rom,) = case(Requantize(same, 0), type, bits=6, lanes=2).unit().roms
    assert len(rom.words) == 2


@pytest.mark.usefixtures("never_simulated")
def test_fields_of_different_periods_share_a_rom():
    """Decays a channel repeat in a ROM as long as the one of thresholds a neuron."""
    thresholds = frozen(np.arange(6).reshape(2, 1, 3) + 3, np.int64)
    neuron = fires(threshold=thresholds, decay=Dyadic(frozen([1, 3], np.int64), 2), membrane_bits=9)
    found = case(neuron, SpikeType((2, 1, 3), 3, 1), bits=6)
    (rom,) = found.unit().roms
    assert [word & 3 for word in rom.words] == [1, 3] * 3
    assert [word >> 2 for word in rom.words] == [3, 6, 4, 7, 5, 8]


def test_lanes_that_do_not_follow_the_channels():
    """2 lanes over 3 channels: the words repeat after 3."""
    neuron = Requantize(frozen([1, 2, 3], np.int64), 0)
    case(neuron, SpikeType((3, 1, 4), 1, 8), bits=6, lanes=2).check()


@pytest.mark.usefixtures("never_simulated")
def test_rectify_has_no_hardware():
    with pytest.raises(TypeError, match="Rectify has no hardware"):
        case(Rectify(), SpikeType((4,), 2, 3), bits=6).unit()


@pytest.mark.usefixtures("never_simulated")
@pytest.mark.parametrize(("reset_step", "reset"), RESETS)
@pytest.mark.parametrize("max_spikes", [1, 4, 5, 15])
def test_the_cost_model_knows_the_kept_state(reset_step, reset, max_spikes):
    most = 1 if reset_step == "both" else max_spikes
    neuron = fires(reset=reset, reset_step=reset_step, max_spikes=most, membrane_bits=11)
    item, windows = StepItem(1, 8), Windows(1, 1, 1)
    loop = FireLoop("n", neuron, item, SpikeType((1,), 1, 4), windows, "memory")
    assert state_bits(neuron, 1) == loop.state_bits
