"""What the neurons of a node are made of: drive, filter, membrane, tables, kept state."""

from __future__ import annotations

import math

import numpy as np

from ..ir import Dyadic, Encode, Graph, Integrate, IntegrateFire, Node, Requantize, SpikeType
from ..ir.arrays import Array
from ..ir.cycles import fires_quickly, leaks_quickly, multiplies, searches_spikes, shift_of
from ..ir.frames import kept_words, window_steps
from ..ir.parameters import parameter_words
from ..ir.ranges import Range
from ..ir.shared_terms import signed_digits
from ..ir.thresholds import compares
from .counts import Features
from .encoder_features import encoder_features
from .memories import Memory

QUICK_ADDERS = 4  # of a step of one cycle: a sum, a reset and two comparisons


def neuron_features(found: Features, graph: Graph, node: Node, width: int, steps_in: int) -> None:
    """Sum over the steps, then the neurons of all lanes; currents have `width` bits."""
    assert node.mapping is not None
    neuron, lanes = node.neuron, node.mapping.lanes
    steps_out = window_steps(graph, node.type.steps)
    if steps_in > 1 and steps_out == 1:
        bits = lanes * (steps_in - 1) * (width + 2)
        found.add("step_sum_bits", bits)
        found.ffs += bits / 2
        width += (steps_in - 1).bit_length()
        steps_in = 1
    match neuron:
        case IntegrateFire() | Integrate():
            if steps_out > 1:
                found.add("split_bits", lanes * (steps_in - 1) * width)
                found.ffs += lanes * (width + steps_out * node.type.bits)
            _drive(found, node, neuron, width)
            _membrane(found, node, neuron, steps_out)
            if words := kept_words(graph, node):
                filtered = [] if neuron.synaptic_decay is None else [neuron.membrane_bits]
                for bits in (*filtered, state_bits(neuron, steps_out)):
                    if words == 1:  # the loop's own register stays as it is, or begins with 0
                        found.add("loaded_bits", lanes * bits)
                    else:
                        found.memories.append(Memory(lanes * bits, words, is_rom=False))
        case Encode():
            encoder_features(found, graph, node, neuron)
        case Requantize():
            _requantize(found, node, width, lanes * steps_in)
        case _:
            found.add("clamp_bits", lanes * steps_in * node.type.bits)
            found.ffs += lanes * steps_in * node.type.bits


def _drive(found: Features, node: Node, neuron: IntegrateFire | Integrate, width: int) -> None:
    """Gain and offset, and the synaptic current between them."""
    assert node.mapping is not None
    lanes, bits, gain = node.mapping.lanes, neuron.membrane_bits, neuron.gain
    assert isinstance(gain, Dyadic)
    driven = factor_adders(gain) + (shift_of(gain) > 0 or bool(np.any(neuron.offset)))
    if driven or multiplies(gain):
        found.add("leak_bits", lanes * width * driven)
        found.ffs += lanes * width * 2
    if neuron.synaptic_decay is None:
        _tables(found, node, gain.multiplier, neuron.offset)
        return
    assert isinstance(neuron.synaptic_decay, Dyadic)
    found.add("leak_bits", lanes * bits * (factor_adders(neuron.synaptic_decay) + 1))
    found.add("membrane_bits", lanes * bits)
    found.ffs += lanes * bits * 3
    for table in (gain.multiplier, neuron.synaptic_decay.multiplier, neuron.offset):
        _tables(found, node, table)


