"""A fixed set of busy neurons: few cases that together use every option where it matters."""

from __future__ import annotations

from functools import cache

import numpy as np

from e3ne.ir import ONE, Dyadic, Integrate, IntegrateFire, Relay, Requantize, SpikeType, frozen

from .neuron_cases import Case, case

CHANNELS = 6


def channels(*values: int):
    return frozen(values, np.int64)


SLOW = (0.0, 0.8)
BOTH = (0.4, 0.4)
NONE = (0.0, 0.0)
LEAKS = Dyadic(channels(13, 14, 15, 12, 11, 13), 4)
THETAS = channels(4, 7, 9, 5, 12, 6)


def fires(**options) -> IntegrateFire:
    base = {"threshold": THETAS, "decay": LEAKS, "gain": ONE, "membrane_bits": 7}
    return IntegrateFire(**{**base, **options})


@cache
def spiking() -> list[tuple[Case, tuple[float, float]]]:
    """Every reset, both comparisons, several spikes, floors, kept and fresh membranes."""
    neurons = [
        (fires(fire_on=">"), (4, 2, 4), 1, NONE),
        (fires(reset_step="both", decay=Dyadic(7, 3)), (6, 2, 6), 2, BOTH),
        (fires(reset="to_value", reset_value=3, reset_keeps_input=True), (5, 1, 5), 6, NONE),
        (fires(reset="to_value", reset_value=-2, reset_keeps_input=False), (4, 4, 4), 2, SLOW),
        (fires(max_spikes=3, fire_on=">="), (6, 3, 6), 3, NONE),
        (fires(max_spikes=3, reset_step="same", decay=ONE), (6, 2, 6), 2, BOTH),
        (fires(max_spikes=3, reset_step="same", reset="to_value"), (5, 1, 5), 3, NONE),
        (fires(reset="none", decay=Dyadic(3, 2), threshold=9), (4, 1, 1), 2, SLOW),
        (fires(threshold=5, decay=ONE, floor=-3), (4, 4, 4), 2, SLOW),
        (fires(reset_step="both", fire_on=">=", decay=ONE, membrane_bits=5), (8, 1, 8), 2, SLOW),
    ]  # fmt: skip
    return [
        (_case(neuron, layout, lanes, neuron.max_spikes.bit_length(), 6, index), pauses)
        for index, (neuron, layout, lanes, pauses) in enumerate(neurons)
    ]


@cache
def quick() -> list[tuple[Case, tuple[float, float]]]:
    """A step a cycle: decays of 1 - 2**-k, every later reset, kept and fresh membranes."""
    neurons = [
        (fires(decay=Dyadic(15, 4)), (4, 2, 4), 2, NONE),
        (fires(decay=Dyadic(1, 1), fire_on=">=", threshold=5), (5, 1, 5), 3, BOTH),
        (fires(decay=Dyadic(3, 2), reset="to_value", reset_value=-3), (6, 2, 6), 6, NONE),
        (fires(decay=ONE, reset="to_value", reset_keeps_input=False, floor=-3), (4, 1, 1), 2, SLOW),
        (fires(decay=Dyadic(7, 3), sends="membrane", floor=-20), (6, 3, 6), 3, BOTH),
    ]
    return [
        (_case(neuron, layout, lanes, 7 if neuron.sends == "membrane" else 1, 6, index), pauses)
        for index, (neuron, layout, lanes, pauses) in enumerate(neurons)
    ]


@cache
def searching() -> list[tuple[Case, tuple[float, float]]]:
    """Many spikes a step, found bit by bit; membranes sent; thresholds a neuron."""
    fine = channels(2, 3, 4, 2, 3, 5)
    own = frozen(np.random.default_rng(3).integers(2, 9, (CHANNELS, 1, 2)), np.int64)
    neurons = [
        (fires(threshold=fine, max_spikes=7), (4, 2, 4), 1, NONE),
        (fires(threshold=fine, max_spikes=10, reset_step="same", fire_on=">="), (6, 6, 6), 2, SLOW),
        (fires(threshold=3, max_spikes=5, reset="to_value", reset_value=-9), (5, 1, 5), 3, SLOW),
        (fires(threshold=4, max_spikes=6, reset_step="same", reset="to_value"), (4, 4, 4), 2, NONE),
        (fires(threshold=own, max_spikes=5), (4, 2, 4), 3, BOTH),
        (fires(threshold=own, reset_step="same"), (5, 5, 5), 12, SLOW),
    ]  # fmt: skip
    return [
        (_case(neuron, layout, lanes, 6, 6, index + 2, two_columns=neuron.threshold is own), pauses)
        for index, (neuron, layout, lanes, pauses) in enumerate(neurons)
    ]


