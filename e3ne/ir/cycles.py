"""Cycle formulas of neuron units and readout: the hardware keeps them, `cost` adds them up.

A unit works on words of a node's current. "Cycles a word" is the distance of two words in a unit
that never waits; "latency" counts from the cycle in which the first word is offered to the cycle
in which its spikes are. `kept_words` is the number of words in a window where membranes are kept
between several windows of a frame, else 0.
"""

from __future__ import annotations

from typing import assert_never

import numpy as np

from .graph import Readout
from .neurons import (
    Dyadic,
    Encode,
    Factor,
    Integrate,
    IntegrateFire,
    Neuron,
    Rectify,
    Relay,
    Requantize,
)
from .shared_terms import signed_digits

SUM_WAYS = 4  # terms that one register stage of a sum over the steps adds
CLASS_WAYS = 4  # numbers of which one register stage finds the largest
VERDICT_CYCLES = 2  # from a frame's last word at the port until it is known to be good everywhere
GATE_QUEUE_SPARE = 3  # words that a port sends on while the frame before waits for that
EVENT_LATENCY_CYCLES = 5  # from a frame's last event to its first word
COUNTED_AT_ONCE = 4  # spikes of a step that a neuron counts at once; more are searched bit by bit


def event_input_cycles(words: int, beats: int = 1) -> int:
    """Cycles from one frame to the next at a port of events: `beats` events, `words` behind it.

    Two banks: each takes the beats, needs 4 cycles until its first word leaves, and is free when
    its last one has. (Half a cycle is rounded up.)
    """
    return max(words, beats, -(-(words + beats + EVENT_LATENCY_CYCLES - 2) // 2))


def step_sum_stages(steps_in: int, steps_out: int) -> int:
    """Register stages of the sum over the steps, where a train ends in one value."""
    stages, terms = 0, steps_in if steps_out == 1 else 1
    while terms > 1:
        stages, terms = stages + 1, -(-terms // SUM_WAYS)
    return stages


def neuron_cycles_per_word(
    neuron: Neuron, steps_in: int, steps_out: int, kept_words: int = 0
) -> int:
    """Cycles from one word to the next, of windows of `steps_in` steps to `steps_out`."""
    match neuron:
        case Relay() | Requantize():
            return 1
        case Encode():
            return steps_out * encode_phases(steps_out, kept_words) if is_stepwise(neuron) else 1
        case IntegrateFire() | Integrate():
            return steps_out * max(_loops(neuron, steps_out, kept_words))
        case Rectify():
            raise TypeError("Rectify has no hardware: lower it before the integer line")
        case _:
            assert_never(neuron)


def neuron_latency_cycles(
    neuron: Neuron, steps_in: int, steps_out: int, kept_words: int = 0, compares: bool = False
) -> int:
    """Cycles from the first word of a current, offered to an idle unit, to its spikes.

    `compares`: a Requantize that compares (`ir.thresholds`).
    """
    before = step_sum_stages(steps_in, steps_out)
    match neuron:
        case Relay():
            return before + 1
        case Requantize() if compares:
            return before + 1
        case Requantize():
            return before + drive_stages(Dyadic(neuron.multiplier, neuron.shift), 0) + 1
        case Encode():
            if not is_stepwise(neuron):
                return 2 if neuron.kind == "latency" else 1
            split_and_join = 2 if steps_out > 1 else 0
            return split_and_join + steps_out * encode_phases(steps_out, kept_words)
        case IntegrateFire() | Integrate():
            loops = _loops(neuron, steps_out, kept_words)
            split_and_join = 2 if steps_out > 1 else 0
            if neuron.synaptic_decay is None:
                stages = drive_stages(neuron.gain, neuron.offset)
            else:
                stages = drive_stages(neuron.gain, 0) + drive_stages(Dyadic(1), neuron.offset)
            return before + split_and_join + stages + sum(loops) + (steps_out - 1) * max(loops)
        case Rectify():
            raise TypeError("Rectify has no hardware: lower it before the integer line")
        case _:
            assert_never(neuron)


def readout_ways(rule: Readout) -> int:
    """Terms that one register stage of the readout merges."""
    return 2 if rule is Readout.MAX else SUM_WAYS


def readout_stages(steps_in_window: int, rule: Readout) -> int:
    """Register stages from a word to one number a lane."""
    stages, terms = 0, 1 if rule is Readout.LAST else steps_in_window
    while terms > 1:
        stages, terms = stages + 1, -(-terms // readout_ways(rule))
    return stages


def readout_cycles(words: int, sent: int, beats_per_word: int = 1) -> int:
    """Cycles from one frame to the next: collecting `words`, sending the one before.

    Of `sent` words, each in `beats_per_word`; the next frame starts while the last one narrows.
    """
    return max(words, sent * beats_per_word + (beats_per_word == 1))


def readout_latency_cycles(steps_in_window: int, rule: Readout) -> int:
    """Cycles from a frame's last word to its first beat; the others follow, one a cycle."""
    return readout_stages(steps_in_window, rule) + 3


def class_stages(lanes: int) -> int:
    """Register stages of the tree that finds the largest of `lanes` numbers."""
    stages, terms = 0, lanes
    while terms > 1:
        stages, terms = stages + 1, -(-terms // CLASS_WAYS)
    return stages


def class_comparisons(lanes: int) -> int:
    """Comparators of that tree: every pair of the up to 4 numbers that meet."""
    found, terms = 0, lanes
    while terms > 1:
        whole, rest = divmod(terms, CLASS_WAYS)
        found += whole * (CLASS_WAYS * (CLASS_WAYS - 1) // 2) + rest * (rest - 1) // 2
        terms = whole + (rest > 0)
    return found


def class_readout_latency_cycles(
    steps_in_window: int, rule: Readout, lanes: int, words: int
) -> int:
    """Cycles from a frame's last word to the class, of a frame of `words` words."""
    tree = class_stages(lanes)
    return readout_stages(steps_in_window, rule) + (max(tree, 1) if words == 1 else tree + 1)


def drive_stages(gain: Factor, offset: object) -> int:
    """Register stages of ((x * multiplier + half) >> shift) + offset."""
    return int(multiplies(gain)) + int(shift_of(gain) > 0 or bool(np.any(np.asarray(offset))))


def membrane_stages(
    neuron: IntegrateFire | Integrate, steps: int, kept_words: int
) -> list[tuple[str, int]]:
    """("drive", register stages) and ("loop", cycles of a step) of a membrane's parts, in order."""
    loops = [("loop", phases) for phases in _loops(neuron, steps, kept_words)]
    if neuron.synaptic_decay is None:
        found = [("drive", drive_stages(neuron.gain, neuron.offset)), *loops]
    else:
        found = [
            ("drive", drive_stages(neuron.gain, 0)),
            loops[0],
            ("drive", drive_stages(Dyadic(1), neuron.offset)),
            loops[1],
        ]
    return [(kind, cycles) for kind, cycles in found if cycles]


def integrate_phases(decay: Factor, steps: int, kept_words: int) -> int:
    """Cycles of one step of v = sat(decay * v + x): one where nothing much is multiplied."""
    return 1 if leaks_quickly(decay, steps) or not _slow(decay, steps, kept_words) else 2


def leaks_quickly(decay: Factor, steps: int) -> bool:
    """Whether a membrane leaks within the cycle of its step: in words of several steps.

    The decay is the same for all, with one adder at most: 1, 3/4, 7/8, 15/16, ...
    """
    if steps == 1 or not isinstance(decay, Dyadic):
        return False
    multipliers = np.unique(np.asarray(decay.multiplier))
    return len(multipliers) == 1 and len(signed_digits(abs(int(multipliers[0])))) <= 2


def fires_quickly(neuron: IntegrateFire, steps: int) -> bool:
    """Whether a spiking membrane leaks so and resets at the step behind a single spike."""
    resets_later = neuron.reset_step == "next" or neuron.reset == "none"
    one = neuron.most_spikes == 1 and neuron.reset_step != "both"
    return one and resets_later and leaks_quickly(neuron.decay, steps)


def is_stepwise(neuron: Encode) -> bool:
    """Whether an encoder works step by step, with a state; the others send whole words."""
    return neuron.kind in ("regular", "delta")


def encode_phases(steps: int, kept_words: int) -> int:
    """Cycles of one step of such an encoder: as of a membrane that is not multiplied."""
    return 2 if kept_words > 1 and steps == 1 else 1


def fire_phases(neuron: IntegrateFire, steps: int, kept_words: int) -> int:
    """Cycles of one step of a spiking membrane."""
    if neuron.reset_step == "both":
        return 3
    if fires_quickly(neuron, steps):
        return 1
    if searches_spikes(neuron):
        return 2 + neuron.most_spikes.bit_length()
    return 1 if not _slow(neuron.decay, steps, kept_words) else 2


def searches_spikes(neuron: IntegrateFire) -> bool:
    """Whether the spikes of a step are found bit by bit, not by one comparator for each of them."""
    return neuron.most_spikes > COUNTED_AT_ONCE


def multiplies(factor: Factor) -> bool:
    """Whether `factor` has another multiplier than 1."""
    if not isinstance(factor, Dyadic):
        raise TypeError("a real factor has no hardware: lower it before the integer line")
    return bool(np.any(np.asarray(factor.multiplier) != 1))


def shift_of(factor: Factor) -> int:
    """The shift of a Dyadic."""
    if not isinstance(factor, Dyadic):
        raise TypeError("a real factor has no hardware: lower it before the integer line")
    return factor.shift


def _slow(decay: Factor, steps: int, kept_words: int) -> bool:
    # A kept membrane is read from memory in one cycle and used at the end of the next.
    return multiplies(decay) or shift_of(decay) > 0 or (kept_words > 1 and steps == 1)


def _loops(neuron: IntegrateFire | Integrate, steps: int, kept_words: int) -> list[int]:
    loops = []
    if neuron.synaptic_decay is not None:
        loops.append(integrate_phases(neuron.synaptic_decay, steps, kept_words))
    if isinstance(neuron, IntegrateFire):
        loops.append(fire_phases(neuron, steps, kept_words))
    else:
        loops.append(integrate_phases(neuron.decay, steps, kept_words))
    return loops