def _membrane(found: Features, node: Node, neuron: IntegrateFire | Integrate, steps: int) -> None:
    assert node.mapping is not None
    if isinstance(neuron, IntegrateFire) and fires_quickly(neuron, steps):
        _quick(found, node, neuron)
        return
    assert isinstance(neuron.decay, Dyadic)
    lanes, bits = node.mapping.lanes, neuron.membrane_bits
    adders = factor_adders(neuron.decay) + 1
    thresholds: list[int | Array] = []
    if isinstance(neuron, IntegrateFire):
        levels = most = neuron.most_spikes
        if searches_spikes(neuron):  # compare, subtract, choose and shift, one bit at a time
            levels = 1
            adders += 4 + (neuron.reset == "subtract")
            found.ffs += lanes * (2 * bits + 3 * most.bit_length())
        else:
            adders += most * (2 if neuron.reset == "subtract" else 1)
        adders += 3 * (neuron.reset_step == "both")
        # Behind the integer line thresholds are integers.
        thresholds = [np.asarray(neuron.threshold) * k for k in range(1, levels + 1)]
    found.add("leak_bits", lanes * bits * adders)
    found.add("membrane_bits", lanes * bits)
    slow = multiplies(neuron.decay) and not leaks_quickly(neuron.decay, steps)
    found.ffs += lanes * (2 * bits + 2) if slow else lanes * (bits + 2)
    _tables(found, node, neuron.decay.multiplier, *thresholds)


def _quick(found: Features, node: Node, neuron: IntegrateFire) -> None:
    """A spiking membrane of a step a cycle."""
    assert node.mapping is not None
    assert isinstance(neuron.decay, Dyadic)
    lanes, bits = node.mapping.lanes, neuron.membrane_bits
    # Without a leak Yosys adds drive and reset to the membrane in one sum, of twice the LUTs.
    adders = QUICK_ADDERS + (factor_adders(neuron.decay) or 2)
    found.add("leak_bits", lanes * bits * adders)
    found.add("membrane_bits", lanes * bits)
    found.ffs += lanes * (2 * bits + 2)
    _tables(found, node, neuron.threshold)


def state_bits(neuron: IntegrateFire | Integrate, steps: int) -> int:
    """Bits of one neuron that its membrane loop keeps from window to window of so many steps."""
    bits = neuron.membrane_bits
    if isinstance(neuron, IntegrateFire) and fires_quickly(neuron, steps):
        return bits
    if isinstance(neuron, Integrate) or neuron.reset_step != "next" or neuron.reset == "none":
        return bits
    if searches_spikes(neuron) and neuron.reset == "subtract":
        return 2 * bits
    return bits + neuron.most_spikes.bit_length()


def _requantize(found: Features, node: Node, width: int, values: int) -> None:
    neuron = node.neuron
    assert isinstance(neuron, Requantize)
    assert node.mapping is not None
    if compares(neuron, node.type, node.mapping.lanes):
        found.add("compared_bits", values * width * node.type.high)
        found.ffs += values * node.type.bits
        return
    factor = Dyadic(neuron.multiplier, neuron.shift)
    if multiplies(factor):
        grown = int(np.max(np.abs(np.asarray(neuron.multiplier)))).bit_length()
        found.add("factor_bits", values * width * factor_adders(factor))
        width += grown
        found.ffs += values * width
        _tables(found, node, neuron.multiplier)
    if neuron.shift:
        found.add("rounded_bits", values * width)
        found.ffs += values * max(1, width - neuron.shift + 1)
    found.add("clamp_bits", values * node.type.bits)
    found.ffs += values * node.type.bits


def factor_adders(factor: Dyadic) -> int:
    """Adders of a multiplication: one less than a constant's signed digits; of a table two a bit.

    What no constant is known of is a row of gates and a compressor, two LUTs, for each bit.
    """
    table = np.asarray(factor.multiplier)
    if np.all(table == table.flat[0]):
        return max(0, len(signed_digits(abs(int(table.flat[0])))) - 1)
    return 2 * int(np.max(np.abs(table))).bit_length()


def _tables(found: Features, node: Node, *fields: int | float | Array) -> None:
    """The ROM of parameters that differ between words."""
    assert node.mapping is not None
    lanes, depth, width = node.mapping.lanes, 1, 0
    for table in fields:
        words = _words(table, node.type, lanes)
        if len(words) > 1:
            depth = math.lcm(depth, len(words))
            width += lanes * Range(int(words.min()), int(words.max())).signed_bits
    if width:
        found.memories.append(Memory(width, depth, is_rom=True))


def _words(table: int | float | Array, type: SpikeType, lanes: int) -> Array:
    values = np.asarray(table)
    if values.ndim == 0 or np.all(values == values.flat[0]):
        return values.reshape(-1)[:1]
    return parameter_words(values, type, lanes)
