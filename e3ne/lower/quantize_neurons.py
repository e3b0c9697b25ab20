"""Neurons with integer parameters, and the types and scales of what they send."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from typing import Any, TypeGuard, assert_never

import numpy as np

from ..config import NodeConfig, ScaleKind
from ..ir import (
    Array,
    Encode,
    Factor,
    Integrate,
    IntegrateFire,
    Neuron,
    Node,
    Rectify,
    Relay,
    Requantize,
    SpikeType,
    UnsupportedModel,
)
from ..ir.ranges import Range, endless_membrane_range, membrane_range
from .factors import decay_dyadic, dyadic, integers, scale_of_kind
from .parameters import aligned, compacted, real
from .rewiring import is_selection, is_weighted

log = logging.getLogger(__name__)

FINE_BITS = 15  # of a threshold in units of its membrane
LARGEST_FRACTION_BITS = FINE_BITS - 1  # of a threshold of one unit of the current
GAIN_BITS = 16  # significant bits of a gain that is not a power of two


@dataclass(frozen=True)
class Sum:
    """The integer current of a node: every value it can have, and the real value of one unit.

    `scale` is float64, () or (channels,). `endless`: it comes in a stream, not frame by frame.
    """

    range: Range
    scale: Array
    endless: bool = False


def integer_neurons(node: Node, current: Sum, settings: NodeConfig, kind: ScaleKind) -> Node:
    """`node`, which has integer synapses already, with integer neurons, edge type and scale."""
    neuron = node.neuron
    match neuron:
        case Relay():
            type = relay_type(node, current.range)
            return replace(node, type=type, scale=float(current.scale))
        case Rectify():
            return requantized(node, neuron, current, settings, kind)
        case IntegrateFire():
            return integer_fire(node, neuron, current, settings)
        case Integrate():
            return integer_integrate(node, neuron, current, settings)
        case Encode():
            delta = neuron.kind == "delta"
            type = replace(node.type, bits=2 if delta else 1, signed=delta)
            return replace(node, type=type, scale=1.0)
        case Requantize():
            raise TypeError(f"{node.name}: Requantize before the integer line")
        case _:
            assert_never(neuron)


def sends_spikes(neuron: Neuron) -> TypeGuard[IntegrateFire]:
    """Are its trains spikes, whose type is known before any current is?"""
    return isinstance(neuron, IntegrateFire) and neuron.sends == "spikes"


def spike_type(node: Node, neuron: IntegrateFire) -> SpikeType:
    """The edge of a spiking neuron: as many bits as its most spikes a step need."""
    return replace(node.type, bits=neuron.most_spikes.bit_length(), signed=False)


def relay_type(node: Node, found: Range) -> SpikeType:
    """The narrowest edge that holds every sum; sums of weights (but of selections) are signed."""
    signed = found.low < 0 or any(
        is_weighted(synapse) and not is_selection(synapse.op) for synapse in node.synapses
    )
    bits = found.signed_bits if signed else max(1, found.high.bit_length())
    return replace(node.type, bits=bits, signed=signed)


def requantized(
    node: Node, neuron: Rectify, current: Sum, settings: NodeConfig, kind: ScaleKind
) -> Node:
    """A ReLU as a radix neuron: its largest value becomes the largest integer of the edge.

    A ReLU that has bits already keeps them; its unit is what it is, whatever `kind` says.
    """
    assert neuron.bound is not None, f"{node.name}: calibrate before quantising"
    type = replace(node.type, bits=neuron.bits or settings.edge_bits, signed=False)
    scale = neuron.bound / type.high
    if neuron.bits is None:
        scale = float(scale_of_kind(scale, kind))
    factor = dyadic(current.scale / scale, settings.multiplier_bits)
    return replace(node, neuron=Requantize(factor.multiplier, factor.shift), type=type, scale=scale)


def integer_fire(node: Node, neuron: IntegrateFire, current: Sum, settings: NodeConfig) -> Node:
    """Integrate-and-fire on a membrane whose unit is that of the current, times gain, / 2**f.

    The unit may differ from channel to channel (or neuron to neuron), but not where the membrane
    is sent, or has a floor or a reset value.
    """
    sent = neuron.sends == "membrane"
    one_unit = sent or neuron.reset_value != 0 or neuron.floor is not None
    neuron, scale = aligned(neuron, current.scale, node.type.shape)
    unit = step_unit(neuron.gain, scale, one_unit)
    least = float(np.min(np.asarray(neuron.threshold) / unit))
    unit = unit / 2.0 ** fraction_bits(settings, least)
    integer = replace(
        neuron,
        threshold=integers(np.maximum(np.rint(np.asarray(neuron.threshold) / unit), 1)),
        reset_value=0 if neuron.reset_value == 0 else int(np.rint(neuron.reset_value / unit)),
        floor=None if neuron.floor is None else int(np.rint(neuron.floor / unit)),
        **_integer_parameters(neuron, scale, unit, settings),
    )
    integer = compacted(integer, node.type.shape)
    reached = reached_range(node, integer, current, settings)
    largest = max(reached.high, int(np.max(integer.threshold)))
    bits = membrane_bits(node, Range(reached.low, largest), settings)
    integer = replace(integer, membrane_bits=bits, floor=_reachable(integer.floor, reached, bits))
    if sent:
        type = replace(node.type, bits=bits, signed=True)
        return replace(node, neuron=integer, type=type, scale=float(unit))
    return replace(node, neuron=integer, type=spike_type(node, neuron), scale=1.0)


def integer_integrate(node: Node, neuron: Integrate, current: Sum, settings: NodeConfig) -> Node:
    """A membrane that is sent: the edge is as wide as the membrane and has its unit."""
    neuron, scale = aligned(neuron, current.scale, node.type.shape)
    unit = step_unit(neuron.gain, scale, one_unit=True)
    unit = unit / 2.0 ** fraction_bits(settings, max(-current.range.low, current.range.high))
    integer = Integrate(**_integer_parameters(neuron, scale, unit, settings))
    integer = compacted(integer, node.type.shape)
    reached = reached_range(node, integer, current, settings)
    bits = membrane_bits(node, reached, settings)
    type = replace(node.type, bits=bits, signed=True)
    return replace(node, neuron=replace(integer, membrane_bits=bits), type=type, scale=float(unit))


def _integer_parameters(
    neuron: IntegrateFire | Integrate, scale: Array, unit: Array, settings: NodeConfig
) -> dict[str, Any]:
    """Factors and offset on a membrane of `unit`, driven by a current of `scale`."""
    synaptic = neuron.synaptic_decay
    offset = np.asarray(neuron.offset)
    return {
        "decay": decay_dyadic(real(neuron.decay), settings.decay_bits),
        "gain": dyadic(real(neuron.gain) * scale / unit, GAIN_BITS),
        "synaptic_decay": (
            None if synaptic is None else decay_dyadic(real(synaptic), settings.decay_bits)
        ),
        "offset": integers(offset / unit) if offset.any() else 0,
    }


def step_unit(gain: Factor, scale: Array, one_unit: bool) -> Array:
    """The real value of what one unit of the current adds to the membrane: scale * |gain|.

    So the integer gain is a power of two and exact; a unit for all channels (`one_unit`) takes the
    largest |gain| * scale, and the gains of the other channels are rounded to 16 bits.
    """
    step = np.abs(real(gain)) * scale
    step = np.where(step > 0, step, step.max() or scale.max())
    return np.asarray(step.max() if one_unit else step)


def fraction_bits(settings: NodeConfig, size: float) -> int:
    """How much finer the membrane's unit is than the current's: 2**this.

    `size` is the least threshold (or the largest current, of an integrator) in units of the
    current. Without a choice by the user: the least number up to 14 that makes it at least 2**14,
    so that a rounding error of half a unit a step stays below 1 / 2**15 of it.
    """
    if settings.membrane_fraction_bits is not None:
        return settings.membrane_fraction_bits
    missing = FINE_BITS - math.frexp(size)[1]
    return min(max(missing, 0), LARGEST_FRACTION_BITS)


def reached_range(
    node: Node, integer: IntegrateFire | Integrate, current: Sum, settings: NodeConfig
) -> Range:
    """What the membrane can reach in a frame, or in an endless stream.

    UnsupportedModel where a stream has no bound and the user chose no width to saturate at.
    """
    if not current.endless:
        return membrane_range(integer, current.range, node.type.steps)
    found = endless_membrane_range(integer, current.range)
    if found is not None:
        return found
    if settings.membrane_bits is None:
        raise UnsupportedModel(
            f"{node.name}: found a membrane that an endless stream drives beyond every width (it "
            "does not decay), accepted decays below 1; choose its width, at which it saturates, as "
            f"nodes.{node.name}.membrane_bits or default.membrane_bits"
        )
    largest = 1 << (settings.membrane_bits - 1)
    return Range(-largest, largest - 1)


def membrane_bits(node: Node, reached: Range, settings: NodeConfig) -> int:
    """Bits that no membrane leaves, or the user's cap, where it saturates."""
    needed = max(2, reached.signed_bits)
    cap = settings.membrane_bits
    if cap is None or cap >= needed:
        return needed
    log.info("%s: a membrane of %d bits may saturate, range is %d bits", node.name, cap, needed)
    return cap


def _reachable(floor: float | int | None, reached: Range, bits: int) -> int | None:
    """The floor where a membrane can get to it; None where saturation or range stops it before."""
    lowest = max(reached.low, -(1 << (bits - 1)))
    return None if floor is None or floor <= lowest else int(floor)