@cache
def watched() -> list[tuple[Case, tuple[float, float]]]:
    """Membranes of neurons that fire, after each kind of reset."""
    neurons = [
        (fires(sends="membrane"), (4, 2, 4), 2, NONE),
        (fires(sends="membrane", reset_step="same", decay=ONE), (5, 1, 5), 3, BOTH),
        (fires(sends="membrane", reset_step="both"), (4, 4, 4), 2, NONE),
        (fires(sends="membrane", max_spikes=9, threshold=4), (6, 2, 6), 1, SLOW),
    ]
    return [
        (_case(neuron, layout, lanes, 7, 6, index), pauses)
        for index, (neuron, layout, lanes, pauses) in enumerate(neurons)
    ]


@cache
def integrating() -> list[tuple[Case, tuple[float, float]]]:
    """Gains, offsets, synaptic currents and leaks, a channel and one for all."""
    gains = Dyadic(channels(9, -7, 5, 11, 6, -8), 3)
    offsets = channels(-9, 4, 8, -3, 2, 7)
    neurons = [
        (Integrate(LEAKS, gains, None, offsets, 8), (4, 2, 4), 2, NONE),
        (Integrate(ONE, Dyadic(3, 1), LEAKS, offsets, 8), (6, 3, 6), 3, BOTH),
        (Integrate(Dyadic(7, 3), ONE, ONE, 0, 7), (4, 1, 1), 1, SLOW),
        (Integrate(ONE, ONE, None, offsets, 9), (2, 1, 2), 6, SLOW),
        (Integrate(ONE, gains, None, 0, 7), (1, 1, 5), 2, BOTH),
        (Integrate(ONE, ONE, None, 0, 7), (4, 4, 4), 2, NONE),
    ]
    return [
        (_case(neuron, layout, lanes, neuron.membrane_bits, 6, index), pauses)
        for index, (neuron, layout, lanes, pauses) in enumerate(neurons)
    ]


@cache
def stateless() -> list[tuple[Case, tuple[float, float]]]:
    """Multipliers a channel and for all, sums over steps, one step to many, both signs."""
    factors = channels(5, -3, 9, 2, 7, 4)
    neurons = [
        (Requantize(factors, 3), (1, 1, 1), 2, 3, NONE),
        (Requantize(factors, 2), (1, 1, 6), 1, 4, BOTH),
        (Requantize(factors, 4), (1, 1, 1), 12, 4, SLOW),
        (Requantize(1, 2), (1, 1, 5), 6, 3, NONE),
        (Relay(), (3, 1, 3), 2, 4, BOTH),
        (Relay(), (4, 1, 1), 3, 8, SLOW),
        (Requantize(6, 7), (1, 1, 3), 2, 2, NONE),  # signed (at an even place), so not compared
        (Requantize(channels(5, 3, 9, 1, 7, 40), 5), (1, 1, 1), 6, 2, BOTH),
    ]
    return [
        (_case(neuron, layout, lanes, bits, 7, index), pauses)
        for index, (neuron, layout, lanes, bits, pauses) in enumerate(neurons)
    ]


def _case(
    neuron,
    layout,
    lanes: int,
    bits: int,
    current_bits: int,
    seed: int,
    *,
    two_columns: bool = False,
) -> Case:
    steps, windows, steps_in = layout
    shape = (CHANNELS, 1, 2) if two_columns or lanes > CHANNELS else (CHANNELS,)
    signed = not isinstance(neuron, IntegrateFire) and seed % 2 == 0
    membranes = getattr(neuron, "sends", None) == "membrane" or isinstance(neuron, Integrate)
    type = SpikeType(shape, steps, bits, signed or membranes)
    return case(
        neuron,
        type,
        bits=current_bits,
        lanes=lanes,
        windows=windows,
        steps_in=steps_in,
        frame_count=4,
        seed=seed,
    )
